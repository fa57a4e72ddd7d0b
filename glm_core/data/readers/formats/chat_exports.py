"""Exports of chat programs (Telegram, Discord, Slack) become rows of one message each: who spoke, and what was said.

Covers the shape of the files; who asks and who answers is `rows.speakers`.
"""

from collections.abc import Iterator

from glm_core.data.readers.notices import NoticeTally

_TIMES = ("date", "timestamp", "ts")
_SERVICE_TYPES = (
    "service",
    "GuildMemberJoin",
    "ChannelPinnedMessage",
    "UserPremiumGuildSubscription",
    "ThreadCreated",
    "RecipientAdd",
)
_SERVICE = frozenset(
    "channel_join channel_leave channel_topic channel_purpose channel_name channel_archive channel_unarchive group_join"
    " group_leave pinned_item bot_add bot_remove reminder_add tombstone".split()
)  # fmt: skip
SENDER, TEXT, CHAT = "sender", "text", "chat_id"


def exported(value: dict, tally: NoticeTally) -> list | None:
    """The messages in a file of one chat or of several; None for a file of another kind."""
    inner = value.get("chats")
    chats = inner.get("list") if isinstance(inner, dict) else [value]
    if not isinstance(chats, list) or not chats or not all(map(_is_export, chats)):
        return None
    rows = []
    for place, chat in enumerate(chats):
        for message in chat["messages"]:
            if (row := _row(message)) is None:
                tally.add("lines_unused", 1)
            else:
                rows.append({CHAT: str(chat.get("id", place)), **row} if len(chats) > 1 else row)
    return rows or None


def is_service(record: dict) -> bool:
    """Return whether a message of Slack is what the program says of itself: who joined, what was pinned."""
    return record.get("subtype") in _SERVICE


def named(record: dict) -> dict:
    """A message of Slack under the name of its author instead of a number."""
    profile = record.get("user_profile")
    name = (profile.get("display_name") or profile.get("real_name")) if isinstance(profile, dict) else None
    if not isinstance(name, str):
        return record
    return {"user": name, **{key: value for key, value in record.items() if key not in ("user", "user_profile")}}


def _is_export(chat: object) -> bool:
    messages = chat.get("messages") if isinstance(chat, dict) else None
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        return False
    timed = all(any(time in one for time in _TIMES) and "role" not in one for one in messages)
    return timed and any(_sender(one) for one in messages)


def _sender(message: dict) -> str:
    author = message.get("author")
    name = (author.get("nickname") or author.get("name")) if isinstance(author, dict) else message.get("from")
    return name if isinstance(name, str) else ""


def _row(message: dict) -> dict | None:
    """Sender and text of a message; None for what the program says of itself, or where nothing is said."""
    sender = _sender(message)
    if not sender or message.get("type") in _SERVICE_TYPES:
        return None
    text = "".join(_pieces(message.get("text", message.get("content")))).strip()
    shown = next((kind for kind in ("photo", "media_type", "file", "attachments", "stickers") if message.get(kind)), "")
    if shown:
        kind = message[shown] if shown == "media_type" else "photo" if shown == "photo" else "file"
        text = f"{text}\n[{kind}]".strip()
    return {SENDER: sender, TEXT: text} if text else None


def _pieces(text: object) -> Iterator[str]:
    for piece in text if isinstance(text, list) else [text]:
        inner = piece.get("text") if isinstance(piece, dict) else piece
        if isinstance(inner, str):
            yield inner
