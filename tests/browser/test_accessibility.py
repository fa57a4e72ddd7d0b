"""axe-core on the pages in both themes: no serious fault. On all of them where EASYAIGC_LONG is set."""

import json
import os

import pytest

from glm_core import workspace
from glm_core.auth import accounts, options
from glm_core.chat import shared
from glm_core.chat.conversations import Conversation
from glm_core.evaluation import blind_votes, report
from glm_core.evaluation.blind_votes import Pair, VoteSide
from glm_core.runs.exchange import import_adapter
from tests.browser import pictures
from tests.browser.conftest import running, settle
from tests.browser.test_shared import PASSWORD, sign_in
from tests.evaluation import made
from tests.runs.exchange.test_import_adapter import trained, zipped
from tests.tiny import tiny_chatglm

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

SERIOUS = ("serious", "critical")
USUAL = ("home", "datasets", "report", "settings", "vote", "share", "shared", "training")
"The pages that between them have every kind of part, last the one beside which a trainer gets ready; the rest take minutes more."
PARTS = {
    "report": "[class*=st-key-report-dimmed-rows]",
    "vote": ".st-key-choices",
    "share": ".st-key-share",
    "shared": ".st-key-shared",
}
"What a page is looked at for: figures of another step, an open vote, the popover of a link, somebody's conversation."
GROUND = "getComputedStyle(document.querySelector('[data-testid=stApp]') ?? document.body).backgroundColor"
RUN = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"


@pytest.fixture
def server(tmp_path_factory):
    """A shared server with an adapter brought in from elsewhere, so that the pages of a run have one to show."""
    folder = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASYAIGC_HOME", str(folder / "home"))
        base = tiny_chatglm(folder / "home" / "models" / "tiny")
        run = import_adapter.import_adapter(zipped(trained(base, folder / "a")), base, name="客服问答", owner="local")
        workspace.write_json(report.file_of(run), made.report(run=run.id).to_dict())
        accounts.create("boss", PASSWORD, "administrator")
        options.set_option("share", "on")
        opened = {"vote": open_vote(), "shared": open_talk(), "share": f"chat?model={run.id}"}
        with running(folder) as server:
            yield server, pictures.addresses(server.home) | opened


def open_vote() -> str:
    """The address of a vote."""
    pairs = [Pair("几点开门？", "我不会累。", "九点。")]
    return f"vote?vote={blind_votes.start('run-1', 'local', (VoteSide('tiny'), VoteSide('客服问答', 12)), pairs).id}"


def open_talk() -> str:
    """The address of a conversation that is shared."""
    talk = Conversation(accounts.named("boss").folder, model="tiny")
    talk.messages = [{"role": "user", "content": "几点开门？"}, {"role": "assistant", "content": "**九点**。"}]
    talk.save()
    return f"chat?shared={shared.share(talk).link}"


def faults(page) -> list[str]:
    """The serious faults on the page in view in both themes, each with the first element that has it."""
    axe_playwright = pytest.importorskip("axe_playwright_python.base", reason="in requirements-dev.txt")
    page.evaluate(axe_playwright.AXE_FILE_PATH.read_text(encoding="utf-8"))
    found, grounds = [], set()
    for theme in pictures.THEMES:
        page.emulate_media(color_scheme=theme)
        page.wait_for_timeout(300)
        page.wait_for_function("!document.querySelector('[data-test-script-state=running]')")
        grounds.add(page.evaluate(GROUND))
        found += [
            f"{theme}: {one['id']} ({one['impact']}, {len(one['nodes'])}x): {one['nodes'][0]['html'][:300]} {json.dumps(one['nodes'][0].get('any'))[:200]}"
            for one in page.evaluate(RUN)
            if one["impact"] in SERIOUS
        ]
    assert len(grounds) == len(pictures.THEMES), "the page follows the theme"
    return found


def test_no_page_has_a_serious_fault(server, chromium):
    context = chromium.new_context(locale="zh-CN", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(120_000)
    server, every = server
    page.goto(f"{server.url}/login")
    found = {"login": faults(page)}
    sign_in(page, f"{server.url}/login", "boss")
    assert set(USUAL) <= set(every)
    for name, address in every.items() if os.environ.get("EASYAIGC_LONG") else [(name, every[name]) for name in USUAL]:
        page.goto(f"{server.url}/{address}")
        settle(page)
        page.locator(".stMainBlockContainer :is(h1, h2, .stAlert, .stMarkdown)").first.wait_for()
        if name in PARTS:
            page.locator(PARTS[name]).first.wait_for()
        if name == "share":
            page.locator(".st-key-share button").click()
            page.locator("[data-testid=stPopoverBody] img").wait_for()
        found[name] = faults(page)
    said = "\n".join(f"{name}: {one}" for name, those in found.items() for one in those)
    assert not said, said
