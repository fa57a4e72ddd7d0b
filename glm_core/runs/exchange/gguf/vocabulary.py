"""Tokenizers as GGUF metadata: pieces, scores, merges, kinds of tokens and the name of the splitting rule.

llama.cpp must produce the same ids as our tokenizers. A splitting rule that it does not know is refused, since another
rule would tokenize differently without a word.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from glm_core.adapters.errors import AdapterError
from glm_core.models import load_tokenizer
from glm_core.models.tokenizers import (
    BYTE_OF_CHARACTER,
    JsonTokenizer,
    SentencePieceTokenizer,
    TiktokenTokenizer,
    Tokenizer,
)

if TYPE_CHECKING:
    from gguf import GGUFWriter

PLAIN_WORDS = {"sop": "<sop>", "eop": "<eop>"}
"""Control tokens that are spelled like parts of words; llama.cpp would find them inside a text ("sophisticated")."""

BLOOM_RULE = r" ?[^(\s|[.,!?…。，、।۔،])]+"
_RULES = {  # a regular expression of tokenizer.json, reduced to what identifies it -> llama.cpp's name
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+": "chatglm-bpe",
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+": "llama-bpe",
    r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+": "qwen2",
}


@dataclass
class Vocabulary:
    """A tokenizer's vocabulary in llama.cpp's terms.

    Attributes:
        model: "llama" (SentencePiece) or "gpt2" (byte-level merges).
        rule: llama.cpp's name of the rule by which text is split before merging; of "gpt2" only.
        pieces, kinds, scores: by token id.
        merges: pairs "left right", best first.
        eos, pad: ids.
    """

    model: str
    pieces: list[bytes]
    kinds: list[int]
    eos: int
    pad: int
    rule: str = "default"
    scores: list[float] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)

    def write(self, writer: "GGUFWriter") -> None:
        """Write it as metadata. No family puts a token before a text by itself, so neither shall llama.cpp."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.rule)
        writer.add_token_list(self.pieces)
        writer.add_token_types(self.kinds)
        if self.scores:
            writer.add_token_scores(self.scores)
        if self.merges:
            writer.add_token_merges(self.merges)
        writer.add_eos_token_id(self.eos)
        writer.add_pad_token_id(self.pad)
        writer.add_add_bos_token(False)
        writer.add_add_eos_token(False)
        if self.model == "llama":
            writer.add_add_space_prefix(True)


def read(folder: Path, size: int) -> Vocabulary:
    """Return the vocabulary of the tokenizer in `folder`, filled up to `size` rows of the embedding.

    Raises:
        ModelError: there is none, or it is damaged.
        AdapterError: llama.cpp cannot split text as it does.
    """
    tokenizer = load_tokenizer(folder)
    if type(tokenizer) is SentencePieceTokenizer:
        found = _sentencepiece(tokenizer)
    elif isinstance(tokenizer, TiktokenTokenizer):
        found = _tiktoken(tokenizer)
    elif isinstance(tokenizer, JsonTokenizer) and tokenizer.byte_level:
        found = _byte_level(tokenizer)
    else:
        raise AdapterError("gguf.error.tokenizer", kind=type(tokenizer).__name__)
    _fill(found, size)
    return found


def _kinds():
    from gguf import TokenType

    return TokenType


def _fill(found: Vocabulary, size: int) -> None:
    for index in range(len(found.pieces), size):
        found.pieces.append(f"[PAD{index}]".encode())
        found.kinds.append(_kinds().UNUSED)
        if found.scores:
            found.scores.append(-10000.0)


def _sentencepiece(tokenizer: SentencePieceTokenizer) -> Vocabulary:
    kind, pieces = _kinds(), tokenizer.pieces
    found = Vocabulary("llama", [], [], tokenizer.eos_token_id, tokenizer.pad_token_id)
    for index in range(pieces.get_piece_size()):
        found.pieces.append(pieces.id_to_piece(index).encode())
        found.scores.append(pieces.get_score(index))
        if pieces.is_unknown(index):
            found.kinds.append(kind.UNKNOWN)
        elif pieces.is_control(index):
            found.kinds.append(kind.CONTROL)
        elif pieces.is_byte(index):
            found.kinds.append(kind.BYTE)
        else:
            found.kinds.append(kind.UNUSED if pieces.is_unused(index) else kind.NORMAL)
    for name in tokenizer.controls:
        found.pieces.append(PLAIN_WORDS.get(name, name).encode())
        found.scores.append(-1000.0)
        found.kinds.append(kind.CONTROL)
    return found


def _tiktoken(tokenizer: TiktokenTokenizer) -> Vocabulary:
    kind, ranks = _kinds(), tokenizer.bpe._mergeable_ranks
    character = {byte: text for text, byte in BYTE_OF_CHARACTER.items()}

    def spelled(piece: bytes) -> str:
        return "".join(character[byte] for byte in piece)

    pieces = [b""] * len(ranks)
    for piece, rank in ranks.items():
        pieces[rank] = spelled(piece).encode()
    merges = [" ".join(map(spelled, pair)) for pair in merge_pairs(ranks)]
    found = Vocabulary("gpt2", pieces, [kind.NORMAL] * len(pieces), tokenizer.eos_token_id, tokenizer.pad_token_id)
    found.rule, found.merges = "chatglm-bpe", merges
    _add_controls(found, {index: (name, True) for name, index in tokenizer.controls.items()})
    return found


def merge_pairs(ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """Return the merges behind a tiktoken list, best first: each piece of two bytes or more is the union of the two
    pieces that merging by lower ranks leaves of it."""
    pairs = []
    for piece, rank in sorted(ranks.items(), key=lambda one: one[1]):
        parts = [bytes([byte]) for byte in piece]
        while len(parts) > 2:
            joined = [ranks.get(left + right, rank) for left, right in zip(parts, parts[1:], strict=False)]
            best = min(range(len(joined)), key=joined.__getitem__)
            if joined[best] >= rank:
                break
            parts[best : best + 2] = [parts[best] + parts[best + 1]]
        if len(parts) == 2:
            pairs.append((parts[0], parts[1]))
    return pairs


def _byte_level(tokenizer: JsonTokenizer) -> Vocabulary:
    content = json.loads(tokenizer.bpe.to_str())
    model, kind = content["model"], _kinds()
    if content.get("normalizer") or model.get("type") != "BPE":
        raise AdapterError("gguf.error.tokenizer", kind=str(content.get("normalizer") or model.get("type"))[:80])
    pieces = [b""] * (max(model["vocab"].values()) + 1)
    for piece, index in model["vocab"].items():
        pieces[index] = piece.encode()
    found = Vocabulary("gpt2", pieces, [kind.NORMAL] * len(pieces), tokenizer.eos_token_id, tokenizer.pad_token_id)
    found.rule = split_rule(content.get("pre_tokenizer"))
    found.merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    _add_controls(found, {one["id"]: (one["content"], one["special"]) for one in content.get("added_tokens") or ()})
    return found


def _add_controls(found: Vocabulary, added: dict[int, tuple[str, bool]]) -> None:
    kind = _kinds()
    _fill(found, max([len(found.pieces) - 1, *added]) + 1)
    for index, (name, special) in added.items():
        found.pieces[index] = name.encode()
        found.kinds[index] = kind.CONTROL if special else kind.USER_DEFINED


def split_rule(rule: dict | None) -> str:
    """Return llama.cpp's name for the `pre_tokenizer` of a tokenizer.json.

    Raises:
        AdapterError: it has no such rule.
    """
    steps = (rule or {}).get("pretokenizers") or [rule or {}]
    kinds = [step.get("type") for step in steps]
    own_split = any(step.get("type") == "ByteLevel" and step.get("use_regex", True) for step in steps)
    expressions = [_expression(step) for step in steps if step.get("type") == "Split"]
    if kinds == ["ByteLevel"] and own_split:
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and own_split:
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and not own_split:
        if expressions[0] == BLOOM_RULE:
            return "bloom"
        for mark, name in _RULES.items():
            if mark in expressions[0]:
                return name
    raise AdapterError("gguf.error.split_rule", kind=" + ".join(map(str, kinds)) or "-")


def _expression(step: dict) -> str:
    pattern = step.get("pattern") or {}
    return str(pattern.get("Regex") or re.escape(str(pattern.get("String") or "")))


def control_ids(tokenizer: Tokenizer, names: Sequence[str]) -> list[int]:
    """Return the ids of those of `names` that the tokenizer has."""
    return [tokenizer.controls[name] for name in names if name in tokenizer.controls]
