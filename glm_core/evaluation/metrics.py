"""ROUGE and BLEU as the ChatGLM-6B P-Tuning code publishes them, and simpler matches for short answers.

Words by jieba, ROUGE-1/2/L f-scores by rouge-chinese, BLEU-4 over characters by nltk with smoothing method 3; every
pair is scored alone and the scores are averaged. Nothing here loads a model.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache

from glm_core.markdown import segmenter

MEASURES = ("rouge-1", "rouge-2", "rouge-l", "bleu-4")


def score(predictions: Sequence[str], references: Sequence[str]) -> dict[str, float]:
    """Mean ROUGE-1, ROUGE-2, ROUGE-L and BLEU-4 of predictions against references, in percent.

    Source: `compute_metrics` of the official P-Tuning code (definitions only). A pair with an empty side scores 0.

    Raises:
        ValueError: the two sequences differ in length.
    """
    pairs = list(zip(predictions, references, strict=True))
    if not pairs:
        return dict.fromkeys(MEASURES, 0.0)
    scores = [score_pair(prediction, reference) for prediction, reference in pairs]
    return {measure: sum(one[measure] for one in scores) / len(scores) for measure in MEASURES}


def score_pair(prediction: str, reference: str) -> dict[str, float]:
    """The four measures of one prediction, in percent."""
    if not prediction.strip() or not reference.strip():
        return dict.fromkeys(MEASURES, 0.0)
    rouge = _rouge().get_scores(words(prediction), words(reference))[0]
    result = {measure: 100 * rouge[measure]["f"] for measure in MEASURES[:3]}
    return result | {"bleu-4": 100 * _bleu(prediction, reference)}


def words(text: str) -> str:
    """Text cut into words by jieba, joined by blanks."""
    return " ".join(segmenter().cut(text))


def normalize(text: str) -> str:
    """Text without differences that do not matter: width, case, blanks, closing punctuation."""
    return "".join(unicodedata.normalize("NFKC", text).lower().split()).rstrip("。.!?,;~")


def matches(prediction: str, reference: str) -> bool:
    """Return whether two answers are the same once normalized."""
    return normalize(prediction) == normalize(reference)


def character_f1(prediction: str, reference: str) -> float:
    """F1 of the characters two texts share, counted with repetition, from 0 to 1."""
    left, right = normalize(prediction), normalize(reference)
    shared = sum(min(left.count(character), right.count(character)) for character in set(left))
    return 2 * shared / (len(left) + len(right)) if left or right else 1.0


def _bleu(prediction: str, reference: str) -> float:
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    return sentence_bleu([list(reference)], list(prediction), smoothing_function=SmoothingFunction().method3)


@cache
def _rouge():
    from rouge_chinese import Rouge

    return Rouge()
