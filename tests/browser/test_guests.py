"""What a guest finds in a second browser before and after an administrator opens one run to guests."""

import pytest

from glm_core import i18n
from glm_core.auth import accounts, options
from glm_core.runs.exchange import export, import_adapter
from tests.browser.conftest import running, settle
from tests.browser.test_shared import PASSWORD, open_window, sign_in
from tests.runs.exchange.test_import_adapter import trained, zipped
from tests.tiny import tiny_chatglm

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def runs(workspace, tmp_path):
    """Two runs of an administrator, each with a model that it was merged into."""
    boss = accounts.create("boss", PASSWORD, "administrator")
    base = tiny_chatglm(workspace / "models" / "tiny")
    made = []
    for name in ("shop", "secret"):
        files = zipped(trained(base, tmp_path / name))
        run = import_adapter.import_adapter(files, base, name=f"{name} run", owner=boss.folder)
        job = export.start_export(run, base, check=False)
        job.wait(120)
        export.keep_as_model(job)
        made.append(run)
    accounts.set_open_guest(True)
    options.set_option("share", "on")
    return made


@pytest.fixture
def server(runs, tmp_path):
    """A server shared with guests."""
    with running(tmp_path) as server:
        yield server


def listed(page) -> str:
    """What the list of models above the chat offers."""
    settle(page)
    page.locator(".st-key-model").locator("input, [role=combobox]").first.click()
    page.get_by_role("option").first.wait_for()
    found = "\n".join(page.get_by_role("option").all_inner_texts())
    page.keyboard.press("Escape")
    return found


def test_a_guest_finds_the_run_that_was_opened_and_its_merged_model_and_no_other(server, runs, chromium):
    guest, words = open_window(chromium, "en-US", 390), i18n.table("en")
    guest.goto(f"{server.url}/chat")
    guest.get_by_role("button", name=words["signin.guest"]).click()
    guest.get_by_text(words["chat.hello_base"]).wait_for()
    assert "shop" not in (found := listed(guest)) and "secret" not in found and "tiny" in found

    boss = open_window(chromium)
    sign_in(boss, f"{server.url}/login?next=/chat%3Fmodel%3D{runs[0].id}", "boss")
    settle(boss)
    boss.get_by_role("button", name=i18n.table("zh")["share.open"], exact=True).click()
    popover = boss.get_by_test_id("stPopoverBody")
    popover.get_by_text(i18n.table("zh")["share.guests"], exact=True).click()
    settle(boss)
    link = popover.locator("[data-testid=stCode] code").first.inner_text().strip()

    guest.goto(f"{server.url}/chat?{link.partition('?')[2]}")
    guest.get_by_text(words["chat.hello_runs"]).wait_for()
    found = listed(guest)
    assert "shop run" in found and "tiny-shop-run" in found and "tiny" in found and "secret" not in found
    guest.get_by_test_id("stChatInputTextArea").fill("你好")
    guest.get_by_test_id("stChatInputTextArea").press("Enter")
    answer = guest.get_by_test_id("stChatMessage").nth(1)
    answer.get_by_text("shop run").first.wait_for()  # that of the link answers
