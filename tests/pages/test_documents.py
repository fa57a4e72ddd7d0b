"""The documents page: a document is uploaded, three passages are tried, pairs are reviewed beside their passage, and become a set."""

import json

import pytest

from glm_core import i18n, state
from glm_core.auth import accounts
from glm_core.data import library
from glm_core.data.examples import pair
from glm_core.drafting import drafts
from tests.drafting.test_jobs import DOCUMENT, good
from tests.pages.answers import ScriptedEngine
from tests.pages.test_pages import open_page
from tests.paths import ROOT

NASTY = "<script>alert(1)</script> ![i](http://x/y.png)"


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """The engine of all pages: scripted, so that no model is needed. Its folder has no tokenizer."""
    scripted = ScriptedEngine(tmp_path / "tiny", good)
    monkeypatch.setattr(state, "engine", lambda: scripted)
    state.drafting.clear()
    monkeypatch.setattr("glm_core.models.load_tokenizer", lambda folder: Tokenizer())
    monkeypatch.setattr("glm_core.serving.served_models.find", scripted.find)
    yield scripted
    state.drafting.clear()


class Tokenizer:
    """A token a character."""

    def encode(self, text: str) -> list[int]:
        return [ord(one) for one in text]


def follow(app, **query):
    """Stay on the documents page; AppTest would go back to where it began."""
    for key, value in query.items():
        app.query_params[key] = value
    return app.switch_page(str(ROOT / "pages" / "documents.py")).run()


def shown(app) -> str:
    return "\n".join(
        one.value for kind in ("markdown", "caption", "success", "warning", "error") for one in app.get(kind)
    )


def begin(app, **query):
    """Press "write three to see", wait, and open the draft."""
    app = follow(app.button(key="begin").click().run(), **query)
    [draft] = drafts.drafts()
    job = state.drafting().job(draft)
    job.wait(30)
    return follow(app, draft=draft.id), draft


def uploaded(content: str = DOCUMENT, tokens: int = 60):
    app = open_page("documents")
    app.file_uploader[0].set_value(("茶.txt", content.encode(), "text/plain")).run()
    return app.number_input(key="tokens").set_value(tokens).run()


def test_from_a_document_to_a_set(engine):
    app, draft = begin(uploaded())
    assert not app.exception and not app.error, shown(app)
    assert draft.items == 8 and len(engine.requests) == 3
    assert app.success and "3" in app.success[0].value
    assert "第1号茶产自杭州" in shown(app), "the passage is in sight"
    app.text_area(key="q-1-0").set_value("一号茶是哪里的？").run()
    app = follow(app.button(key="accept").click().run(), draft=draft.id)
    app = follow(app.button(key="discard").click().run(), draft=draft.id)
    assert [one.state for one in drafts.pairs(draft)][:3] == ["accepted", "discarded", "open"]
    app.button(key="save-pairs").click().run()
    [kept] = [one for one in library.datasets() if not one.bundled]
    assert (kept.name, kept.source, kept.rows) == ("茶", "茶.txt", 1)
    assert library.examples(kept.id)[0].question == "一号茶是哪里的？"
    data = open_page("datasets", set=kept.id)
    assert any(one.label.startswith("出自 茶") for one in data.expander)


def test_a_model_too_small_is_told_so_and_may_be_changed(engine):
    engine.script = lambda request: "我是小砚，" * 5
    app, draft = begin(uploaded())
    assert app.warning and "太小" in app.warning[0].value
    engine.script = good
    app.text_area(key=f"again-{draft.id}").set_value("写：\n{passage}").run()
    app = follow(app.button(key="retry").click().run(), draft=draft.id)
    state.drafting().job(draft).wait(30)
    assert follow(app, draft=draft.id).success


def test_the_rest_is_written_after_a_look_and_a_restart_loses_nothing(engine):
    app, draft = begin(uploaded())
    app = follow(app.button(key="go-on").click().run(), draft=draft.id)
    state.drafting().job(draft).wait(30)
    state.drafting.clear()  # as after a restart
    app = follow(app, draft=draft.id)
    assert i18n.t("drafting.all_written", count="8") in shown(app)
    assert open_page("documents").button(key=f"delete-{draft.id}").click().run() and drafts.drafts() == []


def test_rewordings_of_a_set_kept_apart(engine):
    engine.script = lambda request: "第一条规定，讲讲\n规定的第一条"
    dataset = library.add("规定", [pair("第一条规定是什么？", "守时。")])
    app = open_page("documents", set=dataset.id)
    app, draft = begin(app)
    app = follow(app.button(key="accept").click().run(), draft=draft.id)
    app.button(key="save-pairs").click().run()
    [apart] = [one for one in library.datasets() if one.reworded_of]
    assert apart.reworded_of == dataset.id and apart.name == "规定 · 换个说法"


def test_what_a_model_or_a_document_says_is_never_markup(engine):
    engine.script = lambda request: json.dumps([{"question": NASTY, "answer": NASTY}])
    app, _ = begin(uploaded(f"{NASTY}\n\n{NASTY * 2}"))
    assert "<script>" not in shown(app).replace(r"\<script\>", "").replace("&lt;script&gt;", "").replace(r"\<", "")
    assert "![i](http" not in shown(app)


def test_a_draft_of_somebody_else_is_not_shown(engine):
    _, draft = begin(uploaded())
    drafts.change(draft, owner="u-other")
    account = accounts.LOCAL
    assert account.may("administrator"), "this computer's user sees all"
    app = open_page("documents", draft="20200101-000000-none")
    assert len(app.error) == 1 and not app.exception


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_document_is_one_sentence(engine, content):
    app = open_page("documents")
    app.file_uploader[0].set_value(("空.txt", content.encode() or b" ", "text/plain")).run()
    assert len(app.error) == 1 and not app.exception
