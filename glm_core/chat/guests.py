"""Models that guests may chat with, and the days their messages are stored; an administrator sets both on the accounts page.

A guest sees every base, and of the runs, and of the models that runs were merged into, only those that were published.
"""

import json
from collections.abc import Iterable, Sequence

from glm_core.auth import audit, options
from glm_core.auth.accounts import Account
from glm_core.chat import conversation_list
from glm_core.permissions import needs
from glm_core.serving.served_models import ServedModel

DAYS = 7
DAYS_RANGE = (1, 365)
PROGRAM = "easyAIGC"
"Who the audit log says has tidied up."


def published() -> frozenset[str]:
    """Ids of the runs that guests may chat with."""
    return frozenset(ids_of(options.option("guest_runs") or ""))


def ids_of(kept: str) -> list[str]:
    """The ids of runs in an option as it is kept; none where it is damaged."""
    try:
        ids = json.loads(kept or "[]")
    except ValueError:
        return []
    return [one for one in ids if isinstance(one, str)] if isinstance(ids, list) else []


@needs("administrator")
def publish(ids: Iterable[str], *, by: str = "") -> None:
    """Let guests chat with these runs, and with no other."""
    options.set_option("guest_runs", json.dumps(sorted(set(ids))), by=by)


def choices_for(account: Account, choices: Sequence[ServedModel]) -> list[ServedModel]:
    """Those of `choices` that `account` may know of."""
    if account.may("trainer"):
        return list(choices)
    given = published()
    return [choice for choice in choices if (choice.name if choice.tuned else choice.merged_run) in given | {""}]


def days() -> int:
    """Days for which messages of guests without an account are stored."""
    kept = options.option("guest_days") or ""
    low, high = DAYS_RANGE
    return min(max(int(kept), low), high) if kept.isascii() and kept.isdecimal() else DAYS


@needs("administrator")
def set_days(count: int, *, by: str = "") -> None:
    """Keep it `count` days from now on."""
    options.set_option("guest_days", str(count), by=by)


def tidy() -> int:
    """Delete what is older, and write it into the audit log; returns how many conversations that were."""
    gone = conversation_list.clear_visits(days())
    if gone:
        audit.note(PROGRAM, "audit.chat.clear", str(gone))
    return gone
