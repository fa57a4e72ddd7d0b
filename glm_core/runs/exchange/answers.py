"""Greedy answers of a run, and of a folder that this program loads, for the check of an export."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glm_core.runs.exchange.exporter import ExportSource, Progress

if TYPE_CHECKING:
    from glm_core.models import LoadedModel

TOOL = "easyAIGC"
LONGEST = 64  # tokens of an answer


def of_run(
    source: ExportSource, questions: Sequence[str], progress: Progress, adapter: Path | None = None
) -> list[str]:
    """Return the answers of the run, base and adapter in one model; `adapter` stands in for its own."""
    from glm_core.adapters import attach, scale
    from glm_core.models.plain_formats import formatted

    def attach_adapter(loaded: "LoadedModel") -> "LoadedModel":
        attach.load_adapter(loaded, adapter or source.adapter, "run")
        attach.activate(loaded, "run")
        if source.strength != 1:
            scale.set_strength(loaded, "run", source.strength)
        return formatted(loaded, source.chat_format)

    return of_model(source.base, questions, progress, attach_adapter)


def run_prompts(source: ExportSource, questions: Sequence[str]) -> list[list[int]]:
    """Return the ids of each question's prompt as `of_run` asks it, for tools of which only network and numbers are compared."""
    from glm_core.models import describe, load_tokenizer
    from glm_core.models.plain_formats import with_format

    tokenizer, family = load_tokenizer(source.base), describe(source.base).family
    if family.templated and tokenizer.chat_template is None:
        tokenizer = with_format(tokenizer, source.chat_format)
    asked = ([{"role": "user", "content": question}] for question in questions)
    return [family.prompt(tokenizer, messages, thinking=False) for messages in asked]


def of_model(
    folder: Path,
    questions: Sequence[str],
    progress: Progress,
    prepare: Callable[["LoadedModel"], "LoadedModel"] = lambda loaded: loaded,
) -> list[str]:
    """Return the answers of the model in `folder`, as `prepare` makes it."""
    from glm_core import models
    from glm_core.generation.greedy import greedy
    from glm_core.models.device import release_memory

    loaded = prepare(models.load(folder, progress=progress))
    assert loaded.tokenizer is not None, "asked only of models that have one"
    answers = greedy(loaded, [[{"role": "user", "content": question}] for question in questions], LONGEST)
    del loaded
    release_memory()
    return answers
