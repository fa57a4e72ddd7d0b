"""Rights are asked in the functions that act: whatever a page draws, its reader changes no more than the role allows."""

import ast
import contextlib
import importlib
import pkgutil

import pytest

import glm_core
from glm_core import permissions
from glm_core.auth import accounts
from glm_core.auth.accounts import Account
from glm_core.auth.network.sharing import Sharing
from glm_core.chat import conversations
from glm_core.data import Example, library
from glm_core.drafting.jobs import DraftJobs
from glm_core.evaluation.blind_votes import Vote
from glm_core.evaluation.jobs import Reports
from glm_core.permissions import PermissionRefused
from glm_core.runs.launcher import Launcher
from glm_core.runs.run import Run
from glm_core.serving.engine import LocalEngine
from tests.paths import ROOT

PAGES = [*sorted((ROOT / "pages").rglob("*.py")), ROOT / "glm_core" / "ui.py", ROOT / "glm_core" / "page_frame.py"]
GUEST = Account(1, "g", "guest", "u-g")
TRAINER = Account(2, "t", "trainer", "u-t")
BOSS = Account(3, "b", "administrator", "u-b")
ROWS = [Example([{"role": "user", "content": "问"}, {"role": "assistant", "content": "答"}], 1)]
ACTS = frozenset(
    "add append cast claim clone close copy create decide discard edit forget hand import keep mark promote publish remove rename "
    "replace restore resume revoke save set split start stop submit unload verify write".split()
)
"First words of the names of functions that change something."
NOT_ASKED = {
    "glm_core.auth.languages.keep": "the reader's own language, whatever the role",
    "glm_core.data.documents.sources.mark_of": "a digest",
    "glm_core.ui.keep_widget": "the page's own state",
    "glm_core.runs.run.Run.split": "reads",
    "glm_core.runs.launcher.Launcher.claim": "only begins to watch",
    "glm_core.serving.engine.LocalEngine.submit": "asks a model, which guests may; models that they may not ask are not in their list",
}
HELD = {
    "launcher": Launcher,
    "drafting": DraftJobs,
    "reports": Reports,
    "sharing": Sharing,
    "engine": LocalEngine,
    "run": Run,
    "vote": Vote,
}
"What pages hold: a call of `state.launcher()`, or a variable of that name."


@pytest.fixture
def as_reader():
    """Let somebody act."""
    before = permissions.follow(lambda: permissions.PROGRAM)
    yield lambda actor: permissions.follow(lambda: actor)
    permissions.follow(before)


def guarded_functions():
    """Every function of the program, methods too, that asks who acts: its name, itself."""
    for module in pkgutil.walk_packages(glm_core.__path__, "glm_core."):
        if module.name.endswith("__main__") or module.name.split(".")[1] in ("models", "generation", "training"):
            continue  # which a page never asks to change something
        loaded = importlib.import_module(module.name)
        holders = [loaded, *(one for one in vars(loaded).values() if isinstance(one, type))]
        for holder in holders:
            for name, value in vars(holder).items():
                if getattr(value, "__module__", "") == module.name and hasattr(value, "needed_role"):
                    yield f"{module.name}.{name}", value


def test_nobody_a_guest_and_a_trainer_are_refused_before_anything_is_done(as_reader):
    found = dict(guarded_functions())
    assert len(found) > 50
    for reader in (permissions.NOBODY, GUEST, TRAINER):
        as_reader(reader)
        for name, act in found.items():
            if not reader.may(act.needed_role):
                with pytest.raises(PermissionRefused):
                    act()  # refused before it misses its arguments
                assert act.needed_role in accounts.ROLES, name


def acts_in(source: str):
    """Functions and methods that a page calls, and that change something by their names: name, function."""
    tree, modules = ast.parse(source), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("glm_core"):
            modules |= {one.asname or one.name: f"{node.module}.{one.name}" for one in node.names}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr.split("_")[0] not in ACTS:
            continue
        holder = ast.unparse(node.value).removeprefix("state.").removesuffix("()")
        if holder in modules:
            with contextlib.suppress(ImportError):  # a class or a function of a module
                yield f"{modules[holder]}.{node.attr}", getattr(importlib.import_module(modules[holder]), node.attr)
        elif holder in HELD and hasattr(HELD[holder], node.attr):
            kind = HELD[holder]
            yield f"{kind.__module__}.{kind.__name__}.{node.attr}", getattr(kind, node.attr)


def unasked(source: str) -> set[str]:
    return {name for name, act in acts_in(source) if callable(act) and not hasattr(act, "needed_role")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_everything_that_pages_do_asks_for_a_role(page):
    assert unasked(page.read_text(encoding="utf-8")) - set(NOT_ASKED) == set()


def test_what_does_not_ask_is_found():
    assert unasked("from glm_core.data.documents import sources\nsources.add('a', {})") == {
        "glm_core.data.documents.sources.add"
    }
    assert unasked("state.launcher().claim()") == {"glm_core.runs.launcher.Launcher.claim"}


def test_the_program_is_refused_nothing_and_an_act_may_do_what_it_consists_of(workspace, as_reader):
    kept = library.add("一", ROWS)
    as_reader(TRAINER)
    assert library.copy(kept.id).rows == 1
    as_reader(GUEST)
    with pytest.raises(PermissionRefused) as caught:
        library.remove(kept.id)
    assert caught.value.key == "security.role" and library.get(kept.id) == kept


def test_what_belongs_to_somebody_else_is_left_alone_except_by_administrators(workspace, as_reader):
    made = conversations.Conversation("u-t", "c1")
    made.ask("你好")
    made.save()
    other = Account(4, "o", "trainer", "u-o")
    as_reader(other)
    for act in (made.remove, made.save, lambda: conversations.get("u-t", "c1")):
        with pytest.raises(PermissionRefused) as caught:
            act()
        assert caught.value.key == "security.not_yours"
    as_reader(TRAINER)
    assert conversations.get("u-t", "c1") is not None
    as_reader(BOSS)
    made.remove()
    as_reader(TRAINER)
    assert conversations.get("u-t", "c1") is None
