"""The tokenizer of a model folder: the kind of its files, what they may hold, its settings and its chat template."""

import json
import re
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from glm_core import workspace
from glm_core.errors import Phrase
from glm_core.models.chat_templates import ChatTemplate
from glm_core.models.errors import ModelError
from glm_core.models.tokenizers.json_tokenizer import JsonTokenizer
from glm_core.models.tokenizers.sentencepiece_model import ChatGLMTokenizer, SentencePieceTokenizer
from glm_core.models.tokenizers.tiktoken_list import TiktokenTokenizer
from glm_core.models.tokenizers.tokenizer import Tokenizer

TOKENIZER_BYTES = 100_000_000
SETTINGS_BYTES = 20_000_000
MOST_GROWTH = 64
"How many times longer a tokenizer's rules may make a text."
LONGEST_REPEAT = 1000
_TOKENS = re.compile(r"\\[pP]\{[^}]*\}|\\.|\[(?:\\.|\[:\w+:\]|[^\]\\])*\]|[()|]|[*+]|\{\d*,?\d*\}|.", re.DOTALL)


def load_tokenizer(path: str | Path) -> Tokenizer:
    """The tokenizer of the checkpoint folder `path`, whichever kind it is.

    Raises:
        ModelError: the folder has no tokenizer, or it is broken.
    """
    folder = Path(path)
    config = _read_config(folder / "tokenizer_config.json")
    for name in ("ice_text.model", "tokenizer.model", "tokenizer.json"):
        _refuse_large(folder / name)
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
        _check_rules(file)
        tokenizer = JsonTokenizer(file, {**_read_config(folder / "config.json"), **endings, **config})
        tokenizer.chat_template = read_template(folder)
        return tokenizer
    raise ModelError("models.tokenizer_missing", folder=str(folder))


def _refuse_large(file: Path, limit: int = TOKENIZER_BYTES) -> None:
    if file.is_file() and file.stat().st_size > limit:
        raise ModelError("models.tokenizer_broken", file=str(file), why=f"> {limit // 1_000_000} MB")


def _check_rules(file: Path) -> None:
    """Refuse rules of a `tokenizer.json` that make texts many times longer, or whose expressions may never end.

    The library that reads them has no bounds: one such rule in a file of a kilobyte takes all memory with the first text.

    Raises:
        ModelError: there is one.
    """
    try:
        content = json.loads(file.read_bytes())
        rules = [rule for part in ("normalizer", "pre_tokenizer") for rule in _rules(content.get(part))]
        _check_merges(content.get("model"))
    except (ValueError, OSError, RecursionError, AttributeError) as error:
        raise ModelError("models.tokenizer_broken", file=str(file), why=str(error)[:200] or "{") from error
    texts = [rule.get(key) for rule in rules for key in ("content", "prepend", "replacement")]
    if prod(max(1, len(text)) for text in texts if isinstance(text, str)) > MOST_GROWTH:
        raise ModelError("models.tokenizer_broken", file=str(file), why=Phrase("models.tokenizer_grows"))
    patterns = [rule["pattern"].get("Regex") for rule in rules if isinstance(rule.get("pattern"), dict)]
    if any(isinstance(pattern, str) and is_endless(pattern) for pattern in patterns):
        raise ModelError("models.tokenizer_broken", file=str(file), why=Phrase("models.tokenizer_endless"))


def _check_merges(model: Any) -> None:
    """Refuse a prefix of inner pieces beside merges: the library cuts it off each second piece, whatever that begins with.

    Cut within a character, a piece is no text any more, and the library ends the process. No published tokenizer with merges has a prefix.

    Raises:
        ValueError: there is one.
    """
    prefix = model.get("continuing_subword_prefix") if isinstance(model, dict) else None
    if prefix and model.get("merges"):
        raise ValueError(f"continuing_subword_prefix {prefix!r:.40}")


def _rules(part: Any) -> Iterator[dict]:
    """Yield the rules of a part of `tokenizer.json`, those in sequences too."""
    if not isinstance(part, dict):
        return
    yield part
    for key in ("normalizers", "pretokenizers"):
        for inner in part.get(key) or ():
            yield from _rules(inner)


def is_endless(pattern: str) -> bool:
    """Return whether a regular expression repeats without end a group that has choices itself, or anything very often.

    Such an expression tries exponentially many ways through a text that it does not match.
    """
    groups, closed = [False], False  # whether each open group has choices, and the one just closed had
    for token in _TOKENS.findall(pattern):
        counts = [int(number) for number in re.findall(r"\d+", token)] if token[0] == "{" else []
        repeats = token in "*+" or (token[0] == "{" and token.endswith(",}"))
        if max(counts, default=0) > LONGEST_REPEAT or (repeats and closed):
            return True
        closed = token == ")" and len(groups) > 1 and groups.pop()
        if token == "(":
            groups.append(False)
        elif repeats or token == "|" or closed:
            groups[-1] = True
    return False


def _read_config(file: Path) -> dict:
    _refuse_large(file, SETTINGS_BYTES)
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
