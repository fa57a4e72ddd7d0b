"""Questions asked before training and at every evaluation, so that one watches the answers change."""

from functools import lru_cache

from glm_core import workspace
from glm_core.data import library
from glm_core.runs.files import read_record

PINNED = 3
IMPRINT_SETS = "imprint"  # the bundled set, and the readers' own made from it, whose ids begin so


def propose(dataset: str) -> list[str]:
    """Questions worth pinning for the data set `dataset`: the imprint's own, else three spread over its rows.

    Raises:
        DataError: there is no such data set.
    """
    if dataset.startswith(IMPRINT_SETS):
        pinned = read_record(workspace.ASSETS / "evaluation" / "demo.json").get("pinned")
        if isinstance(pinned, list) and pinned:
            return [question for question in pinned if isinstance(question, str)]
    return _spread(dataset, library.get(dataset).sha256)


@lru_cache(maxsize=16)
def _spread(dataset: str, _digest: str) -> list[str]:
    """Questions of single-turn rows, evenly from first to last, each once; a pinned question has one line."""
    asked = [
        row.question
        for row in library.examples(dataset)
        if len(row.prompt) == 1 and not row.has_tools and "\n" not in row.question.strip()
    ]
    distinct = list(dict.fromkeys(question.strip() for question in asked))
    places = dict.fromkeys(place * len(distinct) // PINNED for place in range(PINNED))
    return [distinct[place] for place in places if place < len(distinct)]
