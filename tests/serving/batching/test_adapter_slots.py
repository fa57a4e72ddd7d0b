"""Rows of one batch may use the base, any LoRA and any prefix, and each answers as if alone."""

import json
import shutil
import time

import pytest
import torch

from glm_core import models, workspace
from glm_core.adapters import attach, scale
from glm_core.runs import rollback, store
from glm_core.serving import EngineBusy, EngineUnavailable, RequestError, served_models
from glm_core.serving.batching.adapter_slots import Adapters
from glm_core.serving.engine import LocalEngine
from glm_core.serving.served_models import ServedModel
from glm_core.training.settings import TrainingSettings
from tests.engine import ask

QUESTIONS = ("你好", "你是谁？", "今天天气怎么样？推荐一部电影吧，要长一点的。")
SETTINGS = {
    "lora": TrainingSettings(lora_rank=4),
    "lora-wide": TrainingSettings(lora_rank=8, lora_targets="all-linear"),
    "prefix": TrainingSettings(method="ptuning", prefix_length=6, learning_rate=2e-2),
    "prefix-long": TrainingSettings(method="ptuning", prefix_length=17, learning_rate=2e-2),
    "dora": TrainingSettings(lora_rank=4, dora=True),
}


@pytest.fixture(scope="module")
def trained(tiny_folder, tmp_path_factory):
    """Adapters with random weights, as if trained: name -> folder."""
    folders = {}
    for number, (name, settings) in enumerate(SETTINGS.items()):
        torch.manual_seed(number)  # of a new prefix
        loaded = models.load(tiny_folder)
        attach.attach(loaded, settings, name)
        generator = torch.Generator().manual_seed(number)
        for key, tensor in loaded.model.named_parameters():
            if tensor.requires_grad:
                tensor.data += 0.3 * torch.randn(tensor.shape, generator=generator) * (3 if "prefix" in key else 1)
        folders[name] = tmp_path_factory.mktemp("adapters") / name
        attach.save(loaded, folders[name], {"step": 60 + number}, name)
    return folders


@pytest.fixture
def runs(home, trained, tiny_folder):
    """A run for each adapter, its id the adapter's name."""
    for name, adapter in trained.items():
        folder = home / "runs" / name
        folder.mkdir(parents=True)
        (folder / "adapter").symlink_to(adapter)
        record = {"name": f"训练 {name}", "model": str(tiny_folder), "model_name": "tiny", "created": 1.0}
        workspace.write_json(
            folder / "run.json", record | {"id": name, "dataset": {"name": "x", "rows": 1}, "settings": {}}
        )
    return list(trained)


@pytest.fixture
def engine(runs):
    engine = LocalEngine(rows=16, waiting=64, each=64)
    yield engine
    engine.close()


def alone(engine, question, model, **fields):
    handle = engine.submit(ask(question, model, **fields))
    return "".join(handle)


def test_every_run_with_an_adapter_is_a_model(engine, runs):
    choices = {choice.name: choice for choice in engine.catalogue()}
    assert set(runs) < set(choices) and choices["lora"].step == 60
    assert engine.find("训练 lora").name == "lora"
    assert choices["lora"].to_dict()["parent"] == "tiny"


def test_mixed_rows_answer_as_if_alone(engine, runs):
    names = ["tiny", *runs]
    expected = {
        (name, question): alone(engine, question, name, max_new_tokens=24) for name in names for question in QUESTIONS
    }
    assert len({expected[name, "你是谁？"] for name in names}) == len(names), "the adapters must change the answers"
    handles = {}
    for number, key in enumerate(expected):
        handles[key] = engine.submit(ask(key[1], key[0], max_new_tokens=24, owner=key[1]))
        if number % 5 == 4:
            time.sleep(0.02)
    for key, handle in handles.items():
        assert "".join(handle) == expected[key], key
        assert handle.provenance.adapter == (None if key[0] == "tiny" else key[0])


def test_the_stamp_names_the_run_and_its_step(engine):
    handle = engine.submit(ask(model="lora"))
    assert "".join(handle) is not None
    assert (handle.provenance.adapter, handle.provenance.adapter_title, handle.provenance.step) == (
        "lora",
        "训练 lora",
        60,
    )
    assert "训练 lora" in handle.provenance.sentence() and "60" in handle.provenance.sentence()


def test_strength_lies_between_base_and_adapter_and_both_can_answer_at_once(engine):
    base, full = (alone(engine, "你是谁？", name, max_new_tokens=24) for name in ("tiny", "lora"))
    none = engine.submit(ask("你是谁？", "lora", strength=0.0, max_new_tokens=24))
    whole = engine.submit(ask("你是谁？", "lora", strength=1.0, max_new_tokens=24))
    half = engine.submit(ask("你是谁？", "lora", strength=0.5, max_new_tokens=24))
    assert ("".join(none), "".join(whole)) == (base, full)
    assert half.provenance.strength == 0.5 and "".join(half) not in (base,)


def test_what_has_no_strength_says_so(engine):
    handle = engine.submit(ask(model="dora", strength=0.5))
    with pytest.raises(RequestError, match="DoRA"):
        "".join(handle)
    assert "".join(engine.submit(ask(model="dora"))) is not None


def test_a_base_knows_the_runs_that_were_trained_on_it(runs, tiny_folder):
    bases = [ServedModel(folder.name, folder.name, folder) for folder in (tiny_folder, tiny_folder.parent / "another")]
    assert [sorted(run.id for run in served_models.trained_on(base)) for base in bases] == [sorted(runs), []]


def test_a_strength_that_no_adapter_can_have_is_refused_and_the_strongest_answers(engine):
    with pytest.raises(RequestError) as caught:
        engine.submit(ask(model="lora", strength=scale.STRONGEST + 0.1))
    assert caught.value.field == "strength"
    assert "".join(engine.submit(ask(model="lora", strength=scale.STRONGEST, max_new_tokens=4)))


def test_a_prefix_at_strength_0_answers_as_the_base_and_at_half_as_neither(engine):
    base, none, half, whole = (
        "".join(engine.submit(ask("你好", model, strength=strength, max_new_tokens=40)))
        for model, strength in (("tiny", 1.0), ("prefix", 0.0), ("prefix", 0.5), ("prefix", 1.0))
    )
    assert none == base and half not in (base, whole) and whole != base


def test_adapters_come_and_go_while_others_stream(engine, home, monkeypatch):
    monkeypatch.setattr("glm_core.serving.batching.adapter_slots.MOST_LOADED", 1)
    expected = alone(engine, "你好", "lora", max_new_tokens=60)
    running = engine.submit(ask("你好", "lora", max_new_tokens=60))
    others = [engine.submit(ask("你好", name, max_new_tokens=4)) for name in ("prefix", "lora-wide", "dora", "tiny")]
    assert all("".join(handle) is not None for handle in others)
    assert "".join(running) == expected


def test_a_new_version_of_an_adapter_is_read_and_a_damaged_one_is_an_error_of_that_request(
    engine, home, trained, tmp_path
):
    alone(engine, "你好", "lora")
    folder = home / "runs" / "lora"
    (folder / "adapter").unlink()
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in trained["lora-wide"].iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (folder / "adapter").symlink_to(copy)
    assert alone(engine, "你好", "lora") == alone(engine, "你好", "lora-wide")
    time.sleep(0.01)
    (copy / "adapter_model.safetensors").write_bytes(b"broken")
    with pytest.raises(EngineUnavailable, match="训练 lora"):
        alone(engine, "你好", "lora")
    assert alone(engine, "你好", "tiny")


def test_an_adapter_that_was_deleted_since_it_was_found_is_an_error_of_that_request(runs, home, tiny_folder):
    found = served_models.find("lora")
    shutil.rmtree(home / "runs" / "lora")
    with pytest.raises(EngineUnavailable) as caught:
        Adapters(models.load(tiny_folder)).need(found)
    assert caught.value.key == "serving.adapter_gone" and "训练 lora" in str(caught.value)


def test_going_back_and_forward_changes_who_answers_at_once(engine, home, runs, trained):
    folder = home / "runs" / "lora"
    (folder / "adapter").unlink()
    shutil.copytree(trained["lora"], folder / "adapter")
    shutil.copytree(trained["prefix"], folder / "checkpoints" / "adapter-62")
    workspace.write_json(folder / "status.json", {"state": "finished"})
    answers = {name: alone(engine, QUESTIONS[2], name) for name in ("lora", "prefix")}
    assert answers["lora"] != answers["prefix"]
    for step, name in ((62, "prefix"), (60, "lora"), (62, "prefix")):
        rollback.promote(store.get("lora"), step)
        handle = engine.submit(ask(QUESTIONS[2], "lora"))
        assert "".join(handle) == answers[name] and handle.provenance.step == step


def test_an_adapter_of_another_base_is_refused(engine, home, trained, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in trained["lora"].iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    info = json.loads((copy / "easyaigc.json").read_text(encoding="utf-8")) | {"hidden_size": 4096}
    (copy / "easyaigc.json").write_text(json.dumps(info), encoding="utf-8")
    (home / "runs" / "lora" / "adapter").unlink()
    (home / "runs" / "lora" / "adapter").symlink_to(copy)
    with pytest.raises(EngineUnavailable):
        alone(engine, "你好", "lora")


def test_two_bases_take_turns(engine, home, tiny_folder, tmp_path_factory):
    from tests.tiny import tiny_chatglm

    other = tiny_chatglm(tmp_path_factory.mktemp("bases") / "other", seed=5)
    (home / "models" / "other").symlink_to(other)
    expected = {name: alone(engine, "你好", name) for name in ("tiny", "other")}
    assert expected["tiny"] != expected["other"]
    handles = [(name, engine.submit(ask("你好", name))) for name in ("tiny", "other", "tiny")]
    for name, handle in handles:
        assert "".join(handle) == expected[name] and handle.provenance.base == name


def test_finding_a_run_by_its_id_reads_no_other_run(runs, monkeypatch):
    def listed():
        raise AssertionError("every run was read")

    monkeypatch.setattr(store, "runs", listed)
    assert served_models.find("lora").tuned and not served_models.find("tiny").tuned


def test_a_full_queue_refuses_before_it_looks_for_the_model(runs, monkeypatch):
    engine = LocalEngine(waiting=0)

    def looked(name):
        raise AssertionError("the disk was read")

    monkeypatch.setattr(served_models, "find", looked)
    with pytest.raises(EngineBusy):
        engine.submit(ask(model="lora"))


def test_likelihoods_and_first_tokens_are_the_adapters_and_sum_to_what_a_probability_is(engine):
    tuned = engine.find("lora")
    texts = [(question, "你好，我是小明。") for question in QUESTIONS]
    before, after = engine.log_likelihoods(tuned.original, texts), engine.log_likelihoods(tuned, texts)
    assert [one.tokens for one in before] == [one.tokens for one in after] and all(one.total < 0 for one in before)
    assert all(one.total != other.total for one, other in zip(before, after, strict=True))
    first = engine.first_token_distributions(tuned, QUESTIONS)
    assert len(first) == len(QUESTIONS) and all(abs(one.sum() - 1) < 1e-4 for one in first)
    assert engine.fits(tuned, ["你好", "天气" * 600]) == [True, False]


def test_the_likelihood_of_a_greedy_answer_says_that_it_is_greedy(engine):
    answer = engine.submit(ask("你好", max_new_tokens=400))
    text = "".join(answer)
    if answer.finish_reason == "stop":
        assert engine.log_likelihoods(engine.find("tiny"), [("你好", text)])[0].greedy
    assert not engine.log_likelihoods(engine.find("tiny"), [("你好", "天气怎么样")])[0].greedy
