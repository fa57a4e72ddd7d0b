"""A conversation as a file to take away, Markdown to read or JSON to bring back.

What comes back is checked whole before anything is kept, and is always a new conversation: no file replaces one that
is there. Both forms keep everything that was said, and the votes; JSON also what answered and how fast.
"""

import json

from glm_core import i18n, workspace
from glm_core.chat.conversations import LONGEST_TITLE, Conversation, from_record
from glm_core.chat.messages import cleaned, new_answer
from glm_core.errors import EasyError

LARGEST_FILE = 4_000_000
"Bytes; a conversation that fills a context of 128,000 tokens is about a tenth of it."
MOST_MESSAGES = 1_000


class TranscriptError(EasyError):
    """A file that is no conversation: says what is wrong with it, where, and what to do."""


def to_json(conversation: Conversation) -> str:
    """The thread as JSON, without its owner; `messages` as OpenAI's clients have them, with notes of our own."""
    record = conversation.record()
    del record["user"]
    return json.dumps(record, ensure_ascii=False, indent=2) + "\n"


def to_markdown(conversation: Conversation) -> str:
    """The thread as a readable document: a bold line says who speaks, and below it is what they said."""
    told = [{"role": "system", "content": conversation.system}] if conversation.system.strip() else []
    parts = [f"# {conversation.name}"]
    for message in [*told, *conversation.messages]:
        parts += [_head(message), message["content"].strip("\n")]
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
    return _checked(_json_record(words), user)


def _head(message: dict) -> str:
    vote = message.get("vote")
    who = i18n.t(f"chat.role.{message['role']}")
    return f"**{who}**" + (f" · {i18n.t(f'chat.vote.{vote}')}" if vote else "")


def _json_record(words: str) -> dict:
    try:
        record = json.loads(words)
    except (ValueError, RecursionError) as error:
        raise TranscriptError("chat.import.no_json", line=getattr(error, "lineno", 1)) from error
    return {"messages": record} if isinstance(record, list) else record


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
        conversation = from_record(record, user, workspace.new_id())
    except ValueError as error:
        raise TranscriptError("chat.import.no_messages") from error
    _check_turns(messages)
    if conversation.messages[-1]["role"] == "user":
        conversation.messages.append(new_answer())
    if conversation.title == Conversation(user, messages=conversation.messages).name[:LONGEST_TITLE]:
        conversation.title = ""  # it named itself
    return conversation


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
