"""A checkpoint becomes a loaded model: `load`, `load_tokenizer`, `describe`.

Importing this package is cheap: torch and transformers come in with the first `load`.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from glm_core import workspace
from glm_core.models import checkpoints, registry
from glm_core.models.architectures.causal_lm import refusal_key
from glm_core.models.errors import ModelError
from glm_core.models.registry import Family
from glm_core.models.tokenizers.tokenizer import Tokenizer
from glm_core.models.tokenizers.tokenizer_files import load_tokenizer, read_template

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

__all__ = ["LoadedModel", "ModelDescription", "ModelError", "demo_path", "describe", "load", "load_tokenizer"]


@dataclass
class LoadedModel:
    """A model ready to answer or to train; `tokenizer` is None where the folder has none."""

    model: "PreTrainedModel"
    tokenizer: Tokenizer | None
    family: Family
    path: Path
    name: str
    quantization: str | None = None
    """"int8" or "nf4" when made while loading, "hub-int4" or "hub-int8" when the checkpoint is packed."""
    context_length: int = 0
    """Most tokens of a prompt and its answer together; 0 where it is unknown."""

    def longest_answer(self, prompt: Sequence[int], wanted: int) -> int:
        """Return how many of the `wanted` tokens fit behind `prompt` in the context, at least 1."""
        return max(1, min(wanted, self.context_length - len(prompt))) if self.context_length else wanted


@dataclass(frozen=True)
class ModelDescription:
    """A model as its `config.json` alone describes it."""

    name: str
    family: Family
    parameters: int
    context_length: int
    config: dict
    """As published."""
    settings: dict
    """In the terms of the architecture it loads into."""
    bits: int
    """4 or 8 when the checkpoint is packed by the hub, else 0."""


def demo_path() -> Path:
    """The embedded ChatGLM model."""
    return workspace.DEMO_MODEL


def describe(path: str | os.PathLike) -> ModelDescription:
    """Read `config.json` of the folder `path`; needs neither weights nor torch.

    Raises:
        ModelError: no such folder or file, or no model that can be loaded here.
    """
    folder = Path(path)
    return describe_config(checkpoints.read_config(folder), folder.resolve().name)


def is_base(path: str | os.PathLike) -> bool:
    """Return whether the folder `path` holds a base model: prompts are a template's, and it brings none.

    Raises:
        ModelError: as `describe`.
    """
    if not describe(path).family.templated:
        return False
    try:
        return read_template(Path(path)) is None
    except ModelError:  # loading says what is wrong with the template that it brings
        return False


def describe_config(config: dict, name: str) -> ModelDescription:
    """The description of a parsed `config.json` under the given name.

    Raises:
        ModelError: no known family, or impossible sizes.
    """
    family = registry.find(config)
    if family is None and (refused := refusal_key(config)):
        raise ModelError(refused, name=name, kind=str(config.get("model_type"))[:60])
    if family is None:
        raise ModelError("models.family_unknown", name=name, kind=repr(config.get("model_type"))[:60])
    settings = family.architecture.settings(config)
    return ModelDescription(
        name=name,
        family=family,
        parameters=family.architecture.dimensions(settings).parameters(),
        context_length=family.context_length(config),
        config=config,
        settings=settings,
        bits=settings.get("quantization_bit") or 0,
    )


def load(
    path: str | os.PathLike,
    *,
    dtype: "str | torch.dtype | None" = None,
    device: "str | torch.device | None" = None,
    quantization: str | None = None,
    progress: Callable[[str, float | None], None] | None = None,
) -> LoadedModel:
    """Load the checkpoint folder `path`; no code from it is ever run.

    Args:
        dtype: of the weights; default float32 on a CPU, on a GPU what the checkpoint was stored in.
        device: default the GPU where there is one.
        quantization: None, "int8" or "nf4" (bitsandbytes).
        progress: called with a text key of the stage and the fraction done, None while it is unknown.

    Raises:
        ModelError: says what is wrong with which file, and what to do.
    """
    report = progress or (lambda stage, fraction: None)
    folder = Path(path)
    description = describe(folder)
    report("models.stage.tokenizer", None)
    tokenizer = _find_tokenizer(folder, description)
    report("models.stage.library", None)
    from glm_core.models import device as cuda_device
    from glm_core.models import loading

    where = loading.choose_device(device)
    if where.type == "cuda":
        cuda_device.limit_cuda_stack(where)
    kind = loading.choose_dtype(dtype, where, description.config)
    report("models.stage.weights", 0.0)
    model = loading.fill(folder, description.family, dict(description.settings), kind, where, quantization, progress)
    packed = f"hub-int{description.bits}" if description.bits else None
    return LoadedModel(
        model,
        tokenizer,
        description.family,
        folder,
        description.name,
        quantization or packed,
        description.context_length,
    )


def _find_tokenizer(folder: Path, description: ModelDescription) -> Tokenizer | None:
    """The folder's tokenizer, None where it has none.

    One of another model is refused: it would ask for embeddings that do not exist, or mark the context wrongly.
    """
    try:
        tokenizer = load_tokenizer(folder)
    except ModelError as error:
        if error.key == "models.tokenizer_missing":
            return None
        raise
    settings = description.settings
    if tokenizer.vocab_size > settings["vocab_size"]:
        sizes = {"tokens": tokenizer.vocab_size, "rows": settings["vocab_size"]}
        raise ModelError("models.tokenizer_too_large", name=description.name, **sizes)
    for key, token in description.family.architecture.control_ids(settings).items():
        if getattr(tokenizer, key, None) != token:
            raise ModelError("models.tokenizer_other", name=description.name, field=key)
    return tokenizer
