"""Two people in two browsers on a shared server: each sees what is theirs."""

import re

import pytest

from glm_core.auth import accounts, api_keys, options
from tests.browser.conftest import running, settle

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PASSWORD = "correct horse"
QUESTION = "二十七加十五等于多少？"
ID = re.compile(r"(?<=[?&]c=)[^&]+")


def open_window(chromium, locale="zh-CN", width=1280):
    page = chromium.new_context(locale=locale, viewport={"width": width, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    return page


def sign_in(page, address, name, password=PASSWORD):
    page.goto(address)
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("main form button:not(.quiet)")


def ask(page, question):
    settle(page)
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.get_by_test_id("stChatInputTextArea").press("Enter")
    page.get_by_text("token/s").first.wait_for()


def link_to_conversation(page) -> str:
    """Share the conversation in view; returns the query of its link."""
    page.get_by_role("button", name="分享", exact=True).click()
    popover = page.get_by_test_id("stPopoverBody")
    popover.get_by_text("带上这段对话", exact=True).click()
    link = popover.get_by_text("chat?shared=")
    link.wait_for()
    query = link.inner_text().strip().partition("?")[2]
    page.keyboard.press("Escape")
    return query


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """A shared server with an administrator, open to guests."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASYAIGC_HOME", str(folder / "home"))
        accounts.create("boss", PASSWORD, "administrator")
        accounts.set_open_guest(True)
        options.set_option("share", "on")
        with running(folder) as server:
            yield server


@pytest.fixture
def shared(shared_server, monkeypatch):
    """The shared server; accounts that the test makes are its."""
    monkeypatch.setenv("EASYAIGC_HOME", str(shared_server.home))
    return shared_server


def test_two_people_share_a_server_and_see_only_their_own(shared, chromium):
    boss, guest = open_window(chromium), open_window(chromium, "en-US", 390)
    sign_in(boss, f"{shared.url}/chat", "boss", "wrong password")
    assert boss.locator("[role=alert]").is_visible()
    sign_in(boss, f"{shared.url}/login?next=/chat", "boss")
    ask(boss, QUESTION)
    guest.goto(shared.url)
    guest.get_by_role("button", name="Come in as a guest").click()
    settle(guest)
    assert guest.url.startswith(f"{shared.url}/chat")
    assert guest.get_by_test_id("stChatMessage").count() == 0
    guest.goto(boss.url)  # the very conversation, by its address
    settle(guest)
    assert guest.get_by_test_id("stChatMessage").count() == 0
    guest.goto(f"{shared.url}/chat?{link_to_conversation(boss)}")
    guest.get_by_role("button", name="Go on from here").wait_for()
    assert QUESTION in guest.get_by_test_id("stChatMessage").first.inner_text()
    guest.get_by_role("button", name="Go on from here").click()
    guest.wait_for_url(re.compile(r"[?&]c="))
    assert ID.search(guest.url)[0] != ID.search(boss.url)[0], "a copy of their own"
    for name in ("training", "datasets", "settings", "accounts"):
        guest.goto(f"{shared.url}/{name}")
        settle(guest)
        guest.get_by_test_id("stAlert").wait_for()
        assert guest.locator("h1").count() == 0

    boss.goto(f"{shared.url}/logout")
    boss.get_by_role("button", name="在所有设备上退出").click()
    boss.goto(f"{shared.url}/chat")
    assert "/login" in boss.url


def test_an_administrators_new_password_for_somebody_is_saved_by_the_button_and_deletes_their_keys(shared, chromium):
    other = accounts.create("li", PASSWORD, "trainer")
    api_keys.create(other, "script")
    boss = open_window(chromium, "en-US", 390)
    sign_in(boss, f"{shared.url}/login?next=/accounts", "boss")
    settle(boss)
    boss.locator(f".st-key-more-{other.id} button >> visible=true").first.click()
    boss.get_by_text("Has 1 API key").wait_for()
    boss.get_by_label("New password (empty to keep it)").fill(PASSWORD + "s")
    boss.get_by_role("button", name="Save").click()
    boss.get_by_text("1 API key of li was deleted.").wait_for()
    assert accounts.check("li", PASSWORD + "s") and not api_keys.keys(other)


def test_a_language_is_remembered_by_the_browser_and_by_the_account(shared, chromium):
    accounts.create("ada", PASSWORD, "administrator")
    here = open_window(chromium)
    sign_in(here, f"{shared.url}/login?next=/settings", "ada")
    settle(here)
    with here.expect_response(lambda one: "/language/en" in one.url):
        here.get_by_test_id("stSidebar").get_by_text("English").click()
    here.get_by_role("heading", name="Settings").wait_for()
    here.goto(f"{shared.url}/settings")
    here.get_by_role("heading", name="Settings").wait_for()
    here.context.clear_cookies(name="easyaigc_session")
    here.goto(f"{shared.url}/settings")
    assert here.get_by_role("button", name="Sign in").is_visible()
    elsewhere = open_window(chromium)
    sign_in(elsewhere, f"{shared.url}/login?next=/settings", "ada")
    elsewhere.get_by_role("heading", name="Settings").wait_for()
