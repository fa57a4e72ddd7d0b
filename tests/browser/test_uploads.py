"""The upload page in a real browser: a file that is refused before it is read says why, an access token is masked and arrives."""

import pytest

from glm_core import i18n
from tests.browser.conftest import running, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that takes files of up to one megabyte."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "1")
        with running(tmp_path_factory.mktemp("uploads")) as server:
            yield server


@pytest.mark.parametrize("language, locale", [("zh", "zh-CN"), ("en", "en-US")])
def test_a_file_over_the_limit_says_so_in_the_readers_language(server, tmp_path, chromium, language, locale):
    large = tmp_path / "large.jsonl"
    large.write_bytes(b'{"q": "a", "a": "b"}\n' * 60_000)
    page = chromium.new_context(locale=locale).new_page()
    page.goto(f"{server.url}/upload")
    page.get_by_test_id("stFileUploader").first.wait_for()
    settle(page)
    told = "() => getComputedStyle(document.querySelector('[data-testid=stFileUploader]'), '::after').content"
    assert page.evaluate(told) == "none"
    page.set_input_files("input[type=file]", large)
    page.locator("[data-testid=stFileChip][aria-invalid=true]").wait_for()
    assert page.evaluate(told).strip('"') == i18n.table(language)["ui.upload_refused"].format(limit=1)


def test_an_access_token_is_masked_and_sent_without_the_enter_key(server, page):
    sent = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page.goto(f"{server.url}/upload?hub=1")
    settle(page)
    page.get_by_test_id("stPopoverButton").filter(has_text="访问令牌").click()
    field = page.locator("[class*=st-key-secret-] input")
    field.fill("hf_secret")
    field.press("Tab")
    page.wait_for_timeout(300)
    settle(page)
    assert any(b"hf_secret" in bytes(frame) for frame in sent if not isinstance(frame, str))
    assert field.evaluate("field => getComputedStyle(field).webkitTextSecurity") == "disc"
