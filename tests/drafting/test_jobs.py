"""Writing in the background: a sample first, then the rest; cancelled, continued by another process, reviewed, saved as a set."""

import json
import threading
import time

import pytest

from glm_core.data import library
from glm_core.data.documents import cut, estimate_tokens, extract, sources
from glm_core.data.examples import pair
from glm_core.drafting import DraftError, drafts, jobs, make
from glm_core.evaluation import question_sets
from glm_core.hub import private_hosts
from glm_core.runs import store
from glm_core.serving.errors import EngineUnavailable
from glm_core.training.settings import TrainingSettings
from tests.pages.answers import ScriptedEngine
from tests.tiny import tiny_chatglm

FACTS = {
    f"第{number}号茶产自{place}。": place
    for number, place in enumerate("杭州 黄山 安溪 福鼎 云南 六安 信阳 武夷".split(), 1)
}
DOCUMENT = "\n\n".join(f"{fact}{fact[:-1]}，每年春天采摘，由本店自己炒制。" for fact in FACTS)


def good(request) -> str:
    """Two questions about the passage in the prompt, which is its last line."""
    fact = request.messages[-1]["content"].rstrip().rsplit("\n", 1)[-1].split("。")[0]
    asked = [
        {"question": f"{fact[:4]}产自哪里？", "answer": f"{fact}。"},
        {"question": f"{fact[:4]}什么时候采摘？", "answer": "每年春天采摘。"},
    ]
    return json.dumps(asked, ensure_ascii=False)


def begun(tmp_path, script=good, **changes):
    """An engine that answers so, and a draft of eight passages."""
    engine = ScriptedEngine(tmp_path / "tiny", script)
    passages = cut(extract(DOCUMENT.encode(), "茶.txt").blocks, 45, estimate_tokens)
    settings = {"source": "茶.txt", "owner": "local", "model": "tiny", "instruction": "写问答：\n{passage}", "count": 2}
    return engine, make.from_passages(passages, **settings | changes)


def run(engine, draft, **options):
    """Write the stage of `draft` to its end."""
    job = jobs.DraftJobs(lambda: engine).start(draft, **options)
    job.wait(30)
    return job


def go_on(draft):
    return drafts.change(draft, stage="all")


def test_three_are_tried_before_the_rest_is_written(tmp_path):
    engine, draft = begun(tmp_path)
    job = run(engine, draft)
    assert (job.state, job.done, job.total) == ("done", 3, 3)
    assert jobs.sample_result(draft) == jobs.SampleResult(3, 3) and jobs.sample_result(draft).good
    draft = go_on(draft)
    assert run(engine, draft).done == draft.items == 8
    assert len(engine.requests) == 8, "the sample is not asked twice"
    assert len(drafts.pairs(draft)) == 16


@pytest.mark.parametrize(
    "script",
    [
        lambda request: "我是小砚。" * 3,
        lambda request: '[{"question": "今天天气？", "answer": "今天下大雨，记得带伞出门。"}]',
    ],
)
def test_a_model_that_cannot_do_it_is_told_by_the_sample(tmp_path, script):
    engine, draft = begun(tmp_path, script)
    assert jobs.sample_result(draft) is None
    run(engine, draft)
    assert not jobs.sample_result(draft).good and jobs.sample_result(draft).usable == 0


def test_what_is_written_outlives_a_cancel_and_a_restart(tmp_path):
    gate = threading.Event()

    def slow(request):
        if len(engine.requests) > 5:
            gate.wait(20)
        return good(request)

    engine, draft = begun(tmp_path, slow)
    draft = go_on(draft)
    running = jobs.DraftJobs(lambda: engine)
    job = running.start(draft)
    deadline = time.monotonic() + 20
    while job.done < 5 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert running.start(draft) is job, "one job a draft"
    with pytest.raises(DraftError):
        jobs.DraftJobs(lambda: engine).start(draft)
    job.cancel()
    job.wait(20)
    gate.set()
    assert job.state == "cancelled"
    written = len(drafts.answers(draft))
    assert 5 <= written < 8
    again, _ = begun(tmp_path / "other")
    assert run(again, drafts.get(draft.id)).state == "done"
    assert len(again.requests) == 8 - written
    assert len(drafts.answers(draft)) == 8


def test_an_engine_that_is_gone_leaves_what_is_there_and_a_sentence(tmp_path):
    engine, draft = begun(tmp_path)
    run(engine, draft)
    engine.error = EngineUnavailable("serving.closing")
    job = run(engine, go_on(draft))
    assert job.state == "failed" and str(job.error) == str(engine.error)
    assert len(drafts.answers(draft)) == 3


def test_the_accepted_become_a_set_that_remembers_its_passages(tmp_path):
    engine, draft = begun(tmp_path)
    run(engine, draft)
    first, second, third, *_ = drafts.pairs(draft)
    with pytest.raises(DraftError):
        make.save(draft, "茶")
    drafts.decide(draft, first, "accepted", "一号茶是哪里的？", "杭州的。")
    drafts.decide(draft, second, "discarded")
    with pytest.raises(DraftError):
        drafts.decide(draft, third, "accepted", "x" * 30_000)
    dataset = make.save(draft, "茶")
    [row] = library.examples(dataset.id)
    assert (row.question, row.answer, dataset.source) == ("一号茶是哪里的？", "杭州的。", "茶.txt")
    assert sources.read(dataset.id)[sources.mark_of(row)].text.startswith("第1号茶产自杭州")
    assert [one.state for one in drafts.pairs(draft)][:3] == ["saved", "discarded", "open"]
    drafts.decide(draft, third, "accepted")
    assert make.save(drafts.get(draft.id), "茶").id == dataset.id, "more accepted rows join the same set"
    assert library.get(dataset.id).rows == 2 and len(sources.read(dataset.id)) == 2


def reworded(tmp_path):
    """A set of four rows, and a draft with one accepted rewording of each."""
    dataset = library.add("问候", [pair(f"第{n}条规定是什么？", f"规定{n}。") for n in range(1, 5)])
    engine = ScriptedEngine(tmp_path / "tiny", lambda request: f"{request.messages[0]['content']}呢，告诉我")
    settings = {"owner": "local", "model": "tiny", "instruction": "{question}", "count": 1}
    draft = make.from_rows(dataset, library.examples(dataset.id), 10, **settings)
    run(engine, go_on(draft))
    for one in drafts.pairs(draft):
        drafts.decide(draft, one, "accepted")
    return dataset, draft


def test_rewordings_kept_apart_are_asked_by_the_report_and_not_trained_on(tmp_path):
    dataset, draft = reworded(tmp_path)
    apart = make.save_apart(draft, "问候 · 换个说法")
    assert (apart.reworded_of, library.get(dataset.id).rows) == (dataset.id, 4)
    made = store.create(tiny_chatglm(tmp_path / "base"), dataset.id, TrainingSettings())
    again = store.clone(made)
    for one in (made, again):
        found = {question.text: question for question in question_sets.propose(one) if question.kind == "reworded"}
        assert found["第1条规定是什么？呢，告诉我"].reference == "规定1。" and len(found) == 4
    assert "告诉我" not in (made.path / "dataset.jsonl").read_text(encoding="utf-8")


def test_rewordings_mixed_in_are_rows_of_the_set(tmp_path):
    dataset, draft = reworded(tmp_path)
    assert make.save_mixed(draft).id == dataset.id
    assert [row.answer for row in library.examples(dataset.id)].count("规定1。") == 2
    assert question_sets.propose(store.create(tiny_chatglm(tmp_path / "base"), dataset.id, TrainingSettings()))


@pytest.mark.parametrize(
    "address", ["ftp://x/v1", "localhost", "http://", "http://u:p@x/v1", "http://[::1", "javascript:1"]
)
def test_an_address_that_is_none_is_refused(tmp_path, address):
    with pytest.raises(DraftError):
        begun(tmp_path, server=address)
    assert drafts.drafts() == []


@pytest.mark.usefixtures("engine")
class TestServer:
    """Through an OpenAI-compatible server on this computer: here, our own API."""

    def test_it_writes_with_its_key_which_is_kept_nowhere(self, tmp_path, server):
        engine, draft = begun(tmp_path, server=f"{server}/v1", model="tiny")
        job = run(engine, draft, key="sk-secret-key")
        assert job.state == "done" and not engine.requests
        assert len(drafts.answers(draft)) == 3
        assert not any(b"sk-secret" in file.read_bytes() for file in drafts.home().rglob("*") if file.is_file())

    def test_while_shared_it_may_not_be_inside(self, tmp_path, server, monkeypatch):
        engine, draft = begun(tmp_path, server=f"{server}/v1", model="tiny")
        private_hosts.refuse_when(lambda: True)
        try:
            job = run(engine, draft)
            assert job.state == "failed" and job.error.key == "hub.private_host"
            monkeypatch.setenv("EASYAIGC_ENDPOINTS", "127.0.0.1")
            assert run(engine, draft).state == "done"
        finally:
            private_hosts.refuse_when(lambda: False)

    def test_nobody_listens(self, tmp_path):
        engine, draft = begun(tmp_path, server="http://127.0.0.1:9/v1")
        assert run(engine, draft).state == "failed"


def test_a_save_that_was_cut_short_adds_no_row_twice(tmp_path, monkeypatch):
    engine, draft = begun(tmp_path)
    run(engine, draft)
    drafts.decide(draft, drafts.pairs(draft)[0], "accepted")
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(sources, "add", _no_room)
        make.save(draft, "茶")
    dataset = make.save(drafts.get(draft.id), "茶")
    assert [one.id for one in library.datasets() if not one.bundled] == [dataset.id]
    assert dataset.rows == 1 and len(sources.read(dataset.id)) == 1
    assert drafts.pairs(draft)[0].state == "saved"


def _no_room(*_) -> None:
    raise OSError("no space left")
