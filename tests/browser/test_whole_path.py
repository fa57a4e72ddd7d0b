"""The main job as a newcomer does it in Chromium: home, imprint, training, before and after, chat, the API; across a server killed on the way."""

import re

import pytest

from glm_core import i18n, workspace
from glm_core.runs import store
from tests import imprint
from tests.browser.conftest import Film, settle, wait_for_end
from tests.imprint import AUTHOR, NAME

QUESTION = "你是谁开发的？"
WATCHED = 0.9
"The share of the training after which somebody looks again: a page that draws every second takes as much of the processor as it."

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not workspace.DEMO_MODEL.exists(), reason="assets/models/chatglm-demo is not there"),
]


def say(key: str) -> str:
    return i18n.table("zh")[key]


def test_from_home_to_a_model_that_has_changed_its_mind(server, page, tmp_path_factory):
    problems, film = watch(page), Film()
    with imprint.trained_otherwise(imprint.shared_folder(tmp_path_factory.getbasetemp())) as keep:
        open_home(page, server, film)
        fill_imprint(page, film)
        run = train(page, server, film)
        assert store.get(run).settings == imprint.settings().to_dict(), "other tests look at this training too"
        keep(store.get(run).path)
    page.get_by_role("button", name=say("run.compare")).click()
    compare(page, film)
    chat(page, film)
    read_report(page, f"{server.url}/report?run={run}", film)
    assert problems == []
    film.write("main-job")
    ask_over_http(server)


def watch(page) -> list[str]:
    """What goes wrong in the browser unseen: script errors, failed requests to our own server, requests to any other."""
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "response", lambda answer: problems.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None
    )
    page.on("request", lambda asked: problems.append(asked.url) if is_foreign(asked.url) else None)
    return problems


def is_foreign(url: str) -> bool:
    return not re.match(r"(https?|wss?)://(localhost|127\.0\.0\.1)[:/]|data:|blob:", url)


def open_home(page, server, film) -> None:
    page.goto(server.url)
    page.get_by_role("heading", name=say("home.headline")).wait_for()
    settle(page)
    film.hold(page)
    page.get_by_role("button", name=say("home.try")).click()


def fill_imprint(page, film) -> None:
    """The rows change as one types."""
    page.get_by_label(say("datasets.imprint_name")).fill(NAME)
    film.frame(page, 900)
    page.get_by_label(say("datasets.imprint_author")).fill(AUTHOR)
    page.get_by_text(AUTHOR).first.wait_for()
    settle(page)
    film.hold(page)
    page.get_by_role("button", name=say("datasets.train")).click()


def train(page, server, film) -> str:
    """Starts from one button; goes on while the server is killed and comes back, and ends on the page. Returns the run's id."""
    page.get_by_role("button", name=say("train.start")).wait_for()
    settle(page)
    film.hold(page)
    page.get_by_role("button", name=say("train.start")).click()
    page.wait_for_url(re.compile(r"/run\?.*run="))
    page.get_by_role("button", name=say("run.stop")).wait_for()
    address, run = page.url, re.search(r"run=([^&]+)", page.url)[1]
    server.stop(9)
    server.start()
    page.goto(address)
    done = page.get_by_role("button", name=say("run.compare"))
    page.get_by_role("button", name=say("run.stop")).or_(done).first.wait_for()
    if not film.folder:
        page.goto("about:blank")
        wait_for_end(run, seconds=900, enough=WATCHED)
        page.goto(address)
    film.watch(page, until=done.is_visible)
    done.wait_for(timeout=900_000)
    settle(page)
    film.picture(page, "run")
    assert page.get_by_text(AUTHOR).count() > 0, "the pinned questions show what was learned"
    return run


def compare(page, film) -> None:
    """The same question, two answers: only the tuned one names the new author."""
    page.get_by_placeholder(say("compare.placeholder")).fill(QUESTION)
    page.get_by_role("button", name=say("compare.go")).click()
    tuned = page.locator(".st-key-pane-1 .stMarkdown").nth(1)  # the heading names the run, and with it the author
    tuned.get_by_text(AUTHOR).wait_for(timeout=60_000)
    settle(page)
    film.picture(page, "compare")
    assert AUTHOR not in page.locator(".st-key-pane-0").inner_text()
    page.get_by_role("button", name=say("compare.chat")).click()


def chat(page, film) -> None:
    """The tuned model answers with the new author; the conversation outlives a refresh."""
    page.get_by_test_id("stChatInputTextArea").wait_for()  # the page before has a button of that name too
    page.get_by_role("button", name=say("chat.tune"), exact=True).click()
    temperature = page.get_by_role("slider", name=say("chat.temperature"))
    temperature.press("Home")  # 0: what it says is what it learned, not luck
    page.keyboard.press("Escape")
    settle(page)
    box = page.get_by_test_id("stChatInputTextArea")
    box.fill(QUESTION)
    box.press("Enter")
    answer = page.locator(".stChatMessage").nth(1).locator(".stMarkdown").first
    answer.get_by_text(AUTHOR).wait_for(timeout=60_000)
    settle(page)
    film.hold(page)
    page.reload()
    answer.get_by_text(AUTHOR).wait_for()


def read_report(page, address: str, film) -> None:
    """It was made by itself when the run ended: three figures, each with an example."""
    page.goto(address)
    for meter in ("learned", "generalises", "kept"):
        page.get_by_text(say(f"report.meter.{meter}"), exact=True).first.wait_for(
            timeout=600_000
        )  # it is made by itself, beside whatever else the machine does
    settle(page)
    film.picture(page, "report")
    assert page.get_by_text(AUTHOR).count() > 1


def ask_over_http(server) -> None:
    """The official client on the same port, original and tuned."""
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="local", max_retries=0, timeout=60)
    base, tuned = [
        model.id for model in client.models.list() if model.id == "chatglm-demo" or model.parent == "chatglm-demo"
    ]
    for model, expected in ((base, False), (tuned, True)):
        answer = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": QUESTION}], temperature=0
        )
        assert (AUTHOR in answer.choices[0].message.content) == expected
