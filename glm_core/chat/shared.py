"""A conversation shown to others by a link: a copy of it as it was when its owner shared it, `chats/USER/shared/ID.json` under home.

Whoever has the link, is signed in and may use every model that answered in it reads the copy, and goes on in a conversation of their
own. Not here: the conversations themselves (`conversations.py`), which runs guests may use (`guests.py`).
"""

import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from glm_core import workspace
from glm_core.auth import accounts
from glm_core.auth.accounts import Account
from glm_core.chat import guests
from glm_core.chat.conversations import Conversation, from_record
from glm_core.errors import EasyError
from glm_core.permissions import needs
from glm_core.serving.served_models import ServedModel

KEY_BYTES = 16
LONGEST = 1_000_000
"Characters of a conversation that may be shared: it is drawn whole for everybody who opens the link, and copied whole."
SHARER = "trainer"
"The role that may share, and must still have it for a link to open."


class SharedError(EasyError):
    """A link that opens no conversation for this reader."""


@dataclass(frozen=True)
class Share:
    """A conversation that is shared.

    Attributes:
        link: what names it in an address, its secret key included.
        messages: how many messages others see.
        current: whether these are all that there is now.
    """

    link: str
    messages: int
    current: bool


@dataclass(frozen=True)
class Shown:
    """The conversation that a link opens, as it was when it was shared, and the name of its owner."""

    conversation: Conversation
    owner: str


@needs(SHARER, owner=lambda conversation: conversation.user)
def find(conversation: Conversation) -> Share | None:
    """Return how `conversation` is shared, None where it is not."""
    try:
        record = workspace.read_json(conversation.shared_path)
        shown = record["messages"]
        return Share(_link(conversation, record["key"]), len(shown), shown == _messages(conversation))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


@needs(SHARER, owner=lambda conversation: conversation.user)
def share(conversation: Conversation) -> Share:
    """Show `conversation` as it is now to whoever has the link; one that is shared already keeps its link.

    Raises:
        SharedError: it is longer than `LONGEST`, or cannot be written.
    """
    if sum(len(one["content"]) + len(one.get("reasoning_content", "")) for one in conversation.messages) > LONGEST:
        raise SharedError("chat.shared.too_long", most=LONGEST)
    known = find(conversation)
    key = known.link.rpartition(".")[2] if known is not None else secrets.token_urlsafe(KEY_BYTES)
    messages = _messages(conversation)
    with workspace.explain_os_error(SharedError, conversation.shared_path.parent):
        workspace.write_json(conversation.shared_path, conversation.record() | {"messages": messages, "key": key})
    return Share(_link(conversation, key), len(messages), True)


@needs(SHARER, owner=lambda conversation: conversation.user)
def stop(conversation: Conversation) -> None:
    """Let the link open nothing from now on; sharing again makes another."""
    with workspace.explain_os_error(SharedError, conversation.shared_path.parent):
        conversation.shared_path.unlink(missing_ok=True)


@needs("guest")
def read(link: str, account: Account, choices: Sequence[ServedModel]) -> Shown:
    """Return what `link` opens for `account`.

    Args:
        choices: everything that can be asked here.

    Raises:
        SharedError: the link is none, or no longer; its owner may not share any more; or `account` may not use a model that answered.
    """
    folder, _, rest = link.partition(".")
    id, _, key = rest.partition(".")
    owner = _sharer(folder)
    try:
        record = workspace.read_json(Conversation(folder, id).shared_path)
        found = from_record(record, folder, id)
        right = hmac.compare_digest(record["key"].encode(), key.encode())
    except (EasyError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise SharedError("chat.shared.gone") from error
    if owner is None or not right:
        raise SharedError("chat.shared.gone")
    if not account.may("trainer") and not _models(found) <= {one.name for one in guests.choices_for(account, choices)}:
        raise SharedError("chat.shared.closed")
    return Shown(found, owner.shown_name)


@needs("guest")
def copy(link: str, account: Account, choices: Sequence[ServedModel]) -> Conversation:
    """Return what `link` opens as a new conversation of `account`, saved; raises as `read`."""
    shown = read(link, account, choices).conversation
    mine = replace(shown, user=account.folder, id=workspace.new_id(), created=time.time())
    mine.save()
    return mine


def _messages(conversation: Conversation) -> list[dict]:
    """Messages as others get them: what the owner thought of an answer is the owner's."""
    private = ("vote", "why")  # a reason may name folders of this computer
    return [{name: one for name, one in message.items() if name not in private} for message in conversation.messages]


def _sharer(folder: str) -> Account | None:
    known = accounts.accounts() if accounts.has_administrator() else [accounts.LOCAL]
    return next((one for one in known if one.folder == folder and one.may(SHARER)), None)


def _link(conversation: Conversation, key: str) -> str:
    return f"{conversation.user}.{conversation.id}.{key}"


def _models(conversation: Conversation) -> set[str]:
    """Names of the models that answered, and of the one that answers next."""
    stamps = [message["stamp"] for message in conversation.messages if message.get("stamp")]
    named = {stamp.get("adapter") or stamp.get("base") or "" for stamp in stamps}
    return (named | {conversation.model}) - {""}
