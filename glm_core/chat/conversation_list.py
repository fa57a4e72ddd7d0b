"""The kept conversations of a person as a list: searched, newest first, and those of visits deleted after their days."""

import contextlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.auth.sessions import VISITORS
from glm_core.chat.conversations import Conversation, folder, get, read_file, shared_path
from glm_core.permissions import needs

DAY = 86_400


@dataclass(frozen=True)
class Listed:
    """A kept conversation as a list shows it."""

    user: str
    id: str
    title: str
    updated: float

    @property
    def name(self) -> str:
        """The title, or a word for a conversation without one."""
        return self.title or i18n.t("chat.new")

    @property
    def shared(self) -> bool:
        """Return whether others see it by a link."""
        return shared_path(self.user, self.id).is_file()

    def open(self) -> Conversation | None:
        """The conversation itself; None where it has been deleted meanwhile."""
        return get(self.user, self.id)


_listed: workspace.FileCache[Listed | None] = workspace.FileCache(40_000)


@needs("guest", owner=lambda user, *_, **__: user)
def conversations(user: str, search: str = "") -> list[Listed]:
    """All conversations of `user` in which `search` occurs, the latest first; each file is read once until it changes."""
    try:
        paths = [entry.path for entry in os.scandir(folder(user)) if _is_file(entry)]
    except FileNotFoundError:
        return []
    wanted = search.strip().lower()
    listed = ((path, one) for path in paths if (one := _list(path, user)) is not None)
    found = [
        one for path, one in listed if wanted in one.name.lower() or (_may_hold(path, wanted) and _holds(one, wanted))
    ]
    return sorted(found, key=lambda one: one.updated, reverse=True)


def _is_file(entry: os.DirEntry) -> bool:
    return entry.name.endswith(".json") and not entry.name.startswith(".")


def _list(path: str, user: str) -> Listed | None:
    def read(_) -> Listed | None:
        conversation = read_file(Path(path), user)
        return (
            None
            if conversation is None
            else Listed(user, conversation.id, conversation.shown_title, conversation.updated)
        )

    try:
        return _listed.get(path, read)
    except OSError:
        return None


def _may_hold(path: str, wanted: str) -> bool:
    """Look for `wanted` in the text of the file, which is cheaper than to read every conversation."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return json.dumps(wanted, ensure_ascii=False)[1:-1] in file.read().lower()
    except OSError:
        return False


def _holds(one: Listed, wanted: str) -> bool:
    conversation = one.open()
    return conversation is not None and wanted in _searchable(conversation)


def clear_visits(days: float) -> int:
    """Delete what guests without an account said more than `days` ago; they cannot come back to it. Returns how many."""
    gone, oldest = 0, time.time() - days * DAY
    for folder_of_one in (workspace.home() / "chats").glob(f"{VISITORS}*"):
        for path in folder_of_one.glob("*.json"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()
                    gone += 1
        with contextlib.suppress(OSError):  # not empty yet
            folder_of_one.rmdir()
    return gone


def _searchable(one: Conversation) -> str:
    return "\n".join(message["content"] for message in one.messages).lower()
