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
from glm_core.models import describe, load_tokenizer
from glm_core.models.tokenizers.json_tokenizer import BYTE_OF_CHARACTER, JsonTokenizer
from glm_core.models.tokenizers.sentencepiece_model import SentencePieceTokenizer
from glm_core.models.tokenizers.tiktoken_list import TiktokenTokenizer
from glm_core.models.tokenizers.tokenizer import SPACE, Tokenizer

if TYPE_CHECKING:
    from gguf import GGUFWriter

NEVER_STRIP = ("<unk>", "<s>", "<|endoftext|>")
"Tokens that keep the blanks behind them where the others take them away, in llama.cpp's rule for Phi-3."
ASKED = [{"role": "user", "content": "a"}]
PLAIN_WORDS = {"sop": "<sop>", "eop": "<eop>"}
"""Control tokens that are spelled like parts of words; llama.cpp would find them inside a text ("sophisticated")."""

_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%s"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%s"
)
_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA_RULE = rf"{_CONTRACTIONS}|{_WORD}|\p{{N}}{{1,3}}|{_TAIL}"
BLOOM_RULE = r" ?[^(\s|[.,!?…。，、।۔،])]+"
RULES = {  # the whole regular expression of a tokenizer.json -> llama.cpp's name
    LLAMA_RULE: "chatglm-bpe",
    LLAMA_RULE.replace(_CONTRACTIONS, r"'(?i:[sdmt]|ll|ve|re)"): "chatglm-bpe",
    LLAMA_RULE.replace(r"\p{N}{1,3}", r"\p{N}"): "qwen2",
    _CASED % (_CONTRACTIONS + "?", _CONTRACTIONS + "?") + rf"|\p{{N}}{{1,3}}|{_SLASH}": "gpt-4o",
    _CASED % ("", "") + rf"|\p{{N}}|{_SLASH}": "tekken",
    BLOOM_RULE: "bloom",
}
WHOLE_WORDS = {"chatglm-bpe": "llama-bpe"}
"The same rule for a tokenizer that takes a word in its vocabulary as it is, whatever the merges make of it."


@dataclass
class Vocabulary:
    """A tokenizer's vocabulary in llama.cpp's terms.

    Attributes:
        model: "llama" (SentencePiece) or "gpt2" (byte-level merges).
        rule: llama.cpp's name of the rule by which text is split before merging; of "gpt2" only.
        pieces, kinds, scores: by token id.
        merges: pairs "left right", best first.
        eos, pad, bos: ids; bos is None where there is none.
        begins: every prompt begins with bos, so that llama.cpp puts it before a text.
        spaced: a blank is put before a text; of "llama" only.
        strips: control tokens take away the blanks behind them, as Phi-3's do.
    """

    model: str
    pieces: list[bytes]
    kinds: list[int]
    eos: int
    pad: int
    rule: str = "default"
    scores: list[float] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    bos: int | None = None
    begins: bool = False
    spaced: bool = True
    strips: bool = False

    def write(self, writer: "GGUFWriter") -> None:
        """Write it as metadata."""
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
        if self.bos is not None:
            writer.add_bos_token_id(self.bos)
        writer.add_add_bos_token(self.begins)
        writer.add_add_eos_token(False)
        if self.model == "llama":
            writer.add_add_space_prefix(self.spaced)


def model_name(name: str, found: Vocabulary) -> str:
    """Return `name` as a GGUF file may give it: llama.cpp lets control tokens strip blanks where it finds "phi-3" in it."""
    plain = re.sub(r"(?i)(phi)-?(3)|(modern)-(bert)", lambda part: " ".join(filter(None, part.groups())), name)
    return f"{plain} (phi-3)" if found.strips else plain


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
    elif isinstance(tokenizer, JsonTokenizer):
        found = _byte_level(tokenizer) if tokenizer.byte_level else _pieces(tokenizer)
    else:
        raise AdapterError("gguf.error.tokenizer", kind=type(tokenizer).__name__)
    if len(tokenizer.start_ids) == 1:
        found.bos = tokenizer.start_ids[0]
        found.begins = describe(folder).family.encode_prompt(tokenizer, ASKED)[:1] == tokenizer.start_ids
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
    model = content["model"]
    # NFC is left out: what is typed is in that form
    if model.get("type") != "BPE" or (content.get("normalizer") or {"type": "NFC"}).get("type") != "NFC":
        raise _refusal(content.get("normalizer") or model.get("type"))
    found = _listed(tokenizer, content, "gpt2")
    found.rule = split_rule(content.get("pre_tokenizer"))
    found.merges = [" ".join(pair) for pair in _merges(model)]
    if model.get("ignore_merges"):
        found.rule = WHOLE_WORDS.get(found.rule, found.rule)
        made = {left + right for left, right in _merges(model)}
        if found.rule not in WHOLE_WORDS.values() and any(len(one) > 1 and one not in made for one in model["vocab"]):
            raise _refusal("ignore_merges")
    return found


def _pieces(tokenizer: JsonTokenizer) -> Vocabulary:
    """A byte-pair tokenizer with a mark for blanks (Gemma, Llama 2), as the SentencePiece file that it was made from.

    llama.cpp joins the two neighbours whose union has the highest score, whichever they are; so merges must allow every
    way to make a piece, and all ways of one piece must have one place in their order.
    """
    content = json.loads(tokenizer.bpe.to_str())
    model = content["model"]
    if model.get("type") != "BPE" or not model.get("byte_fallback") or model.get("ignore_merges"):
        raise _refusal(model.get("type"))
    found, order = _listed(tokenizer, content, "llama"), _order(_merges(model))
    vocabulary = model["vocab"]
    _check_order(order, _merges(model), vocabulary)
    found.spaced = _puts_blank(content)
    found.scores = [-1e9] * len(found.pieces)
    for piece, index in vocabulary.items():
        if piece in order:
            found.scores[index] = -float(order[piece])
        if re.fullmatch("<0x[0-9A-F]{2}>", piece):
            found.kinds[index] = _kinds().BYTE
    if (unknown := vocabulary.get(model.get("unk_token"))) is not None:
        found.kinds[unknown] = _kinds().UNKNOWN
    return found


def _listed(tokenizer: JsonTokenizer, content: dict, kind: str) -> Vocabulary:
    """Return the pieces of a tokenizer.json under their ids, with its added tokens."""
    vocabulary = content["model"]["vocab"]
    pieces = [b""] * (max(vocabulary.values()) + 1)
    for piece, index in vocabulary.items():
        pieces[index] = piece.encode()
    kinds = [_kinds().NORMAL] * len(pieces)
    found = Vocabulary(kind, pieces, kinds, tokenizer.eos_token_id, tokenizer.pad_token_id)
    added = content.get("added_tokens") or ()
    found.strips = any(one.get("rstrip") for one in added)
    odd = [one["content"] for one in added if one.get("rstrip") != (found.strips and one["content"] not in NEVER_STRIP)]
    if odd or any(one.get("lstrip") for one in added):
        raise _refusal(f"lstrip, rstrip: {odd[:3]}")  # llama.cpp would keep the blanks beside the token
    _add_controls(found, {one["id"]: (one["content"], one["special"]) for one in added})
    return found


def _merges(model: dict) -> list[tuple[str, str]]:
    return [tuple(pair.split(" ", 1)) if isinstance(pair, str) else tuple(pair) for pair in model["merges"]]


def _order(merges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the place of every piece that merges make: 0 is made first."""
    return {piece: place for place, piece in enumerate(dict.fromkeys(left + right for left, right in merges))}


def _check_order(order: dict[str, int], merges: Sequence[tuple[str, str]], vocabulary: dict[str, int]) -> None:
    """Refuse merges that a score for every piece cannot stand for."""
    places = [order[left + right] for left, right in merges]
    allowed = set(merges)
    ways = ((piece[:cut], piece[cut:]) for piece in vocabulary for cut in range(1, len(piece)))
    unions = (way for way in ways if way[0] in vocabulary and way[1] in vocabulary)
    if places != sorted(places) or any(way not in allowed for way in unions):
        raise _refusal("merges")


def _puts_blank(content: dict) -> bool:
    """Return whether a blank is put before a text, and before what follows a control token; refuse other rules."""
    normalizer, split = content.get("normalizer") or {}, content.get("pre_tokenizer") or {}
    steps = normalizer.get("normalizers") or ([normalizer] if normalizer else [])
    marked = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    prepended = {"type": "Prepend", "prepend": SPACE}
    if split.get("type") == "Metaspace":
        scheme = split.get("prepend_scheme")
        if not steps and split.get("replacement") == SPACE and not split.get("split") and scheme != "first":
            return scheme == "always"
    elif steps in ([marked], [prepended, marked]):
        whole = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
        if not split or split == whole:  # no blank is left to split at
            return len(steps) == 2
    raise _refusal([one.get("type") for one in [*steps, split] if one])


def _refusal(kind: object) -> AdapterError:
    return AdapterError("gguf.error.tokenizer", kind=str(kind)[:80])


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
    if not any(step.get("type") == "ByteLevel" and step.get("add_prefix_space") for step in steps):
        if kinds == ["ByteLevel"] and own_split:
            return "gpt-2"
        if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and own_split:
            return "smollm"
        if kinds == ["Split", "ByteLevel"] and not own_split and (name := RULES.get(_expression(steps[0]))):
            return name
    raise AdapterError("gguf.error.split_rule", kind=" + ".join(map(str, kinds)) or "-")


def _expression(step: dict) -> str:
    """Return the regular expression that a step keeps matches of, with plain in place of possessive repetitions."""
    pattern = str((step.get("pattern") or {}).get("Regex") or "")
    kept = step.get("behavior") == "Isolated" and not step.get("invert")
    return re.sub(r"(?<=[?*+])\+|(?<=\d})\+", "", pattern) if kept else ""


def control_ids(tokenizer: Tokenizer, names: Sequence[str]) -> list[int]:
    """Return the ids of those of `names` that the tokenizer has."""
    return [tokenizer.controls[name] for name in names if name in tokenizer.controls]
