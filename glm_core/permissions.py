"""Rights asked in the functions that act, beneath the pages: a button that should not have been drawn changes nothing.

On a page the actor is its reader (`ui` tells who that is). The command line, a job in the background and the server itself act for the
program and are refused nothing. An act that is allowed may do what it consists of without being asked again.
"""

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, Protocol, TypeVar

from glm_core.errors import EasyError

P = ParamSpec("P")
R = TypeVar("R")


class PermissionRefused(EasyError):
    """The reader of a page may not do this: the role is too low, it belongs to somebody else, or the session has ended."""


class Actor(Protocol):
    """The person who acts, as `auth.accounts.Account`."""

    @property
    def folder(self) -> str:
        """The name under which they own things."""
        ...

    def may(self, role: str) -> bool:
        """Return True where they have the rights of `role`."""
        ...


class _Fixed:
    """An actor who may do everything, or nothing."""

    folder = ""

    def __init__(self, allowed: bool):
        self._allowed = allowed

    def may(self, role: str) -> bool:
        return self._allowed


PROGRAM: Actor = _Fixed(True)
NOBODY: Actor = _Fixed(False)
"The reader of a page whose session has ended."
_find_actor: Callable[[], Actor] = lambda: PROGRAM  # noqa: E731 - replaced by `follow`
_thread = threading.local()  # not a context variable: tasks that an act begins would inherit its permission


def follow(find: Callable[[], Actor]) -> Callable[[], Actor]:
    """Ask `find` from now on who acts; returns what was asked until now."""
    global _find_actor
    before, _find_actor = _find_actor, find
    return before


def needs(role: str, owner: Callable[..., str] | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for functions that need the rights of `role`.

    Args:
        owner: gives, of the function's arguments, the folder of the account whose thing is changed; others than that account and
            administrators are refused.

    The decorated function raises PermissionRefused before it does anything.
    """

    def decorate(act: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(act)
        def allowed(*arguments: P.args, **options: P.kwargs) -> R:
            if getattr(_thread, "acting", False):
                return act(*arguments, **options)
            actor = _find_actor()
            if not actor.may(role):
                raise PermissionRefused("security.role")
            if owner is not None and not actor.may("administrator"):
                if owner(*arguments, **options) != actor.folder:
                    raise PermissionRefused("security.not_yours")
            _thread.acting = True
            try:
                return act(*arguments, **options)
            finally:
                _thread.acting = False

        allowed.__dict__["needed_role"] = role  # the tests look for it
        return allowed

    return decorate
