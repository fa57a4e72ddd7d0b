"""A conversation as a file to take away, JSON or Markdown, and back again.

What comes back is checked whole before anything is kept, and is always a new conversation: no file replaces one that
is there. Both forms keep everything that was said, and the votes; JSON also what answered and how fast.
"""

import json
import re

from glm_core import i18n, workspace
from glm_core.chat.conversations import LONGEST_TITLE, Conversation, from_record
from glm_core.chat.messages import VOTES, cleaned, new_answer
from glm_core.errors import EasyError

LARGEST_FILE = 4_000_000
"Bytes; a conversation that fills a context of 128,000 tokens is about a tenth of it."
MOST_MESSAGES = 1_000
ROLES = ("system", "user", "assistant")


class TranscriptError(EasyError):
    """A file that is no conversation: says what is wrong with it, where, and what to do."""


def to_json(talk: Conversation) -> str:
    """The thread as JSON, without its owner; `messages` as OpenAI's clients have them, with notes of our own."""
    record = talk.record()
    del record["user"]
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def to_markdown(talk: Conversation) -> str:
    """The thread as a readable document: a bold line says who speaks, and below it is what they said."""
    told = [{"role": "system", "content": talk.system}] if talk.system.strip() else []
    parts = [f"# {talk.name}"]
    for message in [*told, *talk.messages]:
        parts += [_head(message), _AS_HEAD.sub(r"\\\g<0>", message["content"].strip("\n"))]
    return "\n\n".join(parts) + "\n"


def read(content: bytes, user: str) -> Conversation:
    """The conversation in the file `content` as a new one of `user`; it is not saved yet.

    Raises:
        TranscriptError: it is too large, no text, or no conversation.
    """
    if len(content) > LARGEST_FILE:
        raise TranscriptError("chat.import.too_large", limit=i18n.size(LARGEST_FILE))
    try:
        words = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise TranscriptError("chat.import.not_text") from error
    record = _json_record(words) if words.lstrip()[:1] in ("{", "[") else _markdown_record(words)
    return _checked(record, user)


def _head(message: dict) -> str:
    vote = message.get("vote")
    who = i18n.t(f"chat.role.{message['role']}")
    return f"**{who}**" + (f" · {i18n.t(f'chat.vote.{vote}')}" if vote else "")


def _spellings(key: str) -> set[str]:
    """How the tables of all languages say `key`."""
    return {i18n.table(language)[key] for language in i18n.LANGUAGES}


_ROLE_OF = {word: role for role in ROLES for word in _spellings(f"chat.role.{role}")}
_VOTE_OF = {word: vote for vote in VOTES for word in _spellings(f"chat.vote.{vote}")}
_WHO = "|".join(map(re.escape, _ROLE_OF))
_HOW = "|".join(map(re.escape, _VOTE_OF))
_HEAD = re.compile(rf"^\*\*({_WHO})\*\*(?: · ({_HOW}))?[ \t]*$", re.MULTILINE)
_AS_HEAD = re.compile(rf"^\\*\*\*(?:{_WHO})\*\*(?: · (?:{_HOW}))?[ \t]*$", re.MULTILINE)
"A line of what was said that looks like a head, backslashes before it included: one more backslash tells it apart."
_ESCAPED = re.compile(rf"^\\(?=\\*\*\*(?:{_WHO})\*\*(?: · (?:{_HOW}))?[ \t]*$)", re.MULTILINE)


def _json_record(words: str) -> dict:
    try:
        record = json.loads(words)
    except (ValueError, RecursionError) as error:
        raise TranscriptError("chat.import.no_json", line=getattr(error, "lineno", 1)) from error
    return {"messages": record} if isinstance(record, list) else record


def _markdown_record(words: str) -> dict:
    start, *pieces = _HEAD.split(words)
    heading = re.match(r"\s*# +(.+)", start)
    messages = []
    for who, vote, said in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        messages.append({"role": _ROLE_OF[who], "content": _ESCAPED.sub("", said.strip("\n"))})
        if vote:
            messages[-1]["vote"] = _VOTE_OF[vote]
    return {"messages": messages, "title": heading.group(1).strip() if heading else ""}


def _checked(record: object, user: str) -> Conversation:
    messages = record.get("messages") if isinstance(record, dict) else None
    if not isinstance(messages, list) or not messages:
        raise TranscriptError("chat.import.no_messages")
    if len(messages) > MOST_MESSAGES:
        raise TranscriptError("chat.import.too_many", count=len(messages), limit=MOST_MESSAGES)
    for number, message in enumerate(messages, 1):
        try:
            cleaned(message)
        except ValueError as error:
            raise TranscriptError("chat.import.bad_message", number=number) from error
    try:
        talk = from_record(record, user, workspace.new_id())
    except ValueError as error:
        raise TranscriptError("chat.import.no_messages") from error
    _check_turns(messages)
    if talk.messages[-1]["role"] == "user":
        talk.messages.append(new_answer())
    if talk.title == Conversation(user, messages=talk.messages).name[:LONGEST_TITLE]:
        talk.title = ""  # it named itself
    return talk


def _check_turns(messages: list[dict]) -> None:
    """An optional system message, then user and assistant in turn."""
    first = 1 if messages[0]["role"] == "system" else 0
    for place, message in enumerate(messages[first:]):
        expected = ("user", "assistant")[place % 2]
        if message["role"] != expected:
            who = i18n.t(f"chat.role.{expected}")
            raise TranscriptError("chat.import.order", number=first + place + 1, expected=who)
    if len(messages) == first:
        raise TranscriptError("chat.import.no_messages")
