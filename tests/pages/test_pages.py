"""Every page opens from the router, in both languages, in an empty workspace, without an error and with one primary button at most."""

import pytest
from streamlit.testing.v1 import AppTest

from glm_core import i18n, ui
from tests.paths import ROOT

PAGES = [entry.name for entry in ui.PAGES if not entry.hidden]


def open_page(name: str, language: str = "zh", **query: str) -> AppTest:
    """The dashboard as somebody sees it who opens page `name` in `language`."""
    app = AppTest.from_file(str(ROOT / "glm_core" / "page_frame.py"), default_timeout=60)
    app.query_params["lang"] = i18n.NAMES[language]
    app.run()
    for key, value in query.items():
        app.query_params[key] = value
    return app.switch_page(str(ROOT / "pages" / f"{name}.py")).run()


@pytest.mark.parametrize("language", i18n.LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_opens(name, language):
    app = open_page(name, language)
    assert not app.exception, app.exception[0].value
    assert not app.error
    assert app.title, "a page says what it is"
    assert sum(button.proto.type == "primary" for button in app.button) <= 1
    i18n.use(language)
    assert i18n.t("home.headline" if name == "home" else f"page.{name}") == app.title[0].value


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_run_that_is_gone_leads_back_to_training(language):
    app = open_page("run", language, run="20200101-000000-none")
    assert not app.exception and not app.error
    i18n.use(language)
    assert i18n.t("run.unknown") in [one.value for one in app.markdown]


def test_the_switch_changes_every_word():
    app = open_page("home")
    assert app.button(key="try").label == i18n.table("zh")["home.try"]
    app.button_group(key="lang").set_value("en").run()
    assert app.button(key="try").label == i18n.table("en")["home.try"]
    assert app.title[0].value == i18n.table("en")["home.headline"]
