"""The tokenizer of a model folder: the kind of its files, its settings and its chat template."""

import re
from pathlib import Path
from typing import Any

from glm_core import workspace
from glm_core.models.chat_templates import ChatTemplate
from glm_core.models.errors import ModelError
from glm_core.models.tokenizers import (
    ChatGLMTokenizer,
    JsonTokenizer,
    SentencePieceTokenizer,
    TiktokenTokenizer,
    Tokenizer,
)


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer of the checkpoint folder `path`, whichever kind it is.

    Raises:
        ModelError: the folder has no tokenizer, or it is broken.
    """
    folder = Path(path)
    config = _read_config(folder / "tokenizer_config.json")
    if (file := folder / "ice_text.model").is_file():
        if config.get("num_image_tokens"):
            raise ModelError("models.old_vocabulary", folder=str(folder))
        return ChatGLMTokenizer(file)
    if (file := folder / "tokenizer.model").is_file():
        if _is_tiktoken(file):
            return TiktokenTokenizer(file, _added_tokens(config))
        return SentencePieceTokenizer(file)
    if (file := folder / "tokenizer.json").is_file():
        endings = {
            key: value
            for key, value in _read_config(folder / "generation_config.json").items()
            if key == "eos_token_id"
        }
        tokenizer = JsonTokenizer(file, {**_read_config(folder / "config.json"), **endings, **config})
        tokenizer.chat_template = read_template(folder)
        return tokenizer
    raise ModelError("models.tokenizer_missing", folder=str(folder))


def _read_config(file: Path) -> dict:
    try:
        config = workspace.read_json(file, {})
    except (ValueError, OSError, RecursionError) as error:
        raise ModelError("models.config_broken", file=str(file), why=error) from error
    return config if isinstance(config, dict) else {}


def read_template(folder: Path) -> ChatTemplate | None:
    """Return the chat template of `folder`: a file of its own, else an entry of the tokenizer's settings; None where there is none.

    Raises:
        ModelError: it cannot be read, or is no template.
    """
    config = _read_config(folder / "tokenizer_config.json")
    source: Any = None
    if (file := folder / "chat_template.jinja").is_file():
        try:
            source = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ModelError("models.config_broken", file=str(file), why=error) from error
    else:
        source = _read_config(folder / "chat_template.json").get("chat_template") or config.get("chat_template")
        if isinstance(source, list):
            known = {one.get("name"): one.get("template") for one in source if isinstance(one, dict)}
            source = known.get("default")
    if not isinstance(source, str) or not source.strip():
        return None
    named = {}
    for key in ("bos_token", "eos_token", "pad_token", "unk_token"):
        token = config.get(key)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str):
            named[key] = token
    return ChatTemplate(source, named)


def _added_tokens(config: dict) -> dict[str, int]:
    added = config.get("added_tokens_decoder")
    tokens = added.items() if isinstance(added, dict) else ()
    return {
        token["content"]: int(index)
        for index, token in tokens
        if str(index).isdecimal() and isinstance(token, dict) and isinstance(token.get("content"), str)
    }


def _is_tiktoken(file: Path) -> bool:
    with open(file, "rb") as stream:
        return re.match(rb"[A-Za-z0-9+/]+=* \d+\n", stream.read(4096)) is not None
