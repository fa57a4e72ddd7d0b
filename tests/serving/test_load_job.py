"""Loading as a job: it shows its stages, is cancelled between two tensors, and gives back what it had read."""

import gc
import threading
import weakref

import pytest

from glm_core.models import checkpoints
from glm_core.models.device import release_memory
from glm_core.serving import load_job
from glm_core.serving.engine import LocalEngine
from glm_core.serving.errors import EngineUnavailable, LoadingCancelled
from glm_core.serving.session import Session
from tests.engine import ask
from tests.tiny import tiny_chatglm

MB = 1 << 20


@pytest.fixture
def engine():
    engine = LocalEngine()
    yield engine
    engine.close()


@pytest.fixture
def tiny(workspace):
    return tiny_chatglm(workspace / "models" / "tiny")


class Gate:
    """Stops the reading of weights after `share` of them until `open` is called."""

    def __init__(self, monkeypatch, share: float):
        self.share, self.reached, self._open = share, threading.Event(), threading.Event()
        read = checkpoints.read_tensors
        monkeypatch.setattr(checkpoints, "read_tensors", lambda files, progress=None: self._read(read, files, progress))

    def _read(self, read, files, progress):
        def watched(stage, fraction):
            if fraction >= self.share and not self._open.is_set():
                self.reached.set()
                assert self._open.wait(30)
            progress(stage, fraction)

        yield from read(files, watched)

    def open(self):
        self._open.set()


def test_a_job_says_its_stage_and_ends_with_the_model_in_memory(engine, tiny, monkeypatch):
    gate = Gate(monkeypatch, 0.5)
    job = load_job.start(engine, tiny)
    assert gate.reached.wait(60) and engine.loading == tiny
    with pytest.raises(EngineUnavailable, match="正在加载 tiny"):
        load_job.start(engine, tiny)
    gate.open()
    job.wait(60)
    assert (job.state, load_job.current(engine), engine.loading) == ("done", job, None)
    assert engine.loaded.path == tiny and job.stage.startswith("models.stage.")
    load_job.forget(engine)
    assert load_job.current(engine) is None


def test_cancelling_gives_the_memory_back(engine, workspace, monkeypatch):
    large = tiny_chatglm(workspace / "models" / "large", hidden_size=512, inner_hidden_size=2048, num_layers=24)
    size = (large / "model.safetensors").stat().st_size
    assert size > 250 * MB
    small = load_job.start(engine, tiny_chatglm(workspace / "models" / "tiny"))  # so that the libraries are in memory
    small.wait(60)
    engine.unload()
    load_job.forget(engine)
    before = load_job.memory_now().used
    gate = Gate(monkeypatch, 0.9)
    job = load_job.start(engine, large)
    assert gate.reached.wait(60)
    job.cancel()
    assert job.stopping
    gate.open()
    job.wait(60)
    assert job.state == "cancelled" and engine.loaded is None and engine.progress is None
    assert job.before.used - before > 0.8 * size, "it had been read"
    assert job.after.used - before < 0.1 * size, "it was given back"


def test_what_goes_round_in_a_model_is_freed_and_the_libraries_stay_out_of_collections(workspace):
    session = Session.load(tiny_chatglm(workspace / "models" / "tiny"), lambda *_: None)
    model, frozen = session.loaded.model, gc.get_freeze_count()
    model.__dict__["itself"], kept = model, weakref.ref(model)
    del session, model
    release_memory()
    assert kept() is None and gc.get_freeze_count() == frozen > 0


def test_what_was_given_back_is_said_of_cards_only_where_there_are_any():
    before, after = load_job.LoadedMemory(3 * 10**9, None), load_job.LoadedMemory(10**9, None)
    (said,) = load_job.returned_sentences(before, after)
    assert "3 GB" in said and "1 GB" in said
    said = load_job.returned_sentences(load_job.LoadedMemory(3 * 10**9, 8 * 10**9), load_job.LoadedMemory(10**9, 0))
    assert len(said) == 2 and "8 GB" in said[1]


def test_a_load_that_fails_gives_the_memory_back_and_says_why(engine, workspace):
    folder = tiny_chatglm(workspace / "models" / "tiny")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    job = load_job.start(engine, folder)
    job.wait(60)
    assert job.state == "failed" and "不完整" in str(job.error) and engine.loaded is None


def test_a_question_whose_model_is_cancelled_gets_a_sentence_and_the_next_one_an_answer(engine, tiny, monkeypatch):
    gate = Gate(monkeypatch, 0.5)
    handle = engine.submit(ask("你好"))
    assert gate.reached.wait(60)
    engine.cancel_loading()
    gate.open()
    with pytest.raises(LoadingCancelled, match="已取消"):
        "".join(handle)
    engine.cancel_loading()  # where nothing is loading it does nothing
    again = engine.submit(ask("你好"))
    "".join(again)
    assert again.completion_tokens > 0 and engine.loaded.path == tiny


def test_cancelling_a_load_that_has_not_begun_keeps_the_model_in_use(engine, workspace, tiny):
    answer = engine.submit(ask("你好", max_new_tokens=200))
    while answer.completion_tokens < 2:
        assert not answer.done
    job = load_job.start(engine, tiny_chatglm(workspace / "models" / "other"))
    job.cancel()  # it waits for the answer to end
    assert "".join(answer) is not None
    job.wait(60)
    assert job.state == "cancelled" and engine.loaded.path == tiny
