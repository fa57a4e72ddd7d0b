"""Bootstrap intervals that draw facts again, not rows: ten questions about one fact are no ten proofs of it.

Cluster bootstrap (Davison and Hinkley, 1997, 3.8) of a ratio of sums; percentile intervals, the same for the same values.
"""

from collections.abc import Sequence

from glm_core.data import similar
from glm_core.evaluation import scoring
from glm_core.evaluation.answer_pairs import Question

RESAMPLES, SEED = 2000, 42
FEWEST = 3
"Facts from which drawing them says something; of fewer, rows are drawn."


def clusters(questions: Sequence[Question]) -> list[int]:
    """Number the questions by the fact that they ask for.

    Nearly equal questions ask for one fact, and so do questions with the same reference or the same identity facts in it;
    but for labels of a classification, which many different rows share.

    Returns:
        For every question the place of one that asks for the same.
    """
    classes = scoring.classify([one.reference for one in questions], [""] * len(questions)) is not None
    parents = list(range(len(questions)))
    first: dict[str, int] = {}
    for place, near in enumerate(similar.group([one.text for one in questions])):
        fact = "" if classes else _fact(questions[place])
        for other in (near, first.setdefault(fact, place) if fact else place):
            low, high = sorted((_root(parents, other), _root(parents, place)))
            parents[high] = low
    return [_root(parents, place) for place in parents]


def _root(parents: Sequence[int], place: int) -> int:
    while parents[place] != place:
        place = parents[place]
    return place


def _fact(question: Question) -> str:
    """Normalized text of what a right answer tells; empty where nothing is known."""
    told = [name for _, name in question.facts if name in question.reference or name in question.accept]
    return "|".join(told) or similar.normalize(question.reference or "|".join(question.accept))


def ratio_interval(
    totals: Sequence[float], counts: Sequence[float], groups: Sequence[int] | None = None
) -> tuple[float, float]:
    """95 % percentile interval of sum(totals) / sum(counts), drawing groups of rows again.

    Args:
        groups: the group of every row, as `clusters` numbers them; None for rows that stand alone.
    """
    import numpy

    of_row = numpy.arange(len(totals)) if groups is None or len(set(groups)) < FEWEST else numpy.asarray(groups)
    _, place = numpy.unique(of_row, return_inverse=True)
    above, below = (numpy.bincount(place, numpy.asarray(one, dtype=float)) for one in (totals, counts))
    drawn = numpy.random.default_rng(SEED).integers(len(above), size=(RESAMPLES, len(above)))
    sums = numpy.maximum(below[drawn].sum(1), 1e-12)
    low, high = numpy.percentile(above[drawn].sum(1) / sums, [2.5, 97.5])
    return float(low), float(high)
