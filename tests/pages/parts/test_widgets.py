"""Fields for numbers say in the reader's language what they take, and nothing begins with another number than the one typed."""

import pytest

from glm_core import i18n
from glm_core.data import library
from glm_core.data.examples import pair
from glm_core.runs import store
from pages.parts.widgets import number_range
from tests.pages.test_pages import open_page
from tests.pages.test_training import launcher, model  # noqa: F401


@pytest.mark.parametrize("language", i18n.LANGUAGES)
@pytest.mark.parametrize("typed", [0, 10_001, None])
def test_a_number_out_of_range_names_the_field_and_starts_nothing(language, typed):
    app = open_page("training", language)
    i18n.use(language)
    app.number_input(key="set_epochs").set_value(typed).run()
    assert not app.exception and app.number_input(key="set_epochs").value == typed
    label = i18n.t("settings.epochs.label")
    assert number_range(label, 1, 10_000) in [error.value for error in app.error]
    assert sum(label in error.value and "10000" in error.value for error in app.error) == 2, (
        "at the field, at the button"
    )
    assert not any(button.key == "start" for button in app.button) and not store.runs()
    app.number_input(key="set_epochs").set_value(3).run()
    assert not app.error and any(button.key == "start" for button in app.button)


def test_a_real_number_has_its_range_as_people_write_it():
    app = open_page("training")
    app.number_input(key="set_learning_rate").set_value(2.0).run()
    assert any("1e-07" in error.value and " 1 " in error.value for error in app.error)


def test_fewer_pages_than_before_begin_at_the_first_one():
    kept = library.add("a", [pair(f"问题{place}", "回答") for place in range(60)])
    app = open_page("datasets", set=kept.id)
    app.number_input[0].set_value(6).run()
    app.text_input(key=f"search-{kept.id}").set_value("问题1").run()
    assert not app.error and app.number_input[0].value == 1


def test_pages_of_rows_that_do_not_exist_show_the_first_one_and_say_so():
    app = open_page("datasets", set="advertisement")
    app.number_input[0].set_value(0).run()
    assert not app.exception and app.error and "1" in app.error[0].value
