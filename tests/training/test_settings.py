"""One dataclass of settings is form, command line and record; it refuses what cannot be used."""

import argparse
import shlex
from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glm_core import i18n
from glm_core.training import settings as module
from glm_core.training.__main__ import build_parser
from glm_core.training.plan import plan
from glm_core.training.settings import PRESETS, SettingsError, TrainingSettings, preset


def parser():
    found = argparse.ArgumentParser()
    module.add_arguments(found)
    return found


def any_value(field):
    if field.metadata["choices"]:
        return st.sampled_from(field.metadata["choices"])
    low, high = field.metadata["minimum"], field.metadata["maximum"]
    match field.default:
        case bool():
            return st.booleans()
        case int():
            return st.just(0) if field.name == "early_stopping" else st.integers(low, high)
        case str():
            return st.sampled_from(["", "dense, query_key_value"])
    return st.floats(low, high)


def values():
    """Any valid value for every field, and no two that exclude each other."""
    chosen = st.fixed_dictionaries({field.name: any_value(field) for field in fields(TrainingSettings)})
    return chosen.map(lambda one: one | with_pissa(one) if one["pissa"] else one)


def with_pissa(record: dict) -> dict:
    """What a valid record with PiSSA has in place of its own."""
    limited = {name: min(record[name], high) for name, high in module.PISSA_LIMITS.items()}
    return limited | dict.fromkeys(module.PISSA_EXCLUDES, False)


@pytest.mark.parametrize(("name", "most"), module.PISSA_LIMITS.items())
def test_pissa_takes_no_more_than_a_run_that_goes_on_from_it_may_have(name, most):
    doubled = TrainingSettings(pissa=True, **{name: most}).changed(pissa=False, **{name: 2 * most})
    assert getattr(doubled, name) == 2 * most
    with pytest.raises(SettingsError) as refused:
        TrainingSettings(pissa=True, **{name: most + 1})
    assert refused.value.field == name
    assert TrainingSettings(method="ptuning", pissa=True, **{name: most + 1}).pissa


@given(values())
def test_record_and_command_line_give_the_settings_back(record):
    chosen = TrainingSettings(**record)
    assert TrainingSettings.from_dict(chosen.to_dict()) == chosen
    assert module.from_arguments(parser().parse_args(chosen.arguments())) == chosen


@pytest.mark.parametrize("method", ["lora", "ptuning"])
@pytest.mark.parametrize("name", PRESETS)
def test_presets_keep_the_published_figures_for_large_models_and_are_not_doubted_for_small_ones(name, method):
    assert preset(name, 6_000_000_000) == preset(name) == PRESETS[name]
    assert preset(name, method=method).method == method
    small = plan(2400, preset(name, 19_000_000, method), parameters=19_000_000)
    assert not {one.key for one in small.warnings} & {"guard.rate_high", "guard.rate_low"}


def test_the_domain_job_sees_its_rows_often_enough_to_be_learnt_by_a_small_model():
    rows = 384
    large, small = (plan(rows, preset("domain", parameters)) for parameters in (7_000_000_000, 8_400_000))
    assert large.updates == 69 and small.updates > 5 * large.updates and small.warnings == ()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_their_command_works(name):
    line = shlex.split(PRESETS[name].command("模型 一", "d.jsonl", "out"))
    assert line[:3] == ["python", "-m", "glm_core.training"] and line[4] == "模型 一"
    assert module.from_arguments(parser().parse_args(line[9:])) == PRESETS[name]


def test_the_command_asks_the_pinned_questions_whatever_is_in_them():
    asked = ["你是谁？", "-1 + 2 是多少？", "a 'b' $HOME"]
    line = shlex.split(PRESETS["domain"].command("m", "d.jsonl", "out", asked))
    given = build_parser().parse_args(line[3:])
    assert given.question == asked and module.from_arguments(given) == PRESETS["domain"]


def test_seed_figures_of_the_advertisement_job_are_the_official_ones():
    preset = PRESETS["advertisement"]
    assert (preset.method, preset.prefix_length, preset.learning_rate, preset.max_steps) == ("ptuning", 128, 2e-2, 3000)
    assert preset.rows_per_update == 16 and (preset.max_source_length, preset.max_target_length) == (64, 64)


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": "3"}, "epochs"),
        ({"epochs": 2.5}, "epochs"),
        ({"epochs": True}, "epochs"),
        ({"rslora": 1}, "rslora"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"learning_rate": 2}, "learning_rate"),
        ({"method": "full"}, "method"),
        ({"method": None}, "method"),
        ({"early_stopping": 3}, "early_stopping"),
        ({"pissa": True, "dora": True}, "pissa"),
        ({"learning_rat": 1e-3}, "learning_rat"),
    ],
)
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_bad_value_is_named_in_a_sentence(record, field, language):
    i18n.use(language)
    with pytest.raises(SettingsError) as caught:
        TrainingSettings.from_dict(record)
    assert caught.value.field == field and len(str(caught.value)) > 10
    i18n.use("zh")


def test_whole_numbers_stand_for_either_kind():
    assert TrainingSettings.from_dict({"epochs": 3.0, "lora_dropout": 0}) == TrainingSettings(
        epochs=3, lora_dropout=0.0
    )


def test_settings_cannot_be_changed_in_place():
    with pytest.raises(FrozenInstanceError):
        TrainingSettings().epochs = 3


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_every_field_has_its_words_in_both_languages(language):
    i18n.use(language)
    for field in fields(TrainingSettings):
        assert module.label(field.name) and module.describe(field.name)
        for choice in field.metadata["choices"]:
            assert module.choice_label(field.name, choice)
    help_text = parser().format_help()
    assert all(f"--{field.name.replace('_', '-')}" in help_text for field in fields(TrainingSettings))
    i18n.use("zh")
