"""Somebody who has read nothing: an empty workspace, fifteen rows of their own in odd columns, a tuned model, a link that a guest opens."""

import csv
import io
import re

import pytest

from glm_core import i18n, workspace
from tests.browser.conftest import settle, wait_for_end
from tests.browser.test_shared import PASSWORD, open_window

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not workspace.DEMO_MODEL.exists(), reason="assets/models/chatglm-demo is not there"),
]

COLUMNS = ("客户说的话", "咱们该咋回", "哪类")
FACTS = {
    "几点开门": "本店早上九点开门，晚上八点关门。",
    "店在哪里": "本店在人民路十二号，邮局对面。",
    "能退货吗": "七天内没穿过的都能退，运费由本店出。",
    "多久到货": "付款后两天发货，一般四天到。",
    "怎么洗": "用冷水手洗，不要暴晒。",
}
WORDINGS = ("{}", "请问{}", "{}？")
"Fifteen rows: each fact in three wordings."


def say(key: str) -> str:
    return i18n.table("zh")[key]


def sheet() -> bytes:
    """The rows as a spreadsheet program in China saves them."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows((way.format(asked), answer, "售后") for asked, answer in FACTS.items() for way in WORDINGS)
    return text.getvalue().encode("gbk")


def test_from_nothing_to_a_link_that_a_guest_opens(server, chromium):
    owner = open_window(chromium)
    bring_rows_in(owner, server)
    run = train(owner)
    share_the_dashboard(owner, server)
    link = share_the_run(owner, server, run)
    sign_out(owner)
    guest = open_window(chromium, width=390)
    guest.goto(link)
    guest.get_by_role("button", name=say("signin.guest")).click()
    settle(guest)
    assert "九点" in ask(guest, "请问几点开门"), "the tuned model"


def bring_rows_in(page, server) -> None:
    """Home, data, the file, save, on to training: by what is on the pages alone."""
    page.goto(server.url)
    page.get_by_role("heading", name=say("home.headline")).wait_for()
    page.get_by_test_id("stSidebarNav").get_by_text(say("page.datasets"), exact=True).click()
    page.get_by_role("heading", name=say("page.datasets")).wait_for()
    chooser = page.locator("[data-testid=stFileUploader] input[type=file]").first
    chooser.set_input_files({"name": "店铺问答.csv", "mimeType": "text/csv", "buffer": sheet()})
    page.locator("[class*=st-key-proposal] button").first.click()  # the program's guess at the columns, agreed to
    keep = page.locator(".st-key-keep button")
    keep.wait_for()
    settle(page)
    assert "15" in keep.inner_text(), "all rows are read"
    assert page.locator(".st-key-suggest").count() == 0, "answers that come again are no classes"
    keep.click()
    onward = page.get_by_role("button", name=say("datasets.train"), exact=True)
    onward.wait_for()
    assert page.get_by_test_id("stMain").evaluate("main => main.scrollTop") == 0, "another page begins at its top"
    onward.click()


def train(page) -> str:
    """The defaults and one button; the run says itself that it has learned. Returns the run's id.

    Nobody watches meanwhile: a page that draws every second takes as much of the processor as the training.
    """
    page.get_by_role("button", name=say("train.start"), exact=True).click()
    page.wait_for_url(re.compile(r"/run\?.*run="))
    page.get_by_role("button", name=say("run.stop")).wait_for()
    address, run = page.url, re.search(r"run=([^&]+)", page.url)[1]
    page.goto("about:blank")
    wait_for_end(run, seconds=400)
    page.goto(address)
    page.get_by_role("button", name=say("run.chat"), exact=True).wait_for()
    return run


def share_the_dashboard(page, server) -> None:
    """From nobody's password to a shared dashboard in one press, which leaves its owner signed in, on the page, in their language."""
    words = i18n.table("en")
    page.goto(f"{server.url}/settings?lang=English")
    for label, value in (("signin.name", "店长"), ("signin.password", PASSWORD), ("signin.again", PASSWORD)):
        page.get_by_label(words[label], exact=True).fill(value)
    page.get_by_role("button", name=words["settings.first_and_share"]).click()
    page.get_by_role("button", name=words["settings.unshare"]).wait_for()
    assert page.url.startswith(f"{server.url}/settings"), page.url
    address = page.locator("#result").get_attribute("data-address")
    assert not address.startswith("localhost")
    page.locator("#result[data-result=good]").wait_for()
    page.get_by_test_id("stMain").get_by_text(f"http://{address}/v1").first.wait_for()  # in the samples
    page.get_by_test_id("stImage").wait_for()  # its QR code


def sign_out(page) -> None:
    """From the frame of any page, on every device."""
    page.get_by_text(say("ui.sign_out")).click()
    page.get_by_role("button", name=say("signin.out_everywhere")).click()
    page.get_by_role("button", name=say("signin.in"), exact=True).wait_for()
    assert "/login" in page.url


def share_the_run(page, server, run: str) -> str:
    """Open this run to guests where one talks with it; returns the link that is shown."""
    page.goto(f"{server.url}/chat?model={run}&lang=中文")
    settle(page)
    page.get_by_role("button", name=say("share.open"), exact=True).click()
    shared = page.get_by_test_id("stPopoverBody")
    shared.get_by_text(say("share.guests"), exact=True).click()
    shared.get_by_role("button", name=say("share.guests_open")).click()
    shared.get_by_text(say("share.guests_closed")).wait_for(state="detached")
    link = shared.locator("[data-testid=stCode] code").first.inner_text().strip()
    page.keyboard.press("Escape")
    assert f"model={run}" in link and "localhost" not in link
    return link


def ask(page, question: str) -> str:
    """The answer to a question in a new conversation with the model in view."""
    settle(page)
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.get_by_test_id("stChatInputTextArea").press("Enter")
    page.get_by_text("token/s").first.wait_for(timeout=120_000)
    settle(page)
    return page.locator(".stChatMessage").nth(1).locator(".stMarkdown").first.inner_text().strip()
