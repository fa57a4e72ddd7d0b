"""axe-core on the pages in both themes: no serious fault. On all of them where EASYAIGC_LONG is set."""

import json
import os

import pytest

from glm_core.runs.exchange import import_adapter
from tests.browser import pictures
from tests.browser.conftest import running, settle
from tests.runs.exchange.test_import_adapter import trained, zipped
from tests.tiny import tiny_chatglm

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

SERIOUS = ("serious", "critical")
USUAL = ("home", "datasets", "training", "report", "settings")
"The pages that between them have every kind of part; the rest take minutes more."
RUN = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server for both themes, with an adapter brought in from elsewhere, so that the pages of a run have one to show."""
    folder = tmp_path_factory.mktemp("shown")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASYAIGC_HOME", str(folder / "home"))
        base = tiny_chatglm(folder / "home" / "models" / "tiny")
        import_adapter.import_adapter(zipped(trained(base, folder / "a")), base, name="客服问答", owner="local")
        with running(folder) as server:
            yield server


def faults(page) -> list[str]:
    """The serious faults on the page in view, each with the first element that has it."""
    axe_playwright = pytest.importorskip("axe_playwright_python.base", reason="in requirements-dev.txt")
    page.evaluate(axe_playwright.AXE_FILE_PATH.read_text(encoding="utf-8"))
    return [
        f"{one['id']} ({one['impact']}, {len(one['nodes'])}x): {one['nodes'][0]['html'][:300]} {json.dumps(one['nodes'][0].get('any'))[:200]}"
        for one in page.evaluate(RUN)
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("theme", pictures.THEMES)
def test_no_page_has_a_serious_fault(server, chromium, theme):
    context = chromium.new_context(locale="zh-CN", color_scheme=theme, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(120_000)
    found = {}
    every = pictures.addresses(server.home)
    assert set(USUAL) <= set(every)
    for name, address in every.items() if os.environ.get("EASYAIGC_LONG") else [(name, every[name]) for name in USUAL]:
        page.goto(f"{server.url}/{address}")
        settle(page)
        page.locator(".stMainBlockContainer :is(h1, h2, .stAlert, .stMarkdown)").first.wait_for()
        found[name] = faults(page)
    context.close()
    assert {name: those for name, those in found.items() if those} == {}
