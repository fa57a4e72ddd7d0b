"""The accounts page changes what its reader chose, and nothing that somebody else has changed meanwhile."""

import pytest
from streamlit.elements.lib import policies

from glm_core import i18n, ui
from glm_core.auth import accounts, api_keys, options
from glm_core.markdown import literal
from tests.pages.test_training import open_page

PASSWORD = "correct horse"


@pytest.fixture
def colleague(monkeypatch):
    """A trainer, on the page of an administrator."""
    boss = accounts.create("boss", PASSWORD, "administrator")
    monkeypatch.setattr(ui, "visitor", lambda: boss)
    return accounts.create("xiao-li", PASSWORD, "trainer", by="boss")


def role():
    return next(one.role for one in accounts.accounts() if one.name == "xiao-li")


def chooser(app):
    return next(one for one in app.selectbox if one.key.startswith("role-2"))


def test_a_chosen_role_outlives_another_language(colleague):
    app = open_page("accounts")
    assert chooser(app).value == "trainer"
    chooser(app).set_value("guest").run()
    app.button_group(key="lang").set_value("en").run()
    sent = chooser(app).proto
    assert not app.exception and role() == "trainer"
    assert sent.set_value and sent.raw_value.startswith(i18n.table("en")["role.guest"])


def test_a_chosen_role_is_kept_on_saving(colleague):
    app = open_page("accounts")
    chooser(app).set_value("guest")
    app.button(key="save-2").click().run()
    assert not app.exception and role() == chooser(app).value == "guest"


def test_a_new_password_does_not_take_back_the_role_that_somebody_else_has_given(colleague):
    app = open_page("accounts")
    accounts.set_role(colleague, "guest", by="other")
    app.text_input(key="password-2").set_value(PASSWORD + "s")
    app.button(key="save-2").click().run()
    assert not app.exception and not app.error
    assert accounts.check("xiao-li", PASSWORD + "s") and role() == "guest"


def test_a_new_password_and_a_lower_role_say_that_they_delete_the_keys_and_do(colleague):
    app = open_page("accounts")
    said = i18n.t("accounts.keys_go", count=1)
    assert said not in [one.value for one in app.caption]
    for change in (
        lambda: app.text_input(key="password-2").set_value(PASSWORD + "s"),
        lambda: chooser(app).set_value("guest"),
    ):
        api_keys.create(colleague, "script")
        app.run()
        assert said in [one.value for one in app.caption]
        change()
        app.button(key="save-2").click().run()
        assert not app.exception and not api_keys.keys(colleague)
        assert [one.value for one in app.toast] == [i18n.t("accounts.keys_deleted", count=1, name=literal("xiao-li"))]


@pytest.mark.parametrize("ticked", [False, True])
def test_ones_own_new_password_deletes_the_keys_where_that_is_ticked(colleague, ticked):
    boss = accounts.named("boss")
    assert "own-keys" not in [one.key for one in open_page("accounts").checkbox]
    for _ in "12":
        api_keys.create(boss, "script")
    app = open_page("accounts")
    box = app.checkbox(key="own-keys")
    assert box.label == i18n.t("accounts.delete_keys", count=2) and not box.value
    box.set_value(ticked)
    for key, value in (("own-old", PASSWORD), ("own-new", PASSWORD + "s"), ("own-again", PASSWORD + "s")):
        app.text_input(key=key).set_value(value)
    next(one for one in app.button if one.label == i18n.t("accounts.change_password")).click().run()
    assert accounts.check("boss", PASSWORD + "s") and len(api_keys.keys(boss)) == (0 if ticked else 2)


def test_streamlit_finds_nothing_to_warn_of(colleague, monkeypatch):
    monkeypatch.setattr(policies, "_shown_default_value_warning", False)
    app = open_page("accounts").run()
    assert not app.exception and not policies._shown_default_value_warning


def test_the_log_names_who_and_what_in_words():
    for option, value in (("share", "on"), ("guest_runs", "[]")):
        options.set_option(option, value, by=accounts.LOCAL_NAME)
    app = open_page("accounts")
    [log] = [one.value for one in app.dataframe]
    assert not app.exception
    assert set(log[i18n.t("accounts.audit.who")]) == {i18n.t("role.local")}
    assert list(log[i18n.t("accounts.audit.target")]) == [i18n.t("accounts.audit.none"), i18n.t("accounts.audit.on")]
