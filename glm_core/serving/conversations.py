"""Conversations on disk, `chats/USER/ID.json` under home: what a refresh, a restart or another device must not lose.

One file a conversation, replaced whole. Not here: answering (see `engine.py`) and drawing (see `pages/chat.py`).
"""

import json
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from glm_core import text, workspace
from glm_core.serving.display import literal
from glm_core.serving.tickets import Stamp, Ticket

TITLE_LENGTH = 24
KEPT_FIELDS = ("role", "content")


@dataclass
class Conversation:
    """One thread of messages of one user.

    `messages` are `{"role", "content"}`, answers also with `stamp`, `usage`, `finish_reason`, `first_token_seconds`,
    `tokens_per_second` and `dropped_turns`. `unsaved` is why the last `save` could not write, "" where it did; not in the file.
    """

    user: str
    id: str = field(default_factory=workspace.new_id)
    title: str = ""
    model: str = ""
    sampling: dict = field(default_factory=dict)
    created: float = field(default_factory=time.time)
    updated: float = 0.0
    messages: list[dict] = field(default_factory=list)
    unsaved: str = field(default="", init=False, compare=False)

    @property
    def name(self) -> str:
        """The title, or the beginning of the first question, or a word for an empty conversation."""
        first = next((message["content"] for message in self.messages if message["role"] == "user"), "")
        line = " ".join(first.split())
        short = line[:TITLE_LENGTH] + ("…" if len(line) > TITLE_LENGTH else "")
        return self.title or short or text.say("chat.new")

    @property
    def path(self) -> Path:
        """Its file."""
        return workspace.inside(folder(self.user), f"{self.id}.json")

    def ask(self, question: str) -> None:
        """Add a question and the answer that is to grow after it, so that a refresh at any moment keeps both."""
        self.messages += [{"role": "user", "content": question}, {"role": "assistant", "content": ""}]

    def again(self) -> None:
        """Throw the last answer away, to be computed anew."""
        self.messages[-1] = {"role": "assistant", "content": ""}

    def revise(self, place: int, question: str) -> None:
        """Ask `question` instead of the one at `place`; what came after it goes."""
        del self.messages[place:]
        self.ask(question)

    def prompt(self) -> list[dict]:
        """What an engine is asked: everything before the last answer, without notes and without empty answers."""
        kept = (message for message in self.messages[:-1] if message["content"].strip())
        return [{key: message[key] for key in KEPT_FIELDS} for message in kept]

    def note(self, ticket: Ticket) -> None:
        """Write the ticket's text so far, and all that is known about it, into the last answer."""
        stamp = ticket.stamp
        self.messages[-1] = {
            "role": "assistant",
            "content": ticket.text,
            "finish_reason": ticket.finish_reason or ("cancelled" if ticket.cancelled else None),
            "usage": ticket.usage,
            "first_token_seconds": ticket.first_token_seconds,
            "tokens_per_second": ticket.tokens_per_second,
            "dropped_turns": ticket.dropped_turns,
            "stamp": None if stamp is None else stamp.to_dict(),
        }

    def save(self) -> None:
        """Write it whole; an empty conversation is not worth a file.

        A full or read-only disk does not end the conversation: `unsaved` then has the sentence to show.
        """
        if not self.messages:
            return
        self.updated = time.time()
        try:
            workspace.write_json(self.path, self._record())
        except OSError as error:
            self.unsaved = text.say("chat.unsaved", reason=error.strerror or str(error))
        else:
            self.unsaved = ""

    def _record(self) -> dict:
        record = asdict(self)
        del record["unsaved"]
        return record

    def remove(self) -> None:
        """Delete its file."""
        self.path.unlink(missing_ok=True)

    def to_markdown(self) -> str:
        """The thread as a readable document."""
        speakers = {role: text.say(f"chat.role.{role}") for role in ("system", "user", "assistant")}
        parts = [f"# {self.name}"]
        parts += [f"**{speakers[message['role']]}**\n\n{message['content']}" for message in self.messages]
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> str:
        """The thread as JSON, without its owner."""
        record = self._record()
        del record["user"]
        return json.dumps(record, ensure_ascii=False, indent=2)


def footnotes(message: dict) -> list[str]:
    """What is written under an answer, as Markdown lines: how it ended, how fast it was, what answered."""
    notes, figures = [], []
    if message.get("finish_reason") in ("length", "cancelled"):
        notes.append(text.say(f"chat.ended.{message['finish_reason']}"))
    if message.get("dropped_turns"):
        notes.append(text.say("chat.dropped", turns=message["dropped_turns"]))
    if message.get("first_token_seconds") is not None:
        figures.append(text.say("chat.first_token", seconds=message["first_token_seconds"]))
    if message.get("tokens_per_second"):
        tokens = message["usage"]["completion_tokens"]
        figures.append(text.say("chat.speed", tokens=tokens, speed=message["tokens_per_second"]))
    if message.get("stamp"):
        figures.append(literal(Stamp.from_dict(message["stamp"]).sentence()))
    return notes + ([" · ".join(figures)] if figures else [])


def folder(user: str) -> Path:
    """Where the conversations of `user` are."""
    return workspace.inside(workspace.home() / "chats", user)


def get(user: str, id: str) -> Conversation | None:
    """One conversation of `user`, None where there is none of that id or its file is damaged."""
    return _read(workspace.inside(folder(user), f"{id}.json"), user)


def conversations(user: str, search: str = "") -> list[Conversation]:
    """All conversations of `user` in which `search` occurs, the latest first."""
    found = (_read(path, user) for path in folder(user).glob("[!.]*.json"))
    wanted = search.strip().lower()
    kept = [one for one in found if one and (not wanted or wanted in _searchable(one))]
    return sorted(kept, key=lambda one: one.updated, reverse=True)


def _searchable(one: Conversation) -> str:
    return "\n".join([one.name, *(message["content"] for message in one.messages)]).lower()


def _read(path: Path, user: str) -> Conversation | None:
    """A conversation from its file. A file that somebody else damaged is passed over, never overwritten."""
    try:
        record = workspace.read_json(path)
    except (ValueError, OSError):
        return None
    if not isinstance(record, dict) or not _messages_whole(record.get("messages")):
        return None
    known = {one.name: record[one.name] for one in fields(Conversation) if one.init and one.name in record}
    return Conversation(**{**known, "user": user, "id": path.stem})


def _messages_whole(messages: object) -> bool:
    return isinstance(messages, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("content"), str)
        and one.get("role") in ("system", "user", "assistant")
        for one in messages
    )
