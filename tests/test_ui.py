"""What every page leans on: errors become sentences, moments and machines are said as people say them."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from glm_core import i18n, ui
from glm_core.errors import EasyError
from glm_core.machine.machine import Gpu, Machine, sentence
from pages.parts import widgets
from tests.paths import ROOT


def test_a_users_error_is_its_sentence_and_the_page_goes_on():
    def page():
        import streamlit as st

        from glm_core import ui
        from glm_core.workspace import WorkspaceError

        with ui.guarded():
            raise WorkspaceError("workspace.bad_name", name="a/b")
        st.write("after")

    app = AppTest.from_function(page).run()
    assert not app.exception
    assert app.error[0].value == str(EasyError("workspace.bad_name", name="a/b"))
    assert app.markdown[0].value == "after"


def test_a_defect_shows_a_number_that_the_log_has_too(caplog):
    def page():
        from glm_core import ui

        with ui.guarded():
            raise ZeroDivisionError("secret /path")

    app = AppTest.from_function(page).run()
    number = re.search(r"[0-9a-f]{6}", app.error[0].value).group()
    assert "secret" not in app.error[0].value
    assert number in caplog.text and "secret /path" in caplog.text


def test_stopping_a_page_is_no_error():
    def page():
        import streamlit as st

        from glm_core import ui

        with ui.guarded():
            st.stop()

    app = AppTest.from_function(page).run()
    assert not app.error and not app.exception


def test_begin_knows_only_registered_pages():
    assert ui.begin("home").name == "local"
    with pytest.raises(ValueError, match="nowhere"):
        ui.begin("nowhere")


def test_says_what_the_machine_has():
    i18n.use("en")
    gpu = Gpu(0, "NVIDIA GeForce RTX 4090", memory_used=2_000_000_000, memory_total=24_000_000_000)
    assert "RTX 4090: 22 GB of 24 GB" in sentence(Machine((gpu,), 16, 1, 1, 1))
    assert "2 cores" in sentence(Machine((), 2, 24_000_000_000, 20_000_000_000, 1))


@pytest.mark.parametrize("state", widgets.STATE_COLOURS)
def test_every_state_of_a_run_has_a_word(state):
    assert i18n.table("zh")[f"ui.state.{state}"] in widgets.state_badge(state)


def test_every_page_file_exists_and_asks_who_is_there():
    for entry in ui.PAGES:
        source = entry.file.read_text(encoding="utf-8")
        assert f'ui.begin("{entry.name}")' in source


def test_a_session_that_somebody_else_takes_over_knows_nothing_any_more():
    app = AppTest.from_file(str(ROOT / "glm_core" / "page_frame.py"), default_timeout=60).run()
    app.session_state["talk"] = "secret"
    assert "talk" in app.run().session_state
    app.session_state["whose"] = "u-somebody"
    assert "talk" not in app.run().session_state and not app.exception
