"""Callbacks and fragments run without the page: each asks for the reader's rights again, and none is left without."""

import ast

import pytest
from streamlit.testing.v1 import AppTest

from tests.paths import ROOT

PAGES = sorted((ROOT / "pages").rglob("*.py"))
CALLBACKS = {"on_click", "on_change", "on_dismiss", "on_submit"}
WORDS = {"ignore", "rerun"}


def unchecked(source: str) -> list[int]:
    """The lines of a page where Streamlit would run something without asking who wants it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        values = []
        if isinstance(node, ast.Call):
            values = [word.value for word in node.keywords if word.arg in CALLBACKS]
            if ast.unparse(node.func) in ("st.fragment", "st.dialog", "st.experimental_fragment"):
                found.append(node.lineno)
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            values = [value for key, value in pairs if isinstance(key, ast.Constant) and key.value in CALLBACKS]
        for value in values:
            if isinstance(value, ast.Constant) and value.value in WORDS | {None}:
                continue
            if not (isinstance(value, ast.Call) and ast.unparse(value.func) == "ui.checked"):
                found.append(value.lineno)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_callback_and_fragment_asks_again(page):
    assert unchecked(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line", ["st.button('x', on_click=act)", "more = {'on_change': lambda: 1}", "st.fragment(draw, run_every=1)()"]
)
def test_what_does_not_ask_is_found(line):
    assert unchecked(line) == [1]


def script():
    import streamlit as st

    from glm_core import ui

    st.session_state.setdefault(ui.BEGUN, ("local", "trainer"))

    def act():
        st.session_state.acted = True

    st.button("go", on_click=ui.checked(act), key="go")


@pytest.mark.parametrize(("folder", "role", "acts"), [("local", "trainer", True), ("u-other", "trainer", False)])
def test_a_callback_of_a_page_drawn_for_somebody_else_does_nothing(folder, role, acts):
    page = AppTest.from_function(script).run()
    page.session_state["begun"] = (folder, role)
    page.button(key="go").click().run()
    assert ("acted" in page.session_state) is acts
    assert bool(page.exception) is not acts
