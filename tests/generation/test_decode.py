"""Steps of fixed shapes, as they are recorded on a GPU, choose what each row alone chooses; and they can be recorded."""

import gc
import weakref
from functools import partial

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from glm_core import models
from glm_core.adapters import attach
from glm_core.generation import kv_cache
from glm_core.generation.decode import CudaGraphRunner, DecodeRunner
from glm_core.serving.base import LoadedBase
from glm_core.serving.batching import batch
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session
from glm_core.training.settings import TrainingSettings
from tests.serving import test_families
from tests.serving.test_families import QUESTIONS, adapt, begin, finish

FAMILIES = ("chatglm", "chatglm3", "glm4")
WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::equal", "aten::is_nonzero", "aten::masked_select"}


@pytest.fixture
def load(tiny_folder, monkeypatch):
    """A family's tiny model, also for the helpers of test_families."""

    def load(name):
        return models.load(tiny_folder) if name == "chatglm" else test_families_load(name)

    test_families_load = test_families.load
    monkeypatch.setattr(test_families, "load", load)
    return load


@pytest.fixture
def session(request, load, tmp_path, monkeypatch):
    """A session whose steps have fixed shapes and whose buffers are small enough to grow."""
    monkeypatch.setattr(batch, "DecodeRunner", partial(DecodeRunner, fixed=True))
    monkeypatch.setattr(kv_cache, "CHUNK", 16)
    loaded = load(request.param)
    loaded.model.eval()
    return Session(loaded, LoadedBase(request.param, tmp_path, request.param, 512, {}, 0.0))


def runner(session: Session) -> DecodeRunner:
    return next(iter(session.batches.values())).runner


@pytest.mark.parametrize("session", FAMILIES, indirect=True)
def test_rows_join_leave_and_grow_as_if_alone(session, tmp_path):
    choices = adapt(session.info.name, tmp_path)
    lengths = (12, 40, 20)
    alone = {}
    for number, choice in enumerate(choices):
        for question in QUESTIONS:
            handle = begin(session, choice, question, lengths[number % 3])
            finish(session)
            alone[choice.name, question] = handle.text
    assert len(set(alone.values())) == len(alone), "answers must depend on the adapter and on the question"
    session.clear("cancelled")  # the grown buffers
    together, capacities = {}, set()
    for number, choice in enumerate(choices):
        for question in QUESTIONS:
            together[choice.name, question] = begin(session, choice, question, lengths[number % 3])
            capacities.add(runner(session)._cache.capacity)
            session.step()
    finish(session)
    assert {key: handle.text for key, handle in together.items()} == alone
    assert len(capacities) > 1, "the buffers must have grown"


@pytest.mark.parametrize("session", ["chatglm"], indirect=True)
def test_the_next_step_begins_before_a_token_is_looked_at_but_never_for_nothing(session, monkeypatch, tmp_path):
    done, step, take = [], DecodeRunner.step, batch.Sequence.take
    monkeypatch.setattr(DecodeRunner, "step", lambda self: done.append("step") or step(self))
    monkeypatch.setattr(
        batch.Sequence, "take", lambda self, token, *more: done.append("take") or take(self, token, *more)
    )
    base = ServedModel(session.info.name, session.info.name, tmp_path)
    begin(session, base, QUESTIONS[0], 5)
    finish(session)
    assert done == ["take", "step", "step", "take", "step", "take", "step", "take", "take"]
    done.clear()
    handle = begin(session, base, QUESTIONS[0], 50)
    session.step()
    handle.cancel()
    session.drop()
    finish(session)
    assert done == ["take", "step", "step", "take"] and handle.completion_tokens == 2


@pytest.mark.parametrize("session", FAMILIES, indirect=True)
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_steps_go_on_as_whole_forwards_would(session, strength, tmp_path):
    loaded, prefix = session.loaded, adapt(session.info.name, tmp_path)[-1]
    messages = [{"role": "user", "content": QUESTIONS[2]}]
    handle = RequestHandle(
        Request(messages, prefix.name, max_new_tokens=20, temperature=0.0, strength=strength), prefix
    )
    begin(session, ServedModel(session.info.name, session.info.name, tmp_path), QUESTIONS[0], 30)
    session.begin(handle)
    slot = session.rows[-1].slot
    finish(session)
    ids, prompt = session.loaded.family.encode_prompt(loaded.tokenizer, messages), handle.prompt_tokens
    with torch.inference_mode(), session.adapters.using([slot]):
        while len(ids) < prompt + handle.completion_tokens:
            ids.append(loaded.model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax().item())
    assert loaded.family.clean(loaded.tokenizer.decode(ids[prompt:])) == handle.text


@pytest.mark.parametrize("session", FAMILIES, indirect=True)
def test_a_step_never_waits_for_the_device_and_finds_its_tensors_where_they_were(session, tmp_path):
    choices = adapt(session.info.name, tmp_path)
    for choice in choices:
        begin(session, choice, QUESTIONS[2], 60)
    session.step()
    one = runner(session)
    generation_before, places = one._lora.generation, where(one)
    one.recorder = watching = WatchingRunner(torch.device("cpu"))
    session.step()
    assert watching.waits == set() and watching.steps == 1 and where(one) == places
    for row in session.rows[1:3]:
        row.end("cancelled")
    session.drop()
    session.step()
    begin(session, choices[1], QUESTIONS[0], 3)
    session.step()
    assert (
        watching.waits == set()
        and watching.steps > 1
        and where(one) == places
        and one._lora.generation == generation_before
    )


def where(one: DecodeRunner) -> list[int]:
    tensors = [one._ids, one._positions, one._strides, one._active, one._cache.lengths, one._lora._share]
    tensors += [states for layer in one._cache.layers for states in (layer.keys, layer.values)]
    tensors += [factor for pair in one._lora._layers.values() for factor in pair]
    return [tensor.data_ptr() for tensor in tensors]


class WatchingRunner(CudaGraphRunner):
    """Runs steps and notes those of their operations that wait for the device."""

    def __init__(self, device):
        super().__init__(device)
        self.waits: set[str] = set()
        self.steps = 0

    def run(self, key, step):
        with OperationNames() as watch:
            logits = super().run(key, step)
        self.waits |= watch.names & WAITS
        self.steps += 1
        return logits


class OperationNames(TorchDispatchMode):
    """Notes the name of every operation."""

    def __init__(self):
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.add(function.name().partition(".")[0])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("session", ["chatglm"], indirect=True)
def test_small_buffers_stay_for_the_next_answer_and_large_ones_go(session, tmp_path, monkeypatch):
    choice = ServedModel("chatglm", "chatglm", tmp_path)
    first = begin(session, choice, QUESTIONS[0])
    finish(session)
    kept = runner(session)
    second = begin(session, choice, QUESTIONS[0])
    finish(session)
    assert runner(session) is kept and second.text == first.text
    room = kept.kept_bytes
    monkeypatch.setattr(batch, "most_kept", lambda device: room)
    begin(session, choice, QUESTIONS[0])
    finish(session)
    assert runner(session) is kept
    monkeypatch.setattr(batch, "most_kept", lambda device: room - 1)
    begin(session, choice, QUESTIONS[0])
    finish(session)
    assert session.batches == {}


@pytest.mark.parametrize("session", ["chatglm"], indirect=True)
def test_an_adapter_that_cannot_be_mixed_keeps_no_buffers(session, tmp_path):
    attach.attach(session.loaded, TrainingSettings(lora_rank=2, dora=True), "dora")
    attach.save(session.loaded, tmp_path / "dora", {"step": 1}, "dora")
    attach.unload_adapter(session.loaded, "dora")
    begin(session, ServedModel("dora", "dora", tmp_path, tmp_path / "dora", 1), QUESTIONS[0])
    finish(session)
    assert session.batches == {}


class Unrecordable:
    """Records nothing."""

    def warm_up(self, step):
        return step()

    def record(self, step):
        raise RuntimeError("operation not permitted when stream is capturing")


def test_what_cannot_be_recorded_just_runs(caplog):
    recorder = CudaGraphRunner(torch.device("cpu"), Unrecordable)
    runs = []
    for _ in range(3):
        recorder.run("key", lambda: runs.append(1) or torch.ones(1))
    assert len(runs) == 3 and len(caplog.records) == 1


class Counted(Unrecordable):
    """Records a step as itself and counts what was recorded."""

    recorded: list = []

    def record(self, step):
        self.recorded.append(step)
        return step


def test_a_step_is_recorded_once_for_a_key_and_again_when_tensors_have_moved(monkeypatch):
    monkeypatch.setattr(Counted, "recorded", [])
    recorder = CudaGraphRunner(torch.device("cpu"), Counted)
    for key in ("a", "b", "a", "b"):
        recorder.run(key, lambda: torch.ones(1))
    assert len(Counted.recorded) == 2
    recorder.forget()
    recorder.run("a", lambda: torch.ones(1))
    assert len(Counted.recorded) == 3


@pytest.mark.parametrize("session", ["chatglm"], indirect=True)
def test_buffers_are_freed_at_once_and_hooks_do_not_pile_up(session, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "KEPT", 0)
    choices, counts = adapt("chatglm", tmp_path), []
    for _ in range(3):
        for choice in choices:
            begin(session, choice, QUESTIONS[0], 4)
        keys = weakref.ref(runner(session)._cache.layers[0].keys)
        gc.disable()
        finish(session)
        gc.enable()
        assert keys() is None and session.batches == {}
        counts.append(sum(len(module._forward_hooks) for module in session.loaded.model.modules()))
    assert counts[0] == counts[1] == counts[2] > 0
