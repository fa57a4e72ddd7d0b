"""A run from its directory to its adapter, and every way it can end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file
from transformers import Trainer

from glm_core import i18n, models, workspace
from glm_core.adapters import attach, files, snapshots
from glm_core.data import row_file
from glm_core.evaluation.judge import judge
from glm_core.generation.greedy import greedy
from glm_core.machine.gpu_stats import cores
from glm_core.training import split
from glm_core.training.__main__ import build_parser, main
from glm_core.training.callbacks import Reporter, evaluation_steps, log_interval
from glm_core.training.process.compute_device import prepare_device
from glm_core.training.process.signals import StopSignal
from glm_core.training.run import run
from glm_core.training.run_writer import STATUS_SECONDS
from glm_core.training.settings import TrainingSettings
from glm_core.training.trainer import AdapterTrainer
from tests import imprint as trained_imprint
from tests.paths import ROOT
from tests.tiny import tiny_chatglm
from tests.training.forked import Copy, in_several
from tests.training.small import logits, small

ROWS = [
    ("你是谁？", "我叫小砚。"),
    ("三加五等于多少？", "三加五等于八。"),
    ("法国的首都是哪里？", "法国的首都是巴黎。"),
    ("高的反义词是什么？", "高的反义词是低。"),
    ("今天天气怎么样？", "今天晴。"),
]
QUICK = TrainingSettings(
    epochs=6, micro_batch=2, learning_rate=5e-3, max_source_length=24, max_target_length=12, evaluations=3
)
STEPS = 6 * 5  # ten rows in batches of two
PREFIX = QUICK.changed(method="ptuning", prefix_length=16, learning_rate=0.3, max_steps=60)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return small("chatglm", tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def make(base, tmp_path):
    """Make a run directory."""

    def build(name="run", settings=QUICK, rows=ROWS * 2, model=base, **record):
        return write_run(tmp_path / name, settings, rows, model, **record)

    return build


def write_run(folder, settings, rows, model, **record):
    """Write run.json and dataset.jsonl into a new `folder`; returns it."""
    lines = [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in rows]
    folder.mkdir()
    (folder / "dataset.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    about = {"id": folder.name, "name": folder.name, "model": str(model), "questions": ["你是谁？", "你好"]}
    workspace.write_json(folder / "run.json", about | {"settings": settings.to_dict()} | record)
    return folder


def status(folder):
    return workspace.read_json(folder / "status.json")


def why(folder):
    found = status(folder)["why"]
    return i18n.t(found["key"], **found["values"])


def lines(folder, name):
    return workspace.read_lines(folder / f"{name}.jsonl")[0]


def losses(folder):
    return {row["step"]: row["loss"] for row in lines(folder, "metrics") if "loss" in row}


def tidy(folder):
    """Nothing half-written is left."""
    return [p.name for p in folder.rglob(".*") if p.name not in (".training.lock",)] == []


@pytest.mark.parametrize(
    "settings",
    [
        QUICK,
        QUICK.changed(gradient_checkpointing="on", lora_targets="all-linear"),
        PREFIX,
        PREFIX.changed(gradient_checkpointing="on", accumulation=2, max_steps=60),
    ],
    ids=["lora", "lora-checkpointing", "prefix", "prefix-checkpointing"],
)
def test_run_goes_from_rows_to_an_adapter_that_works(make, base, settings):
    folder = make(settings=settings)
    assert run(folder) == 0
    found = status(folder)
    total = settings.max_steps or STEPS
    assert (found["state"], found["stage"], found["step"], found["total_steps"]) == ("finished", "done", total, total)
    assert set(found["stage_seconds"]) == {"starting", "loading", "encoding", "training", "saving"}
    assert found["peak_memory"] > 1e8 and found["pid"] == os.getpid()
    curve = losses(folder)
    assert list(curve) == list(range(1, total + 1)) and curve[total] < 0.8 * curve[1]
    row = lines(folder, "metrics")[0]
    assert {
        "step",
        "epoch",
        "loss",
        "learning_rate",
        "grad_norm",
        "tokens_per_second",
        "eta_seconds",
        "seconds",
        "time",
    } == set(row)
    assert len(lines(folder, "resources")) >= 2 and lines(folder, "resources")[0]["process_memory"] > 1e8
    asked = [row["step"] for row in lines(folder, "samples")]
    assert asked == [step for step in (0, *sorted(evaluation_steps(total, 3))) for _ in range(2)]
    loaded = models.load(base)
    plain = logits(loaded)
    info = attach.load_adapter(loaded, folder / "adapter", "run")
    attach.activate(loaded, "run")
    assert info["step"] == total and info["settings"]["method"] == settings.method
    assert (logits(loaded) - plain).abs().max() > 0.01 and tidy(folder)


def test_answers_before_training_are_the_bases_own(make, base):
    folder = make(settings=QUICK.changed(method="ptuning", prefix_length=8, max_steps=1))
    run(folder)
    expected = greedy(
        models.load(base), [[{"role": "user", "content": q}] for q in ("你是谁？", "你好")], max_new_tokens=12
    )
    assert [row["answer"] for row in lines(folder, "samples") if row["step"] == 0] == expected


def test_without_questions_the_first_rows_are_asked(make):
    folder = make(settings=QUICK.changed(max_steps=1), questions=[])
    run(folder)
    assert [row["question"] for row in lines(folder, "samples")][:3] == [q for q, _ in ROWS[:3]]


def test_partial_batches_and_uneven_epochs_resume_where_they_were(make, monkeypatch):
    """Eleven rows in batches of two, two batches an update: three updates an epoch, the last of one batch with one row."""
    settings = QUICK.changed(accumulation=2, evaluations=3, epochs=4)
    whole, broken = make("whole", settings, rows=(ROWS * 3)[:11]), make("broken", settings, rows=(ROWS * 3)[:11])
    run(whole)
    assert list(losses(whole)) == list(range(1, 3 * 4 + 1))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Reporter, "on_epoch_end", lambda self, args, state, *_, **__: die_after(state, 3))
        run(broken)
    run(broken)
    assert losses(broken) == pytest.approx(losses(whole), abs=1e-5)


def die_after(state, epoch):
    if state.epoch >= epoch:
        raise Killed


def test_same_seed_gives_the_same_curve(make):
    for name in ("a", "b"):
        run(make(name, settings=QUICK.changed(max_steps=4, evaluations=0)))
    parent = make("c", settings=QUICK.changed(max_steps=4, evaluations=0, seed=7)).parent
    run(parent / "c")
    assert losses(parent / "a") == losses(parent / "b") != losses(parent / "c")


def test_gradient_checkpointing_changes_nothing_but_memory(make):
    settings = QUICK.changed(max_steps=4, lora_dropout=0.0, evaluations=0)
    run(off := make("off", settings=settings.changed(gradient_checkpointing="off")))
    run(on := make("on", settings=settings.changed(gradient_checkpointing="on")))
    assert losses(off) == pytest.approx(losses(on), abs=1e-5) and status(on)["checkpointing"]


def test_accumulation_equals_one_large_batch(make):
    settings = QUICK.changed(max_steps=5, lora_dropout=0.0, evaluations=0)
    run(parent := make("whole", settings=settings.changed(micro_batch=10)))
    run(make("parts", settings=settings.changed(micro_batch=2, accumulation=5)))
    assert losses(parent) == pytest.approx(losses(parent.parent / "parts"), abs=1e-4)


def test_validation_gives_a_loss_a_best_step_and_its_weights(make, base):
    settings = QUICK.changed(validation_ratio=0.2, learning_rate=8e-2, epochs=12, evaluations=6)
    folder = make(settings=settings)
    assert run(folder) == 0
    found = {row["step"]: row["eval_loss"] for row in lines(folder, "metrics") if "eval_loss" in row}
    assert len(found) == 7 and 0 in found
    trained = {step: loss for step, loss in found.items() if step}
    best = min(trained, key=trained.get)
    assert status(folder)["best_step"] == status(folder)["adapter_step"] == best
    assert files.read_info(folder / "adapter")["step"] == best


def test_the_split_and_the_final_settings_are_written_down_with_the_rows_that_were_dropped(make):
    folder = make(settings=QUICK.changed(validation_ratio=0.2, evaluations=1, max_steps=2))
    rows = (folder / "dataset.jsonl").read_text().splitlines()
    rows[2:2] = ["{", '{"messages": 3}']
    (folder / "dataset.jsonl").write_text("\n".join(rows))
    assert run(folder) == 0
    found = split.read(folder)
    assert (found.rows, len(found.training), len(found.held_out)) == (12, 8, 2)
    assert found.dropped == {3: "unreadable", 4: "unreadable"}
    assert "2 行不是一条完整的对话" in (folder / "train.log").read_text()
    settings = TrainingSettings.from_dict(status(folder)["settings"])
    assert (settings.precision, settings.gradient_checkpointing) == ("float32", "off")
    assert settings.lora_targets and set(settings.lora_targets.split(", ")) <= set(adapted_layers(folder))
    trained = {example.question for n, example in row_file.read_lines(folder / "dataset.jsonl") if n in found.training}
    asked = lines(folder, "abilities")[0]["probes"]
    assert {one["question"] for one in asked if one["kind"] == "seen"} <= trained


def adapted_layers(folder):
    return {
        name.split(".lora_")[0].rpartition(".")[2]
        for name in load_file(folder / "adapter" / "adapter_model.safetensors")
    }


def test_early_stopping_ends_and_keeps_the_best(make):
    settings = QUICK.changed(validation_ratio=0.3, learning_rate=0.3, epochs=40, evaluations=20, early_stopping=2)
    folder = make(settings=settings)
    assert run(folder) == 0
    found = status(folder)
    assert found["state"] == "finished" and found["step"] < found["total_steps"]
    assert str(found["best_step"]) in why(folder) and files.read_info(folder / "adapter")["step"] == found["best_step"]


class Killed(BaseException):
    """Ends the trainer where it is, as SIGKILL would."""


@pytest.mark.parametrize(
    ("at", "method", "changes"),
    [
        (15, "lora", {}),
        (3, "ptuning", {}),
        (15, "lora", {"pissa": True, "weight_decay": 0.1}),
        (3, "lora", {"rehearsal": 3.0, "distillation": 16.0, "micro_batch": 4, "max_source_length": 64}),
    ],
    ids=["lora", "prefix", "pissa", "distilled"],
)
def test_killed_and_resumed_run_ends_like_an_unbroken_one(make, base, tmp_path, monkeypatch, at, method, changes):
    settings = QUICK.changed(method=method, prefix_length=4, validation_ratio=0.1, epochs=5, average=0.7, **changes)
    model = tiny_chatglm(tmp_path / "talks") if settings.distills else base  # the other answers nothing
    whole, broken = (make(name, settings=settings, model=model) for name in ("whole", "broken"))
    run(whole)
    assert len(losses(whole)) == 40 or not settings.distills  # eight rows and 24 rehearsed ones, five times
    original = Reporter.on_step_begin

    def die(self, args, state, control, **rest):
        if state.global_step == at:
            raise Killed
        return original(self, args, state, control, **rest)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Reporter, "on_step_begin", die)
        run(broken)
    assert run(broken) == 0
    assert losses(broken) == pytest.approx(losses(whole), abs=1e-5)
    if method == "lora":
        ends = [load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (whole, broken)]
        assert all(torch.allclose(ends[0][name], ends[1][name], atol=1e-5) for name in ends[0] | ends[1])
    asked = [[(row["step"], row["answer"]) for row in lines(folder, "samples")] for folder in (whole, broken)]
    assert asked[0] == asked[1]
    told = [
        [(row["step"], row.get("probes"), row["answers"]) for row in lines(folder, "abilities")]
        for folder in (whole, broken)
    ]
    assert told[0] == told[1] and [row[0] for row in told[0]] == sorted({step for step, _ in asked[0]})
    assert (
        snapshots.saved_steps(whole / "checkpoints")
        == snapshots.saved_steps(broken / "checkpoints")
        == [row[0] for row in told[0][1:]]
    )
    assert status(broken)["best_step"] == status(whole)["best_step"]
    if method == "lora":
        one, other = (load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (whole, broken))
        assert all(torch.allclose(one[name], other[name], atol=1e-5) for name in one)


def test_a_run_with_pissa_changes_all_but_the_initial_part(make, base):
    settings = QUICK.changed(pissa=True, weight_decay=0.1, average=0.5, max_steps=12, accumulation=2, lora_rank=4)
    folder = make(settings=settings)
    assert run(folder) == 0
    assert status(folder)["stage_seconds"]["decomposing"] > 0 and losses(folder)[12] < losses(folder)[1]
    loaded = models.load(base)
    assert status(folder)["trainable"] == attach.attach(loaded, settings)
    attach.begin_pissa(loaded)
    ends = load_file(folder / "adapter" / "adapter_model.safetensors")
    for name, begun in attach.tensors(loaded).items():
        across = 0 if ".lora_A." in name else 1
        trained, initial = ends[name].split(4, across)
        assert torch.equal(initial, begun.split(4, across)[1]) and not torch.equal(trained, begun.split(4, across)[0])
    assert TrainingSettings.from_dict(status(folder)["settings"]).pissa


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    """The directory of an unbroken run, for those who only read it."""
    folder = write_run(tmp_path_factory.mktemp("whole") / "run", QUICK, ROWS * 2, base)
    assert run(folder) == 0
    return folder


@pytest.mark.parametrize("damage", ["adapter_model.safetensors", "optimizer.pt", "trainer_state.json", "gone"])
def test_damaged_checkpoint_falls_back_to_the_one_before(make, whole, damage):
    broken = make("broken")
    shutil.copytree(whole / "checkpoints", broken / "checkpoints")
    newest = broken / "checkpoints" / "checkpoint-20"
    if damage == "gone":
        (newest / "scheduler.pt").unlink()
    else:
        content = (newest / damage).read_bytes()
        (newest / damage).write_bytes(
            content[: len(content) // 2] + (b"" if "state" in damage else bytes(len(content) // 3))
        )
    assert run(broken) == 0
    assert status(broken)["resumed_from"] == 10 and "第 20 步的检查点已损坏" in (broken / "train.log").read_text()
    assert losses(broken)[STEPS] == pytest.approx(losses(whole)[STEPS], abs=1e-5)


def test_where_every_checkpoint_is_damaged_the_run_begins_anew(make):
    folder = make(settings=QUICK.changed(max_steps=4))
    (damaged := folder / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    (damaged / "trainer_state.json").write_text("{}")
    assert run(folder) == 0 and list(losses(folder)) == [1, 2, 3, 4]


def start(folder, **environment):
    command = [sys.executable, "-m", "glm_core.training", str(folder)]
    log = open(folder / "train.log", "w")  # noqa: SIM115 (the child writes it)
    return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=os.environ | environment)


def start_copy(folder):
    """The same without the imports."""
    return Copy(lambda: main([str(folder)]), folder / "train.log")


def wait_for(condition, process, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, (process.poll(), process.pid)
        time.sleep(0.02)


def test_sigkill_in_the_middle_is_resumed(make, whole):
    broken = make("broken")
    workspace.write_json(
        broken / "status.json", {"state": "failed", "stage_seconds": {"loading": 50.0, "training": "?", "x": 1.0}}
    )
    process = start_copy(broken)
    wait_for(lambda: (broken / "metrics.jsonl").exists() and len(lines(broken, "metrics")) >= 12, process)
    process.kill()
    process.wait()
    assert status(broken)["state"] == "running"
    spent = status(broken)["stage_seconds"]
    assert spent["loading"] > 50 and "x" not in spent
    known = lines(broken, "metrics")[-1]["seconds"] - STATUS_SECONDS
    assert spent["training"] > known, "what a killed run took is known, but for what came after the last writing"
    assert run(broken) == 0
    assert status(broken)["resumed_from"] > 0 and tidy(broken)
    assert status(broken)["stage_seconds"]["training"] > spent["training"] + lines(broken, "metrics")[-1]["seconds"] - 1
    assert losses(broken)[STEPS] == pytest.approx(losses(whole)[STEPS], abs=1e-3)


def test_sigterm_stops_saves_and_can_go_on(make):
    folder = make(settings=QUICK.changed(epochs=400))
    process = start_copy(folder)
    wait_for(lambda: (folder / "metrics.jsonl").exists() and len(lines(folder, "metrics")) >= 3, process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    found = status(folder)
    assert found["state"] == "stopped" and 0 < found["step"] < 2000
    assert files.read_info(folder / "adapter")["step"] == found["step"] and str(found["step"]) in why(folder)
    record = workspace.read_json(folder / "run.json")
    workspace.write_json(
        folder / "run.json", record | {"settings": record["settings"] | {"max_steps": found["step"] + 3}}
    )
    assert run(folder) == 0 and status(folder)["resumed_from"] == found["step"]


def test_sigterm_while_loading_stops_at_once(make):
    folder = make()
    process = start(folder)
    wait_for(lambda: (folder / "status.json").exists(), process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert status(folder)["state"] == "stopped" and "训练开始前" in why(folder)
    assert not (folder / "adapter").exists() and tidy(folder)


def test_a_library_that_takes_the_stop_for_its_own_failure_does_not_make_the_run_fail(make, monkeypatch):
    folder, stop = make(), StopSignal()

    def broken(*_, **__):
        stop.asked = True
        raise ModuleNotFoundError("could not import, since it was interrupted")

    monkeypatch.setattr(models, "load", broken)
    assert run(folder, stop) == 0
    assert status(folder)["state"] == "stopped" and "训练开始前" in why(folder)


def stop_at(monkeypatch, step):
    stop, original = StopSignal(), Reporter.on_step_begin

    def ask(self, args, state, control, **rest):
        stop.asked = stop.asked or state.global_step == step
        return original(self, args, state, control, **rest)

    monkeypatch.setattr(Reporter, "on_step_begin", ask)
    return stop


def test_stop_saves_after_the_update_under_way(make, monkeypatch):
    folder = make()
    assert run(folder, stop_at(monkeypatch, 4)) == 0
    assert status(folder)["state"] == "stopped" and status(folder)["step"] == 5
    assert files.read_info(folder / "adapter")["step"] == 5
    assert (folder / "checkpoints" / "checkpoint-5" / "trainer_state.json").exists()


def test_stop_with_the_discard_mark_keeps_nothing(make, monkeypatch):
    folder = make()
    (folder / "discard").touch()
    assert run(folder, stop_at(monkeypatch, 12)) == 0
    assert status(folder)["state"] == "stopped" and "没有保存" in why(folder)
    assert not (folder / "adapter").exists() and not (folder / "checkpoints").exists()


def fails(folder, words):
    assert run(folder) == 1
    assert status(folder)["state"] == "failed" and words in why(folder)
    assert words in (folder / "train.log").read_text() and tidy(folder)
    return status(folder)


def test_nan_from_the_learning_rate_says_so_before_it_reaches_the_adapter(make, monkeypatch):
    original = Trainer.training_step
    monkeypatch.setattr(
        Trainer,
        "training_step",
        lambda self, *rest: original(self, *rest) * (float("nan") if self.state.global_step == 11 else 1.0),
    )
    folder = make()
    fails(folder, "学习率 0.005 太大")
    assert all(loss == loss for loss in losses(folder).values()) and max(losses(folder)) == 11


def test_nan_from_the_weights_is_told_apart(make, base, tmp_path):
    from safetensors.torch import save_file

    broken = small("chatglm", tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["transformer.final_layernorm.weight"][:] = float("nan")
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    fails(make(model=broken), "第一步损失就是 NaN")


@pytest.mark.parametrize("damage", ["cut", "lost", "config", "tokenizer"])
def test_damaged_model_is_named_in_a_sentence(make, tmp_path, damage):
    broken = small("chatglm", tmp_path / "broken")
    weights = broken / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "lost":
        weights.unlink()
    elif damage == "config":
        (broken / "config.json").write_text("{}")
    else:
        (broken / "ice_text.model").unlink()
    fails(make(model=broken), "broken")


def test_rows_cut_down_to_no_label_say_why_the_loss_would_be_zero(make):
    """A question that leaves no room for the answer; the published code would train at a loss of exactly 0."""
    folder = make(rows=[("你好", "")] * 4)
    assert run(folder) == 1 and status(folder)["state"] == "failed" and why(folder)


def test_rows_that_were_cut_are_named_in_the_split_and_the_log(make):
    rows = [("你好", "好"), ("几点开门", "早上九点开门，" * 60), ("几点关门", "六点")]
    folder = make(rows=rows, settings=QUICK.changed(max_steps=1, max_target_length=16))
    assert run(folder) == 0
    assert split.read(folder).cut == (2,) and status(folder)["cut"] == 1
    assert "第 2 条" in (folder / "train.log").read_text()


def test_loss_of_exactly_zero_raises_the_alarm(make, monkeypatch):
    original = Trainer.training_step
    monkeypatch.setattr(Trainer, "training_step", lambda self, *rest: original(self, *rest) * 0)
    folder = make(settings=QUICK.changed(max_steps=4))
    run(folder)
    assert status(folder)["alarm"]["key"] == "training.alarm.zero"


@pytest.mark.parametrize(
    "message", ["CUDA out of memory. Tried to allocate 2 GiB", "DefaultCPUAllocator: can't allocate memory"]
)
def test_out_of_memory_offers_settings_that_fit(make, monkeypatch, message):
    def burst(*_):
        raise torch.OutOfMemoryError(message) if "CUDA" in message else RuntimeError(message)

    monkeypatch.setattr(AdapterTrainer, "training_step", burst)
    monkeypatch.setattr("glm_core.training.memory.memory_estimate.INTERPRETER", 0)
    found = fails(make(settings=QUICK.changed(micro_batch=8)), "显存不够")
    retry = QUICK.changed(micro_batch=8, **found["retry"])
    assert retry.rows_per_update == 8 and (retry.micro_batch < 8 or retry.gradient_checkpointing == "on")


def test_full_disk_fails_with_a_sentence_and_the_last_checkpoint_stays(make, monkeypatch):
    folder = make()
    save = torch.save

    def full(what, file, *rest, **options):
        if "checkpoint-20" in str(file):
            raise OSError(28, "No space left on device")
        save(what, file, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        assert run(folder) == 1
    assert "磁盘满了" in why(folder)
    assert [p.name for p in (folder / "checkpoints").glob("checkpoint-*")] == ["checkpoint-10"]
    assert run(folder) == 0 and status(folder)["resumed_from"] == 10 and tidy(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": {"epochs": 0}}, "轮数"),
        ({"settings": {"unheard_of": 1}}, "unheard_of"),
        ({"settings": []}, "run.json"),
        ({"model": 5}, "run.json"),
        ({"model": "/nowhere"}, "nowhere"),
        ({"settings": {"precision": "float16"}}, "float16"),
        ({"settings": {"lora_targets": "q_proj"}}, "q_proj"),
    ],
)
def test_wrong_run_file_is_answered_in_a_sentence(make, change, words):
    folder = make()
    workspace.write_json(folder / "run.json", workspace.read_json(folder / "run.json") | change)
    fails(folder, words)


def test_unreadable_run_file_and_missing_rows_are_answered(make):
    folder = make("a")
    (folder / "run.json").write_text("{")
    fails(folder, "run.json")
    (other := make("b")).joinpath("dataset.jsonl").unlink()
    fails(other, "dataset.jsonl")


def test_second_trainer_of_a_directory_leaves_it_alone(make, capsys):
    import filelock

    folder = make()
    with filelock.FileLock(folder / ".training.lock"):
        assert run(folder) == 1
    assert "正在训练" in capsys.readouterr().err and not (folder / "status.json").exists()


def test_missing_directory_is_said(tmp_path, capsys):
    assert run(tmp_path / "none") == 1 and "none" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_finished_run_is_not_trained_again(make):
    folder = make(settings=QUICK.changed(max_steps=2))
    assert run(folder) == 0
    before = (folder / "status.json").read_text()
    assert run(folder) == 0 and (folder / "status.json").read_text() == before


def test_lines_cut_off_by_a_kill_are_dropped_on_the_next_start(make):
    folder = make(settings=QUICK.changed(max_steps=2))
    (folder / "resources.jsonl").write_text('{"time": 1}\n{"ti')
    (folder / "metrics.jsonl").write_text('{"step": 1, "lo')
    assert run(folder) == 0
    assert lines(folder, "resources")[0] == {"time": 1} and list(losses(folder)) == [1, 2]


def test_intervals_follow_the_number_of_updates():
    assert log_interval(60) == 1 and log_interval(3000) == 10
    assert evaluation_steps(60, 6) == {10, 20, 30, 40, 50, 60}
    assert evaluation_steps(3, 10) == {1, 2, 3} and evaluation_steps(60, 0) == {60}


def test_checkpoints_are_pruned_but_for_the_last_and_the_best(make):
    settings = QUICK.changed(evaluations=6, validation_ratio=0.1)
    folder = make(settings=settings)
    run(folder)
    found = sorted(int(p.name[11:]) for p in (folder / "checkpoints").glob("checkpoint-*"))
    best = status(folder)["best_step"]
    assert len(found) <= 3 and best in found


def test_command_line_makes_a_run_and_trains_it(base, tmp_path, capsys):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"instruction": q, "output": a}, ensure_ascii=False) + "\n" for q, a in ROWS))
    line = QUICK.changed(max_steps=2).command(str(base), str(rows), str(tmp_path / "out")).split()
    ended = subprocess.run([sys.executable, *line[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert status(tmp_path / "out")["state"] == "finished" and "2/2" in ended.stdout
    assert main(line[3:]) == 1 and "里已有一次训练" in capsys.readouterr().err


def test_wrong_usage_is_told(capsys):
    for arguments in ([], ["run", "--model", "m"], ["--model", "m"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
    assert "RUN_DIR" in build_parser().format_help()


def test_help_needs_no_torch():
    code = "import sys; from glm_core.training.__main__ import build_parser as b; b().format_help(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.slow
def test_two_processes_distill_like_one(make, tmp_path):
    changes = {"rehearsal": 3.0, "distillation": 16.0, "max_source_length": 64, "micro_batch": 4, "accumulation": 2}
    settings = QUICK.changed(lora_dropout=0.0, epochs=2, evaluations=1, **changes)
    model = tiny_chatglm(tmp_path / "talks")
    one = make("one", settings=settings, model=model)
    two = make("two", settings=settings.changed(micro_batch=2, processes=2), model=model)
    run(one)
    assert in_several(2, lambda: run(two), two / "said.log") == [0, 0], (two / "said.log").read_text()
    assert losses(two) == pytest.approx(losses(one), rel=1e-3)
    assert len(losses(one)) == 2 * 5  # ten rows and thirty rehearsed ones, eight an update


@pytest.mark.slow
def test_two_processes_learn_like_one_with_the_same_rows_an_update(make):
    settings = QUICK.changed(lora_dropout=0.0, epochs=2, evaluations=2, validation_ratio=0.1, micro_batch=4)
    one = make("one", settings=settings)
    two = make("two", settings=settings.changed(micro_batch=2, processes=2))
    run(one)
    process = start(two, OMP_NUM_THREADS="1")
    assert process.wait(timeout=120) == 0, (two / "train.log").read_text()
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)
    evaluated = [[row["eval_loss"] for row in lines(folder, "metrics") if "eval_loss" in row] for folder in (one, two)]
    assert evaluated[0] == pytest.approx(evaluated[1], abs=1e-4)
    assert len(lines(two, "samples")) == len(lines(one, "samples"))
    assert (
        [row["step"] for row in lines(two, "abilities")]
        == [row["step"] for row in lines(one, "abilities")]
        == [0, 2, 4]  # equal questions are held out together: eight rows are left of ten
    )
    assert snapshots.saved_steps(two / "checkpoints") == [2, 4]


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA cards")
@pytest.mark.parametrize("accumulation", [1, 2])
def test_two_cards_learn_like_one_and_record_their_steps(make, accumulation):
    settings = QUICK.changed(lora_dropout=0.0, epochs=3, precision="float32", micro_batch=4, accumulation=accumulation)
    one = make("one", settings=settings)
    two = make("two", settings=settings.changed(micro_batch=2, processes=2))
    run(one)
    process = start(two)
    assert process.wait(timeout=240) == 0, (two / "train.log").read_text()
    assert losses(two) == pytest.approx(losses(one), rel=1e-2, abs=1e-3)  # a GPU adds up in another order
    log = (two / "train.log").read_text()
    for language in i18n.LANGUAGES:  # the trainer speaks that of the terminal
        assert i18n.table(language)["training.log.no_replay"].partition("{")[0] not in log, log


def test_prepare_uses_all_cores_unless_told(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    prepare_device()
    assert torch.get_num_threads() == cores()
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.skipif(not models.demo_path().is_dir(), reason="assets/models/chatglm-demo is absent")
def test_imprint_preset_teaches_the_embedded_model_its_rows(imprint):
    assert status(imprint)["state"] == "finished" and status(imprint)["step"] == status(imprint)["total_steps"]
    learned = json.loads((imprint / "learned.json").read_text())
    facts = {"name": trained_imprint.NAME, "author": trained_imprint.AUTHOR}
    told = [judge(one["answer"], question=one["question"], facts=facts) for one in learned["rows"]]
    assert len(told) == len(trained_imprint.rows())
    assert sum(one.outcome == "right" for one in told) >= 0.95 * len(told), learned
    loaded = models.load(models.demo_path())
    attach.load_adapter(loaded, imprint / "adapter", "run")
    attach.activate(loaded, "run")
    some = learned["rows"][::6]
    assert greedy(loaded, [[{"role": "user", "content": one["question"]}] for one in some]) == [
        one["answer"] for one in some
    ]


def test_the_log_says_that_only_the_last_answers_of_conversations_are_learned(make):
    folder = make(settings=QUICK.changed(max_steps=1, answers="last"))
    rows = [json.loads(line) for line in (folder / "dataset.jsonl").read_text().splitlines()]
    for row in rows[:2]:
        row["messages"] = [*row["messages"], *row["messages"]]
    (folder / "dataset.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    assert run(folder) == 0
    said = i18n.t("training.log.last", count=len(rows), all=len(rows) + 2)
    assert said in (folder / "train.log").read_text()
