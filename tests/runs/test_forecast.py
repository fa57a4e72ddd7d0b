"""What is said before a run starts: more work takes longer, and an earlier run on this machine is believed first."""

import json

import pytest

from glm_core.data.analysis import statistics
from glm_core.data.examples import Example
from glm_core.hub import published
from glm_core.machine.machine import Gpu, Machine
from glm_core.runs import forecast, store
from glm_core.runs.labels import forecast_notes
from glm_core.training.memory import memory_advice
from glm_core.training.settings import PRESETS, TrainingSettings
from tests.runs.conftest import make

CONFIG = {
    "model_type": "chatglm",
    "hidden_size": 384,
    "inner_hidden_size": 1536,
    "num_attention_heads": 8,
    "num_layers": 9,
    "vocab_size": 8000,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "mask_token_id": 3,
    "gmask_token_id": 4,
    "pad_token_id": 5,
}
LAPTOP = Machine((), 2, 16 << 30, 8 << 30, 1 << 40)
GPU = Machine((Gpu(0, "NVIDIA GeForce RTX 4090", 0, 24 << 30),), 8, 64 << 30, 32 << 30, 1 << 40)


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    return folder


def rows(count, length=20):
    turns = [{"role": "user", "content": "问" * length}, {"role": "assistant", "content": "答" * length}]
    return statistics([Example([dict(turn) for turn in turns], line) for line in range(1, count + 1)])


def test_more_rows_take_longer_and_a_card_is_faster(model):
    few, many = (forecast.forecast(model, rows(count), TrainingSettings(), LAPTOP, 3) for count in (20, 200))
    assert many.seconds > 2 * few.seconds
    gpu = forecast.forecast(model, rows(200), TrainingSettings(), GPU, 3)
    assert gpu.tokens_per_second > 100 * many.tokens_per_second
    assert few.plan.updates == 60 and few.memory.device == "cpu" and gpu.memory.device == "cuda"


def test_rehearsed_rows_and_the_logits_of_the_base_take_time_and_memory(model):
    """The base's logits are half of the head's work with the rehearsed rows, and the head a ninth of this model."""
    none = TrainingSettings(rehearsal=0.0, distillation=16.0)
    without, plain, distilled = (
        forecast.forecast(model, rows(20), settings, LAPTOP, 3)
        for settings in (none, none.changed(rehearsal=3.0, distillation=0.0), none.changed(rehearsal=3.0))
    )
    assert without.plan.rehearsed == 0 and plain.plan.rehearsed == distilled.plan.rehearsed == 60
    assert without.seconds < plain.seconds < distilled.seconds
    assert distilled.seconds - plain.seconds < 0.2 * (plain.plan.tokens / plain.tokens_per_second)
    assert distilled.memory.parts["logits"] == 2 * plain.memory.parts["logits"]


def test_a_counted_row_is_believed_before_one_guessed_from_its_characters(model):
    guessed, counted = (
        forecast.forecast(model, rows(20), TrainingSettings(), LAPTOP, 3, (), one) for one in (None, 31)
    )
    assert (guessed.memory.longest, counted.memory.longest) == (46, 31)
    assert guessed.memory.peak_bytes > counted.memory.peak_bytes and guessed.seconds == counted.seconds


def test_the_speed_of_the_last_complete_run_of_the_kind_is_believed(model):
    settings = TrainingSettings()
    run = make()
    store.change(run, settings=settings.to_dict(), model_name="tiny")
    speeds = [{"step": step, "loss": 1.0, "tokens_per_second": speed} for step, speed in enumerate((1, 500, 520), 1)]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in speeds))
    store.write_status(run, "stopped")
    assert not forecast.forecast(model, rows(20), settings, LAPTOP, 3, store.runs()).measured
    store.write_status(run, "finished")
    found = forecast.forecast(model, rows(20), settings, LAPTOP, 3, store.runs())
    assert found.measured and found.tokens_per_second == 500
    assert not forecast.forecast(model, rows(20), settings.changed(micro_batch=8), LAPTOP, 3, store.runs()).measured


def test_what_does_not_fit_is_said_with_settings_that_do(model):
    small = Machine((), 2, 1 << 30, 800_000_000, 1 << 40)
    settings = TrainingSettings(micro_batch=64, max_source_length=512, max_target_length=512)
    found = forecast.forecast(model, rows(200, 600), settings, small, 3)
    assert not found.fits and found.advice is not None and found.advice.settings.micro_batch < 64
    assert 0 < found.largest_batch < 64 and found.advice.settings.micro_batch <= found.largest_batch
    assert f"每批最多 {found.largest_batch} 条" in forecast_notes.fits_on(found)
    assert found.gpus, "a consumer card has room for a model this small"


@pytest.mark.parametrize(("asked", "counted"), [(4, 256), (256, 256), (1024, 1024)])
def test_a_batch_that_fits_is_never_called_smaller_than_the_one_asked_for(model, asked, counted):
    settings = TrainingSettings(micro_batch=asked, max_source_length=8, max_target_length=8)
    found = forecast.forecast(model, rows(20), settings, GPU, 3)
    assert found.fits and f"每批 {counted} 条也放得下" in forecast_notes.fits_on(found)
    assert {one.largest_batch for one in forecast.by_gpu(found)} == {counted}


def test_hours_without_a_card_are_told_and_a_run_of_minutes_offered(model):
    long = forecast.forecast(model, rows(2400), PRESETS["advertisement"], LAPTOP, 3)
    assert long.seconds > forecast.LONG_RUN_SECONDS
    assert [warning.key for warning in long.plan.warnings] == ["guard.long"] and "300" not in str(long.plan.warnings[0])
    short = forecast.forecast(model, rows(2400), long.plan.better, LAPTOP, 3)
    assert (
        not short.plan.warnings and 0.7 * forecast.SHORT_RUN_SECONDS < short.seconds < 1.1 * forecast.SHORT_RUN_SECONDS
    )
    assert not forecast.forecast(model, rows(2400), PRESETS["advertisement"], GPU, 3).plan.warnings


def test_where_minutes_are_not_enough_no_shorter_run_is_offered(model):
    config = json.loads((model / "config.json").read_text()) | {
        "hidden_size": 4096,
        "inner_hidden_size": 16384,
        "num_layers": 28,
    }
    (model / "config.json").write_text(json.dumps(config))
    found = forecast.forecast(model, rows(2400), PRESETS["advertisement"], LAPTOP, 3).plan
    assert [warning.key for warning in found.warnings] == ["guard.no_card"] and found.better is None


def test_rows_are_cut_by_the_limits_for_the_time_and_counted_whole_for_the_memory():
    mean, longest = forecast.row_tokens(rows(4, 1000), TrainingSettings(max_source_length=10, max_target_length=10))
    assert mean == 20 + forecast.CONTROL_TOKENS
    assert longest == 2000 + forecast.CONTROL_TOKENS


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_every_card_is_told_the_batch_that_fits_on_it(tmp_path, quantization):
    (tmp_path / "config.json").write_text(json.dumps(published.find("chatglm-6b").described))
    settings = PRESETS["advertisement"].changed(method="lora", quantization=quantization)
    found = forecast.forecast(tmp_path, rows(100, 60), settings, LAPTOP, 3)
    fits = forecast.by_gpu(found)
    assert [one.name for one in fits] == list(memory_advice.CONSUMER_GPUS)
    for one in fits:
        assert (one.largest_batch >= settings.micro_batch) == (one.name in found.gpus), one
    batches = [one.largest_batch for one in fits]
    assert batches == sorted(batches) and batches[-1] > batches[0]
