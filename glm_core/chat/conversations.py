"""Conversations on disk, `chats/USER/ID.json` under home: what a refresh, a restart or another device must not lose.

One file a conversation, replaced whole. Not here: what a message carries (`messages.py`), files to take away and to
bring back (`transcripts.py`), answering (`engine.py`) and drawing (`pages/chat.py`).
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.chat.messages import VOTES, cleaned, is_line, is_number, new_answer
from glm_core.permissions import needs
from glm_core.serving.request_handle import RequestHandle

TITLE_LENGTH = 24
LONGEST_TITLE, LONGEST_SYSTEM = 80, 8_000
PROMPT_FIELDS = ("role", "content")
FIGURES = ("first_token_seconds", "tokens_per_second")


@dataclass
class Conversation:
    """One thread of messages of one user.

    `messages` are `{"role", "content"}` of the user and the assistant in turn; answers have notes too (see
    `messages.py`). `system` is what the model is told before them, where its family has such a thing. `unsaved` is why
    the last `save` could not write, "" where it did; not in the file.
    """

    user: str
    id: str = field(default_factory=workspace.new_id)
    title: str = ""
    model: str = ""
    system: str = ""
    created: float = field(default_factory=time.time)
    updated: float = 0.0
    messages: list[dict] = field(default_factory=list)
    unsaved: str = field(default="", init=False, compare=False)

    @property
    def name(self) -> str:
        """The title, or the beginning of the first question, or a word for an empty conversation."""
        return self.shown_title or i18n.t("chat.new")

    @property
    def shown_title(self) -> str:
        """The title, or the beginning of the first question; empty for an empty conversation."""
        first = next((message["content"] for message in self.messages if message["role"] == "user"), "")
        line = " ".join(first.split())
        short = line[:TITLE_LENGTH] + ("…" if len(line) > TITLE_LENGTH else "")
        return self.title or short

    @property
    def path(self) -> Path:
        """Its file."""
        return workspace.inside(folder(self.user), f"{self.id}.json")

    @property
    def shared_path(self) -> Path:
        """The file of what others see of it, where it is shared (`shared.py`)."""
        return shared_path(self.user, self.id)

    @property
    def beginning(self) -> str:
        """Return what there is of the answer that is to be computed: nothing, unless it goes on."""
        return self.messages[-1]["content"]

    @property
    def thought(self) -> str:
        """Return what was thought before `beginning`; nothing where no answer has begun."""
        return self.messages[-1].get("reasoning_content", "") if self.beginning.strip() else ""

    def ask(self, question: str) -> None:
        """Add a question and the answer that is to grow after it, so that a refresh at any moment keeps both."""
        self.messages += [{"role": "user", "content": question}, new_answer()]

    def again(self) -> None:
        """Throw the last answer away, to be computed anew."""
        self.messages[-1] = new_answer()

    def go_on(self) -> None:
        """Let the last answer grow further; a vote was on less of it."""
        self.messages[-1].pop("vote", None)

    def revise(self, place: int, question: str) -> None:
        """Ask `question` instead of the one at `place`; what came after it goes."""
        del self.messages[place:]
        self.ask(question)

    def vote(self, place: int, vote: str | None) -> None:
        """Keep with the answer at `place` that it was good ("up") or bad ("down"); None takes the vote back."""
        self.messages[place].pop("vote", None)
        if vote in VOTES:
            self.messages[place]["vote"] = vote

    def prompt(self, system: bool = False) -> list[dict]:
        """Return what an engine is asked: everything before the last answer, without notes and without empty answers.

        Args:
            system: whether the model is told `self.system` first.
        """
        head = [{"role": "system", "content": self.system}] if system and self.system.strip() else []
        kept = (message for message in self.messages[:-1] if message["content"].strip())
        return head + [{key: message[key] for key in PROMPT_FIELDS} for message in kept]

    def note(self, handle: RequestHandle) -> None:
        """Write the handle's text so far, and all that is known about it, into the last answer.

        The figures of an answer that went on are those of its last part, the tokens those of all of it.
        """
        provenance, usage = handle.provenance, dict(handle.usage)
        before = self.messages[-1] if handle.request.beginning else {}
        if before.get("usage"):
            usage["completion_tokens"] += before["usage"]["completion_tokens"]
        said_more = handle.completion_tokens > 0
        figures = {name: getattr(handle, name) if said_more else before.get(name) for name in FIGURES}
        thought = {"reasoning_content": handle.reasoning} if handle.reasoning else {}
        seconds = handle.reasoning_seconds if handle.reasoning_tokens else before.get("reasoning_seconds")
        self.messages[-1] = {
            "role": "assistant",
            "content": handle.text,
            "finish_reason": handle.finish_reason or ("cancelled" if handle.cancelled else "broken"),
            **({} if handle.error is None else {"why": handle.error.as_record()}),
            "usage": usage,
            **figures,
            "dropped_turns": handle.dropped_turns,
            "stamp": None if provenance is None else provenance.to_dict(),
            **(thought | {"reasoning_seconds": seconds} if thought else {}),
        }

    @needs("guest", owner=lambda conversation: conversation.user)
    def save(self) -> None:
        """Write it whole; an empty conversation is not worth a file.

        A full or read-only disk does not end the conversation: `unsaved` then has the sentence to show.
        """
        self._write()

    @needs("guest", owner=lambda conversation: conversation.user)
    def begin_answer(self) -> Callable[[RequestHandle], None]:
        """Save it with the open answer; returns the function that notes and saves how far a handle came with that answer.

        That may be asked when the page is closed or the server ends: nobody is there then who could have the right to save, and
        the text that was read must not be lost. Where the account was removed meanwhile, nothing is written.
        """
        self._write()

        def keep(handle: RequestHandle) -> None:
            self.note(handle)
            if self.path.parent.is_dir():
                self._write()

        return keep

    def _write(self) -> None:
        if not self.messages:
            return
        try:
            self._keep_other()
            self.updated = time.time()
            workspace.write_json(self.path, self.record())
        except OSError as error:
            self.unsaved = i18n.t("chat.unsaved", reason=error.strerror or str(error))
        else:
            self.unsaved = ""

    def _keep_other(self) -> None:
        """Where another window wrote on since this one read, its thread becomes a conversation of its own, named so.

        Raises:
            OSError: that cannot be written.
        """
        other = read_file(self.path, self.user)
        if other is None or other.updated <= self.updated or _said(other) == _said(self)[: len(other.messages)]:
            return
        title = i18n.t("chat.other_window", title=other.name)[:LONGEST_TITLE]
        other = replace(other, id=workspace.new_id(), title=title)
        workspace.write_json(other.path, other.record())

    def record(self) -> dict:
        """All of it as plain values, as in its file."""
        record = asdict(self)
        del record["unsaved"]
        return record

    @needs("guest", owner=lambda conversation: conversation.user)
    def remove(self) -> None:
        """Delete its file, and what others see of it."""
        self.shared_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def _said(conversation: Conversation) -> list[str]:
    return [message["content"] for message in conversation.messages]


def from_record(record: object, user: str, id: str) -> Conversation:
    """A conversation of `user` from a record that may be of anybody's making; only its messages must make sense.

    Raises:
        ValueError: it has no messages, or one that is none.
    """
    if not isinstance(record, dict) or not isinstance(record.get("messages"), list):
        raise ValueError("no messages")
    messages = [cleaned(one) for one in record["messages"]]
    told = [message["content"] for message in messages if message["role"] == "system"]
    conversation = Conversation(user, id, messages=[message for message in messages if message["role"] != "system"])
    conversation.system = _system(record.get("system")) or "\n".join(told)[:LONGEST_SYSTEM]
    for name, longest in (("title", LONGEST_TITLE), ("model", 200)):
        if is_line(record.get(name), longest):
            setattr(conversation, name, record[name])
    for name in ("created", "updated"):
        if is_number(record.get(name)):
            setattr(conversation, name, float(record[name]))
    return conversation


def _system(value: object) -> str:
    if not isinstance(value, str):
        return ""
    value.encode("utf-8")
    return value[:LONGEST_SYSTEM]


def folder(user: str) -> Path:
    """The folder of the conversations of `user`."""
    return workspace.inside(workspace.home() / "chats", user)


def shared_path(user: str, id: str) -> Path:
    """The file of what others see of a conversation, there while it is shared."""
    return workspace.inside(folder(user) / "shared", f"{id}.json")


@needs("guest", owner=lambda user, *_: user)
def get(user: str, id: str) -> Conversation | None:
    """One conversation of `user`, None where there is none of that id or its file is damaged."""
    return read_file(workspace.inside(folder(user), f"{id}.json"), user)


def read_file(path: Path, user: str) -> Conversation | None:
    """A conversation from its file. A file that somebody else damaged is passed over, never overwritten."""
    try:
        return from_record(workspace.read_json(path), user, path.stem)
    except (ValueError, OSError, RecursionError):
        return None
