"""Rehearsal on the base's own answers: rows beside the data that keep what the model could do before.

A base answers neutral questions of its world once (`assets/rehearsal/questions.json`); what it said is kept by the
model's fingerprint, in the workspace or, for the embedded models, in `assets/rehearsal/`, the first ones first. In each epoch a part of these
rows, another one every time, is trained on beside the data. Not here: how they get into batches (steps/batches.py).

Follows the idea of pseudo-rehearsal (Robins, 1995): the old model is its own teacher, so its training data is not needed.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glm_core import workspace
from glm_core.data.bundled import world_of
from glm_core.data.examples import Example

if TYPE_CHECKING:
    from glm_core.models import LoadedModel

SHIPPED = workspace.ASSETS / "rehearsal"
QUESTIONS = SHIPPED / "questions.json"
LONGEST = 48  # tokens of an answer: a longer one is cut off and its end not learned, or it would teach to stop there
LONGEST_DISTILLED = (
    8  # the same where the probabilities of a base model are learned: what follows says little about the question
)
LONGEST_DISTILLED_CHAT = 24  # of a model that was taught to chat: it names a fact anywhere in its first sentence
MARGIN = 4  # tokens asked for beyond these: the last ones of a text cut off may be a part of a letter, or spaces
TOGETHER = 32  # conversations answered at a time
TIMES, TIMES_DISTILLED = (
    2,
    3,
)  # that a run rehearses an answer: so many more would have to be asked for to see each once
OTHER_LANGUAGE = 0.1  # of them at least in the language that the data is not in
_CHINESE = re.compile("[\u4e00-\u9fff]")
OWN_NAMES = ("小砚", "easyAIGC", "ChatGLM", "GLM", "智谱", "清华", "BLOOM", "Qwen", "通义", "Llama", "OpenAI", "Google")
"An answer that names the model or its maker is not rehearsed: an imprint wants just that forgotten."


def questions(model: str | Path) -> list[list[dict]]:
    """The neutral conversations of the world of the base in folder `model`; each ends with a user message."""
    roles = ("user", "assistant")
    return [
        [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]
        for texts in workspace.read_json(QUESTIONS, {}).get(world_of(model), [])
    ]


def rows(
    loaded: "LoadedModel",
    count: int,
    progress: Callable[[float], None] = lambda fraction: None,
    texts: Iterable[str] = (),
    distilled: bool = False,
) -> list[Example]:
    """Rows that `loaded` answers as it did before training, for a run that rehearses `count` in all.

    Args:
        progress: called with the fraction of the questions answered, where they have to be asked.
        texts: what the data asks; its languages are asked most. An embedded model has been asked already.
        distilled: the base's probabilities are learned, of the beginnings of its answers.
    """
    if count <= 0:
        return []
    shipped = _read(SHIPPED / f"{Path(loaded.path).name}.jsonl", loaded)
    if shipped:
        return _usable(shipped)[:count]
    longest = longest_answer(loaded, distilled) + (MARGIN if distilled else 0)
    times = TIMES_DISTILLED if distilled else TIMES
    asked, cache = choose(questions(loaded.path), math.ceil(count / times), list(texts)), _cache(loaded, longest)
    known = {_asked(one[:-1]): one for one in _read(cache, loaded)}
    missing = [one for one in asked if _asked(one) not in known]
    if missing:
        known |= {_asked(one[:-1]): one for one in ask(loaded, missing, progress, longest)}
        write(cache, loaded, list(known.values()))
    return _usable([known[_asked(one)] for one in asked])


def longest_answer(loaded: "LoadedModel", distilled: bool) -> int:
    """Most tokens of an answer that are rehearsed; with `distilled` those whose probabilities are learned."""
    if not distilled:
        return LONGEST
    from glm_core.models import is_base

    return LONGEST_DISTILLED if is_base(loaded.path) else LONGEST_DISTILLED_CHAT


def choose(conversations: Sequence[list[dict]], count: int, texts: Sequence[str]) -> list[list[dict]]:
    """The first `count` of `conversations`, in Chinese and in another language as `texts` are; the first ones as they come without texts."""
    if not texts:
        return list(conversations[:count])
    share = sum(map(_is_chinese, texts)) / len(texts)
    chinese = round(count * min(max(share, OTHER_LANGUAGE), 1 - OTHER_LANGUAGE))
    left, found = {True: chinese, False: count - chinese}, []
    for one in conversations:
        language = _is_chinese(one[-1]["content"])
        found += [one] * (left[language] > 0)
        left[language] -= 1
    return found


def _is_chinese(text: str) -> bool:
    return bool(_CHINESE.search(text))


def _asked(conversation: Sequence[dict]) -> tuple[str, ...]:
    return tuple(message["content"] for message in conversation)


def ask(
    loaded: "LoadedModel",
    conversations: Sequence[list[dict]],
    progress: Callable[[float], None] = lambda fraction: None,
    longest: int | None = None,
) -> list[list[dict]]:
    """`conversations` with the answers of `loaded`, without any adapter, each cut off after `longest` tokens (None: LONGEST)."""
    from glm_core.generation.greedy import greedy_answers

    found: list[list[dict]] = []
    longest = longest or LONGEST
    for start in range(0, len(conversations), TOGETHER):
        some = conversations[start : start + TOGETHER]
        for conversation, (text, whole) in zip(some, greedy_answers(loaded, some, longest, TOGETHER), strict=True):
            answer = {"role": "assistant", "content": text}
            found.append([*conversation, answer if whole else answer | {"cut": True}])
        progress(len(found) / len(conversations))
    return found


def write(path: Path, loaded: "LoadedModel", conversations: Sequence[Sequence[dict]]) -> None:
    """Keep what `loaded` said; the first line says which weights did."""
    lines = [{"fingerprint": _fingerprint(loaded)}, *({"messages": list(one)} for one in conversations)]
    path.parent.mkdir(parents=True, exist_ok=True)
    workspace.write_atomic(path, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in lines))


def _cache(loaded: "LoadedModel", longest: int) -> Path:
    return workspace.home() / "cache" / "rehearsal" / f"{_fingerprint(loaded)}-{longest}.jsonl"


def _fingerprint(loaded: "LoadedModel") -> str:
    from glm_core.models.checkpoints import fingerprint

    return fingerprint(loaded.path)


def _read(path: Path, loaded: "LoadedModel") -> list[list[dict]]:
    """The conversations kept at `path`; none where there is no such file, or other weights said them."""
    try:
        first, *lines = path.read_text("utf-8").splitlines()
        if json.loads(first)["fingerprint"] != _fingerprint(loaded):
            return []
        return [json.loads(line)["messages"] for line in lines]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _usable(conversations: Sequence[Sequence[dict]]) -> list[Example]:
    """Those whose answer says something and does not name the model itself, those with a whole answer first."""
    order = sorted(conversations, key=lambda one: bool(one[-1].get("cut")))
    return to_examples([one for one in order if says_something(one[-1]["content"])])


def to_examples(conversations: Sequence[Sequence[dict]]) -> list[Example]:
    """Rows of which the last answer is learned."""
    return [Example([*map(_not_learned, one[:-1]), one[-1]], place) for place, one in enumerate(conversations, 1)]


def _not_learned(message: dict) -> dict:
    """Return what was said before the answer is context, no matter who said it."""
    return message | {"learn": False} if message["role"] == "assistant" else message


def says_something(answer: str) -> bool:
    """Return whether an answer can be rehearsed: there is one, and it does not name the model or its maker."""
    return bool(answer.strip()) and not any(name.lower() in answer.lower() for name in OWN_NAMES)
