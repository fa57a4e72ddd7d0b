"""Two people in two browsers chat while a run trains, and the server is restarted under their answers: what each sees is right."""

import re
import time

import pytest

from glm_core import i18n
from glm_core.auth import accounts, options
from glm_core.chat import conversation_list, conversations
from glm_core.runs import store
from tests.browser.conftest import running, settle, wait_for_end
from tests.browser.test_shared import PASSWORD, open_window, sign_in
from tests.tiny import tiny_chatglm

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

PEOPLE = {"boss": "administrator", "lin": "trainer"}
BEGUN = 12
"Characters of an answer after which it is under way."
BEGIN_SECONDS = 120
"Seconds for a model to load and begin, beside a training on the same two cores."


def say(key: str) -> str:
    return i18n.table("zh")[key]


@pytest.fixture
def people(workspace):
    """The accounts of a shared server; `slow` is a model whose answers take many seconds, `small` is trained."""
    tiny_chatglm(workspace / "models" / "small", num_layers=4)
    tiny_chatglm(
        workspace / "models" / "slow",
        hidden_size=512,
        inner_hidden_size=2048,
        num_layers=14,
        num_attention_heads=8,
        max_sequence_length=2048,
    )
    silence(workspace / "models" / "slow")
    found = {name: accounts.create(name, PASSWORD, role) for name, role in PEOPLE.items()}
    options.set_option("share", "on")
    return found


@pytest.fixture
def server(people, tmp_path):
    """A server shared by them."""
    with running(tmp_path) as server:
        yield server


def silence(folder) -> None:
    """Let the random model of `folder` write letters only, which a page shows as they are, and never come to an end: other tokens are as likely as nothing."""
    from safetensors.torch import load_file, save_file

    from glm_core.models import load_tokenizer

    weights = load_file(folder / "model.safetensors")
    [name] = [name for name in weights if name.endswith("word_embeddings.weight")]
    tokenizer, rows = load_tokenizer(folder), weights[name]
    said = [tokenizer.decode([number]).strip() for number in range(len(rows))]
    rows[[number for number, text in enumerate(said) if not text.isalnum()]] = 0
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def windows(chromium, server, people):
    """A window of each, signed in and with the slow model; the second one is a phone."""
    pages = {name: open_window(chromium, width=width) for name, width in zip(people, (1280, 390), strict=True)}
    for name, page in pages.items():
        sign_in(page, f"{server.url}/login?next=/chat%3Fmodel%3Dslow", name)
        settle(page)
    return pages


def open_form(context, address: str):
    """Open the form of the imprint's training on the small model; returns its page."""
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{address}/training?model=small&preset=imprint")
    settle(page)
    page.get_by_role("button", name=say("train.start")).wait_for()
    return page


def train(page) -> str:
    """Start the training of the form in view; returns the run's id once it is under way."""
    page.get_by_role("button", name=say("train.start")).click()
    page.wait_for_url(re.compile(r"/run\?.*run="))
    page.get_by_role("button", name=say("run.stop")).wait_for()
    return re.search(r"run=([\w-]+)", page.url).group(1)


def ask(page, question: str) -> None:
    """Ask in a new conversation and wait until the answer has begun."""
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.get_by_test_id("stChatInputTextArea").press("Enter")
    page.get_by_test_id("stChatInputStopButton").wait_for()
    wait_for_more(page, BEGUN)


def wait_for_more(page, length: int) -> None:
    """Wait until the answer is longer than `length` characters."""
    deadline = time.monotonic() + BEGIN_SECONDS
    while time.monotonic() < deadline and len(answer_of(page)) <= length:
        page.wait_for_timeout(100)
    assert len(answer_of(page)) > length, page.locator(".stChatMessage").nth(1).inner_text()


def answer_of(page) -> str:
    """The answer as the reader sees it."""
    return page.locator(".stChatMessage").nth(1).locator(".stMarkdown").first.inner_text().strip()


def spelled(words: str) -> str:
    """What is left of a text when blanks and invisible joiners are no matter."""
    return re.sub(r"\s", "", words)


def test_a_restart_takes_nobodys_words_mixes_nobodys_and_stops_no_run(server, people, windows):
    boss, lin = windows["boss"], windows["lin"]
    form = open_form(boss.context, server.url)
    ask(boss, "boss 的问题：讲一个很长的故事")
    run = train(form)  # as late as this, so that a short one outlives the server
    ask(lin, "lin 的问题：讲一个很长的故事")
    assert boss.get_by_test_id("stChatInputStopButton").is_visible(), "both are being answered"
    seen = {name: answer_of(page) for name, page in windows.items()}
    addresses = {name: page.url for name, page in windows.items()}
    assert store.get(run).status().state == "running", "the run goes on beside them"

    server.stop()
    form.close()
    kept = {
        name: [one.open() for one in conversation_list.conversations(account.folder)]
        for name, account in people.items()
    }
    server.start()

    for name, page in windows.items():
        other = next(one for one in windows if one != name)
        [talk] = kept[name]
        assert spelled(talk.messages[1]["content"]).startswith(spelled(seen[name])), "the partial text is kept"
        assert talk.messages[1]["finish_reason"] in ("cancelled", "broken")
        page.goto(addresses[name])
        settle(page)
        page.get_by_text(say(f"chat.ended.{talk.messages[1]['finish_reason']}")).wait_for()
        assert spelled(answer_of(page)).startswith(spelled(seen[name]))
        whole = page.locator("body").inner_text()
        assert f"{name} 的问题" in whole and f"{other} 的问题" not in whole

    lin.goto(addresses["boss"])
    settle(lin)
    assert lin.locator(".stChatMessage").count() == 0, "another's conversation has no address"
    lin.goto(addresses["lin"])
    settle(lin)
    before = conversations.get(people["lin"].folder, kept["lin"][0].id).messages[1]["content"]
    lin.get_by_role("button", name=say("chat.go_on")).click()
    wait_for_more(lin, len(before))
    lin.get_by_role("button", name=say("chat.stop")).click()
    lin.get_by_text(say("chat.ended.cancelled")).wait_for()
    after = conversations.get(people["lin"].folder, kept["lin"][0].id).messages
    assert len(after) == 2 and after[1]["content"].startswith(before.rstrip("，。！？：；,!?:; ")), "in the same bubble"

    for name, page in windows.items():
        page.goto(f"{server.url}/run?run={run}")
        settle(page)
        state = store.get(run).status().state
        assert state in ("running", "finished"), store.get(run).status().why
        if state == "running":
            assert page.get_by_role("button", name=say("run.stop")).count() == (name == "boss"), "only whose run it is"
        page.goto("about:blank")
    wait_for_end(run, seconds=300)
    assert store.get(run).status().state == "finished"
    for page in windows.values():
        page.goto(f"{server.url}/run?run={run}")
        page.get_by_role("button", name=say("run.compare")).wait_for()
