"""The arithmetic in words, and warnings whose better setting really is better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_core.runs.labels import forecast_notes
from glm_core.training.plan import count_validation, plan
from glm_core.training.settings import PRESETS, TrainingSettings, preset


def keys(found):
    return {one.key for one in found.warnings}


def test_imprint_says_its_arithmetic_and_raises_no_doubt():
    found = plan(60, PRESETS["imprint"])
    assert found.sentence == "(60 + 60) 条 × 8 轮 ÷ 8 = 120 步"
    assert found.updates == 120 and found.rehearsed == 60 and not found.warnings and found.better is None


def test_rows_that_are_held_out_are_about_as_many_in_every_line():
    found = plan(58, TrainingSettings(validation_ratio=0.5, micro_batch=4, accumulation=1, epochs=12, rehearsal=1.0))
    assert found.sentence == "约 (29 + 29) 条 × 12 轮 ÷ 4 ≈ 180 步"
    assert "约 29 条" in forecast_notes.plan_notes(found)[0]
    held = plan(58, TrainingSettings(validation_ratio=0.5, micro_batch=4, accumulation=1, max_steps=60))
    assert held.sentence == "60 步 × 4 条，大约 29 条，约看 7.5 轮"


def test_accumulation_processes_and_partial_batches_are_counted():
    found = plan(21, TrainingSettings(micro_batch=2, accumulation=3, processes=2, epochs=5))
    assert found.updates == 5 * 2  # 21 rows are 6 micro-batches of 4, in groups of 3
    assert "(2 × 3 × 2)" in found.sentence


def test_maximum_of_updates_gives_the_part_of_an_epoch():
    found = plan(115_000, PRESETS["advertisement"])
    assert found.updates == 3000 and found.epochs == pytest.approx(0.42, abs=0.01)
    assert "3,000" in found.sentence


def test_too_few_updates_are_doubted_and_the_better_setting_passes():
    found = plan(20, TrainingSettings(micro_batch=2, accumulation=8, epochs=3))
    assert found.updates == 6 and keys(found) == {"guard.few_updates"}
    assert not plan(20, found.better).warnings


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"learning_rate": 1e-6}, "guard.rate_low"),
        ({"learning_rate": 2e-2}, "guard.rate_high"),
        ({"epochs": 400}, "guard.overfit"),
        ({"method": "ptuning", "learning_rate": 2e-2}, "guard.prefix_small"),
    ],
)
def test_doubt_goes_away_with_its_better_setting(changes, key):
    found = plan(20, TrainingSettings(**changes))
    assert keys(found) == {key}
    assert not plan(20, found.better).warnings


def test_projection_at_the_official_rate_is_doubted():
    found = plan(5000, TrainingSettings(method="ptuning", prefix_projection=True, learning_rate=2e-2))
    assert keys(found) == {"guard.projection_rate"}


@pytest.mark.parametrize(("rate", "doubted"), [(0.15, False), (0.9, True)])
def test_a_rate_at_which_a_small_model_learns_nothing_is_doubted(rate, doubted):
    found = plan(
        2400, preset("advertisement", 19_000_000, "ptuning").changed(learning_rate=rate), parameters=19_000_000
    )
    assert ("guard.rate_high" in keys(found)) == doubted


def test_few_rows_are_said():
    assert "guard.few_rows" in keys(plan(3, TrainingSettings(epochs=50, micro_batch=1)))


def test_validation_rows_are_not_trained_on():
    settings = TrainingSettings(validation_ratio=0.2, micro_batch=1)
    assert count_validation(20, settings) == 4 and plan(20, settings).rows == 16
    assert count_validation(1, settings) == 0 and count_validation(2, settings) == 1


def test_tokens_follow_the_rows_seen():
    assert plan(20, TrainingSettings(epochs=12), mean_tokens=50).tokens == 20 * 12 * 50


@given(
    rows=st.integers(1, 5000),
    batch=st.integers(1, 64),
    spread=st.integers(1, 32),
    epochs=st.integers(1, 500),
    steps=st.integers(0, 2000),
)
def test_every_plan_can_be_said_and_bettered(rows, batch, spread, epochs, steps):
    found = plan(rows, TrainingSettings(micro_batch=batch, accumulation=spread, epochs=epochs, max_steps=steps))
    assert found.sentence and all(str(one) for one in found.warnings)
    assert found.better is None or found.better != found.settings or keys(found) == {"guard.few_rows"}
