"""Names that are made of a run, and lengths of time."""

import pytest

from glm_core.runs import store
from glm_core.runs.labels import forecast_notes, run_names
from glm_core.training.settings import TrainingSettings
from tests.runs.conftest import make


@pytest.mark.parametrize(
    ("seconds", "said"), [(2, "5 秒"), (43, "45 秒"), (131, "2 分 10 秒"), (3320, "55 分"), (90_000, "1 天 1 小时")]
)
def test_an_estimate_is_no_more_exact_than_it_can_be(seconds, said):
    assert forecast_notes.roughly(seconds) == said


def test_a_new_run_is_named_by_its_data_and_by_what_sets_it_apart():
    settings = TrainingSettings()
    assert run_names.propose_name("店铺问答", "tiny", settings, store.runs()) == "店铺问答"
    first = make("店铺问答")
    store.change(first, settings=settings.to_dict())
    named = [
        run_names.propose_name("店铺问答", model, one, store.runs())
        for model, one in (
            ("tiny", settings.changed(epochs=40)),
            ("tiny", settings.changed(learning_rate=5e-4)),
            ("tiny", settings.changed(method="ptuning")),
            ("large", settings),
            ("tiny", settings),
        )
    ]
    assert named == [
        "店铺问答 · 40 轮",
        "店铺问答 · 学习率 0.0005",
        "店铺问答 · P-Tuning v2",
        "店铺问答 · large",
        "店铺问答 · 2",
    ]
    store.change(make("店铺问答 · 40 轮"), settings=settings.changed(epochs=40).to_dict())
    assert run_names.propose_name("店铺问答", "tiny", settings.changed(epochs=40), store.runs()) == "店铺问答 · 2"


def test_a_file_to_take_away_is_named_as_people_call_it():
    assert run_names.file_name(make("店铺问答 · 40 轮 <x>/y"), 60, "zip") == "店铺问答 40 轮 x y-60.zip"
    assert run_names.file_name(run := make("///"), None, "zip") == f"{run.id}.zip"
