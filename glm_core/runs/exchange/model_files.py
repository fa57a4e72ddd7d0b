"""The files that make a merged folder whole for transformers and vLLM: tokenizer, chat template, generation settings."""

from pathlib import Path

from glm_core import workspace
from glm_core.models import ModelError, describe, load_tokenizer
from glm_core.models.plain_formats import DEFAULT, exported
from glm_core.runs.exchange import chat_template, tokenizer_json

GENERATION = "generation_config.json"


def complete(folder: Path, chat_format: str = DEFAULT) -> None:
    """Add to the model in `folder` what its base may lack; a folder without a tokenizer stays without.

    Args:
        chat_format: that it was trained in, written as its template where the base has none.

    Raises:
        ModelError: its tokenizer is damaged.
    """
    if template := chat_template.for_folder(folder):
        workspace.write_atomic(folder / chat_template.FILE, template)
    add_format(folder, chat_format)
    try:
        tokenizer = load_tokenizer(folder)
    except ModelError as error:
        if error.key == "models.tokenizer_missing":
            return
        raise
    tokenizer_json.write(folder)
    family = describe(folder).family
    stops = family.stop_ids(tokenizer)
    settings = {
        "eos_token_id": stops if len(stops) > 1 else stops[0],
        "pad_token_id": tokenizer.pad_token_id,
        "do_sample": True,
        **family.sampling,
    }
    workspace.write_json(folder / GENERATION, settings)


def add_format(folder: Path, chat_format: str) -> None:
    """Write the chat format that a run was trained in as the template of the model in `folder`, where it brings none."""
    try:
        tokenizer = load_tokenizer(folder)
    except ModelError:
        return
    if describe(folder).family.templated and tokenizer.chat_template is None:
        workspace.write_atomic(folder / chat_template.FILE, exported(tokenizer, chat_format))
