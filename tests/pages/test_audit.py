"""Whatever a page changes is in the audit log: every action in the pages' source is written down in the function that does it."""

import ast
import re

import pytest

from glm_core.auth import accounts, api_keys, audit, sessions
from glm_core.chat import guests
from tests.paths import ROOT

PASSWORD = "correct horse"
SOURCES = sorted((ROOT / "pages").rglob("*.py"))
CHANGING = re.compile(
    r"(add|remove|rename|annotate|replace|split|copy|keep|start|stop|resume|discard|submit|create|again|cast|set|edit|import"
    r"|promote|publish|unload|load|cancel|revoke|close|delete|merge|vote|tidy|clear|revise|go_on|ask|forget)(_\w+)?"
)
"How the program calls what changes something."
THINGS = {"run", "copy", "conversation", "one", "job", "vote", "chosen"}
"Local names of what can be changed; besides these, everything imported from glm_core."
WRITE_THEMSELVES = {"accounts", "api_keys", "guests", "sessions", "shared"}
"Their functions are told who does it (`by`) and note it in the same transaction; proved below."
NO_CHANGE = {
    "conversation.ask": "the reader's own words, kept where only they see them",
    "conversation.again": "as above",
    "conversation.revise": "as above",
    "conversation.go_on": "as above",
    "state.engine().submit": "a question",
    "models.load_tokenizer": "reads",
    "drafts.forget_answers": "the model is asked again, which is noted",
    "xlsx_job.start": "a file to download; the set stays as it is",
    "export.forget": "a message is put away",
    "load_job.forget": "a message is put away",
    "calibration.forget": "the owner's own marks on a report",
    "figures.tidy": "sorts rows of numbers",
    "run.split": "reads which rows were used",
    "ui.keep_widget": "the state of a widget on the reader's own page",
    "state.sharing().start": "told who does it, notes it itself (tests/auth/network/test_sharing.py)",
}


def imported(tree: ast.AST) -> set[str]:
    """The names under which a page has something of glm_core."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glm_core")
        for alias in node.names
    }


def actions(function: ast.AST, known: set[str]) -> set[str]:
    """What `function` changes, called or given to a button: `library.remove`, `run.rename` ..."""
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Attribute) and CHANGING.fullmatch(node.attr):
            said = ast.unparse(node)
            root = re.match(r"\w+", said)
            if root and root.group() in known | THINGS and not re.fullmatch(r"\w+\.session_state\..*", said):
                found.add(said)
    return {one for one in found if one not in NO_CHANGE and one.split(".")[0] not in WRITE_THEMSELVES}


def notes(function: ast.AST) -> bool:
    """Whether `function` writes into the audit log."""
    named = (ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Attribute))
    return any(name in ("ui.note", "ui.run_audited") for name in named)


def places(source) -> list[tuple[str, ast.AST]]:
    """The functions of a page, and what it does outside of them."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    rest = [node for node in tree.body if node not in functions and not isinstance(node, ast.Import | ast.ImportFrom)]
    return [(one.name, one) for one in functions] + [("", ast.Module(rest, []))]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_every_action_of_a_page_is_noted(source):
    known = imported(ast.parse(source.read_text(encoding="utf-8")))
    silent = {
        name: sorted(found) for name, place in places(source) if (found := actions(place, known)) and not notes(place)
    }
    assert silent == {}


def test_the_search_finds_the_actions_there_are():
    found = set()
    for source in SOURCES:
        known = imported(ast.parse(source.read_text(encoding="utf-8")))
        found |= {one for _name, place in places(source) for one in actions(place, known)}
    assert {
        "library.remove",
        "library.split",
        "library.copy",
        "library.keep_imprint",
        "feedback.keep",
        "run.remove",
        "state.launcher().stop",
        "state.reports().start",
        "local_models.remove",
        "export.start_export",
        "blind_votes.cast",
        "download_job.discard",
        "conversation.remove",
        "conversation.vote",
        "job.cancel",
    } <= found


def test_what_changes_accounts_keys_and_guests_notes_it_itself():
    boss = accounts.create("boss", PASSWORD, "administrator")
    other = accounts.create("other", PASSWORD, "trainer", by="boss")
    accounts.set_password(other, PASSWORD + "s", by="boss")
    accounts.set_role(other, "guest", by="boss")
    sessions.close_sessions(other, by="boss")
    sessions.close_session(sessions.open_session(boss))
    accounts.remove(other, by="boss")
    accounts.set_open_guest(True, by="boss")
    accounts.set_open_guest(False, by="boss")
    key, _secret = api_keys.create(boss, "script", 10)
    api_keys.revoke(boss, key.id)
    guests.publish(["run-1"], by="boss")
    guests.set_days(3, by="boss")
    assert [(row["who"], row["action"]) for row in reversed(audit.entries())] == [
        ("boss", f"audit.{action}")
        for action in (
            "account.create",
            "account.create",
            "account.password",
            "account.role",
            "session.close_all",
            "session.open",
            "session.close",
            "account.remove",
            "guest.on",
            "guest.off",
            "key.create",
            "key.revoke",
            "option.guest_runs",
            "option.guest_days",
        )
    ]


def test_closing_a_session_that_is_none_notes_nothing():
    accounts.create("boss", PASSWORD, "administrator")
    sessions.close_session("forged")
    assert [row["action"] for row in audit.entries()] == ["audit.account.create"]
