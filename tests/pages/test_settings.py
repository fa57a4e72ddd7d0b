"""Settings and accounts as each role sees them: sharing wants a password first, keys are shown once, pages keep guests out."""

from pathlib import Path

import pytest

from glm_core import i18n, state, ui
from glm_core.auth import accounts, api_keys, audit, sessions
from glm_core.auth.network.sharing import Sharing
from glm_core.chat import guests
from glm_core.serving.served_models import ServedModel
from pages.parts.widgets import number_range
from tests.pages.test_pages import open_page

PASSWORD = "correct horse"


@pytest.fixture
def sharing(monkeypatch):
    """The process' sharing, whose switch works without a server."""
    shared = Sharing()

    def start(by=""):
        shared.on = True

    def stop(by=""):
        shared.on = False

    monkeypatch.setattr(shared, "start", start)
    monkeypatch.setattr(shared, "stop", stop)
    monkeypatch.setattr(shared, "urls", lambda: ["http://192.168.1.2:8501", "http://10.0.0.2:8501"])
    monkeypatch.setattr(state, "sharing", lambda: shared)
    return shared


@pytest.fixture
def people(workspace):
    return {role: accounts.create(f"the-{role}", PASSWORD, role) for role in reversed(accounts.ROLES)}


@pytest.fixture
def signed_in(sharing, people, monkeypatch):
    """Make the browser somebody's: `signed_in("trainer")`."""

    def become(role):
        sharing.on = True
        monkeypatch.setattr(sessions, "session", lambda _token: people.get(role))
        return people.get(role)

    return become


def button(app, key):
    """The button with the label `key` of the Chinese table."""
    return next(one for one in app.button if one.label == i18n.table("zh")[key])


def words(app) -> str:
    return "\n".join(
        one.value for kind in (app.markdown, app.code, app.caption, app.error, app.success) for one in kind
    )


def test_sharing_makes_an_administrator_first(sharing):
    app = open_page("settings")
    app.text_input[0].set_value("boss")
    app.text_input[1].set_value(PASSWORD)
    app.text_input[2].set_value("something else")
    button(app, "settings.first_and_share").click().run()
    assert app.error and not sharing.on and not accounts.has_administrator()
    app.text_input[2].set_value("short")
    app.text_input[1].set_value("short")
    button(app, "settings.first_and_share").click().run()
    assert app.error and not sharing.on and not accounts.has_administrator()
    app.text_input[1].set_value(PASSWORD)
    app.text_input[2].set_value(PASSWORD)
    button(app, "settings.first_and_share").click().run()
    assert sharing.on and accounts.check("boss", PASSWORD).role == "administrator"


def test_an_administrator_sees_every_address_and_stops_sharing(sharing, signed_in):
    signed_in("administrator")
    app = open_page("settings")
    assert not app.exception and not app.error
    assert {"http://192.168.1.2:8501", "http://10.0.0.2:8501"} <= {one.value for one in app.code}
    app.button(key="unshare").click().run()
    assert not sharing.on


def test_a_trainer_sees_no_switch_and_no_folder(signed_in, workspace):
    signed_in("trainer")
    app = open_page("settings")
    assert not app.exception and not app.error
    assert str(workspace) not in words(app) and "10.0.0.2" not in words(app)
    assert any("http://192.168.1.2:8501/v1" in one.value for one in app.code), "the samples name the address that works"


def test_a_key_is_not_made_with_a_limit_that_it_cannot_have(signed_in):
    trainer = signed_in("trainer")
    app = open_page("settings")
    app.text_input[0].set_value("script")
    next(one for one in app.number_input if one.label == i18n.t("settings.key_limit")).set_value(0)
    button(app, "settings.key_make").click().run()
    assert not app.exception and not api_keys.keys(trainer)
    assert number_range(i18n.t("settings.key_limit"), *api_keys.LIMITS) in [error.value for error in app.error]


def test_a_key_is_shown_once_and_in_the_examples(signed_in):
    trainer = signed_in("trainer")
    app = open_page("settings")
    app.text_input[0].set_value("script")
    button(app, "settings.key_make").click().run()
    secret = next(one.value for one in app.code if one.value.startswith(api_keys.PREFIX))
    assert api_keys.find(secret)[1] == trainer
    assert sum(secret in one.value for one in app.code) == 3, "alone, in curl and in Python"
    app.run()
    assert secret not in words(app) and secret[-4:] in words(app)
    app.button(key=f"revoke-{api_keys.keys(trainer)[0].id}").click().run()
    assert api_keys.find(secret) is None


@pytest.mark.parametrize("name", [entry.name for entry in ui.PAGES])
@pytest.mark.parametrize("role", ["guest", "nobody"])
def test_pages_are_closed_to_those_they_are_not_for(signed_in, role, name):
    signed_in(role)
    app = open_page(name)
    assert not app.exception
    if role == "guest" and name in ("chat", "vote"):
        assert app.title and not app.error
    else:
        assert not app.title and not app.dataframe and not app.text_input
        assert bool(app.error) == (role == "guest")


@pytest.mark.parametrize("role", ["trainer", "administrator"])
def test_an_administrator_manages_accounts_and_a_trainer_their_own_password(signed_in, people, role):
    reader = signed_in(role)
    app = open_page("accounts")
    assert not app.exception and not app.error
    assert bool(app.dataframe) == bool(app.toggle) == (role == "administrator")
    app.text_input(key="own-old").set_value("wrong password")
    app.text_input(key="own-new").set_value("another password")
    app.text_input(key="own-again").set_value("another password")
    button(app, "accounts.change_password").click().run()
    assert app.error and accounts.check(reader.name, PASSWORD)
    app.text_input(key="own-old").set_value(PASSWORD)
    button(app, "accounts.change_password").click().run()
    assert accounts.check(reader.name, "another password") == reader


def test_adding_changing_and_removing_an_account(signed_in, people):
    signed_in("administrator")
    app = open_page("accounts")
    app.text_input(key="new-name").set_value("新人")
    app.text_input(key="new-password").set_value(PASSWORD)
    button(app, "accounts.create").click().run()
    added = accounts.check("新人", PASSWORD)
    assert added.role == "trainer"
    app.selectbox(key=f"role-{added.id}-trainer").set_value("guest").run()
    app.button(key=f"save-{added.id}").click().run()
    assert accounts.check("新人", PASSWORD).role == "guest"
    app.button(key=f"remove-{people['administrator'].id}").click().run()
    assert app.error and accounts.has_administrator()
    app.button(key=f"remove-{added.id}").click().run()
    assert accounts.check("新人", PASSWORD) is None
    assert {"audit.account.create", "audit.account.role", "audit.account.remove"} <= {
        one["action"] for one in audit.entries()
    }


def test_letting_guests_in_is_one_switch(signed_in):
    signed_in("administrator")
    app = open_page("accounts")
    app.toggle(key="open-guest").set_value(True).run()
    assert accounts.open_guest()
    app.toggle(key="open-guest").set_value(False).run()
    assert not accounts.open_guest()


def test_what_another_tab_has_changed_is_shown_and_not_undone(signed_in, monkeypatch):
    choices = [ServedModel(name, name, Path("tiny"), Path("a"), 60, 1.0) for name in ("run-1", "run-2")]
    monkeypatch.setattr("glm_core.serving.served_models.catalogue", lambda: choices)
    signed_in("administrator")
    accounts.set_open_guest(True)
    app = open_page("accounts")
    accounts.set_open_guest(False)
    guests.publish(["run-2"])
    guests.set_days(3)
    app.run()
    assert not app.exception and not accounts.open_guest() and guests.published() == {"run-2"} and guests.days() == 3
    shown = [app.toggle(key="open-guest"), app.multiselect(key="guest-runs"), app.number_input(key="guest-days")]
    assert [one.value for one in shown] == [False, ["run-2"], 3]
    app.toggle(key="open-guest").set_value(True).run()
    assert accounts.open_guest() and guests.published() == {"run-2"}


def test_what_guests_get_and_how_long_their_words_are_kept(signed_in, monkeypatch):
    choices = [
        ServedModel("tiny", "tiny", Path("tiny")),
        ServedModel("run-1", "作者训练", Path("tiny"), Path("a"), 60, 1.0),
    ]
    monkeypatch.setattr("glm_core.serving.served_models.catalogue", lambda: choices)
    boss = signed_in("administrator")
    app = open_page("accounts")
    assert app.multiselect(key="guest-runs").value == [] and app.number_input(key="guest-days").value == 7
    app.multiselect(key="guest-runs").set_value(["run-1"]).run()
    app.number_input(key="guest-days").set_value(30).run()
    assert not app.exception and guests.published() == {"run-1"} and guests.days() == 30
    again = open_page("accounts")
    assert again.multiselect(key="guest-runs").value == ["run-1"] and again.number_input(key="guest-days").value == 30
    noted = [(row["who"], row["action"], row["target"]) for row in audit.entries()[:2]]
    assert noted == [(boss.name, "audit.option.guest_days", "30"), (boss.name, "audit.option.guest_runs", '["run-1"]')]


def test_only_its_owner_and_an_administrator_change_a_run(signed_in, people):
    from glm_core.auth.accounts import AccountError

    signed_in("trainer")
    assert ui.owns(people["trainer"].folder) and not ui.owns(people["administrator"].folder) and not ui.owns("")
    with pytest.raises(AccountError):
        ui.must_own(people["administrator"].folder)
    signed_in("administrator")
    assert ui.owns(people["trainer"].folder)
    signed_in("nobody")
    assert not ui.owns("")


def test_the_audit_log_names_roles_in_the_readers_language(signed_in):
    people = signed_in("administrator")
    newcomer = accounts.create("x", PASSWORD, "trainer", by=people.name)
    accounts.set_role(newcomer, "guest", by=people.name)
    shown = list(open_page("accounts").dataframe[0].value.iloc[:, 3])
    assert shown[:2] == ["x: 训练者 → 访客", "x (训练者)"]
