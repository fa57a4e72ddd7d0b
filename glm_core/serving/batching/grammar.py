"""Answers that must match a grammar: JSON, a JSON schema, a regular expression, one of several texts.

llguidance follows the grammar; here it learns the tokens of any of our tokenizers and gives the mask of one row's next
token. A grammar is a string as `json_schema`, `regex` and `choice` return it, so that requests can carry it.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy

from glm_core.serving.errors import RequestError

if TYPE_CHECKING:
    import torch
    from llguidance import LLMatcher

    from glm_core.models.registry import Family
    from glm_core.models.tokenizers.tokenizer import Tokenizer

COMPACT: Any = {"whitespace_flexible": False}
"No free line ends and blanks, in which a small model would wander until its answer is cut."
LONGEST_REASON = 200
FUEL = 100_000
"""What one step of a grammar may cost, in llguidance's units: `(a{1000}){1000}` is given up after 0.6 s, with its own million
after 9.3 s (a core, 8,000 tokens), in which nobody else's answer would go on."""


def json_schema(schema: dict | bool, field: str = "response_format") -> str:
    """Return the grammar of JSON texts that `schema` describes.

    Raises:
        RequestError: the schema is wrong, or uses what cannot be enforced; `field` names the part of the request.
    """
    from llguidance import LLMatcher

    try:
        return _checked(LLMatcher.grammar_from_json_schema(json.dumps(_closed(schema)), overrides=COMPACT), field)
    except ValueError as error:
        raise RequestError("serving.bad_grammar", field, why=str(error)[:LONGEST_REASON]) from error


def json_object() -> str:
    """Return the grammar of any JSON object."""
    return json_schema({"type": "object"})


def regex(pattern: str, field: str = "guided_regex") -> str:
    """Return the grammar of texts that match `pattern` as a whole.

    Raises:
        RequestError: as `json_schema`.
    """
    from llguidance import LLMatcher

    return _checked(LLMatcher.grammar_from_regex(pattern), field)


def choice(texts: Sequence[str], field: str = "guided_choice") -> str:
    """Return the grammar of the given texts.

    Raises:
        RequestError: as `json_schema`.
    """
    from llguidance import LLMatcher

    words = " | ".join(json.dumps(text, ensure_ascii=False) for text in texts)
    one_lexeme = f"start: TEXT\nTEXT: {words}\n"  # as alternatives of a rule no more than 2,000 could be followed
    return _checked(LLMatcher.grammar_from_lark(one_lexeme), field)


def text_or_json(schema: dict, field: str = "tools") -> str:
    """Return the grammar of free text that does not begin with a brace, or of JSON that `schema` describes.

    Raises:
        RequestError: as `json_schema`.
    """
    from llguidance import LLMatcher

    body = json.dumps(_closed(schema) | {"x-guidance": COMPACT}, ensure_ascii=False)
    return _checked(
        LLMatcher.grammar_from_lark(f"start: TEXT | call\nTEXT: /[^{{](.|\\n)*/\ncall: %json {body}\n"), field
    )


def _closed(schema: object) -> object:
    """The schema, whose objects have no other properties than those it names unless it says so itself.

    Otherwise a small model would invent one property after the other until its answer is cut.
    """
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    open_ended = isinstance(schema.get("properties"), dict) and "allOf" not in schema and "$ref" not in schema
    closed = {"additionalProperties": False} if open_ended else {}
    return closed | {
        name: value if name in ("const", "enum", "default") else _closed(value) for name, value in schema.items()
    }


def _checked(grammar: str, field: str) -> str:
    from llguidance import LLMatcher

    if why := LLMatcher.validate_grammar(grammar):
        first = why.strip().splitlines()[0] if not why.startswith("WARNING") else ""
        if first:
            raise RequestError("serving.bad_grammar", field, why=first[:LONGEST_REASON])
    return grammar


class _Vocabulary:
    """A tokenizer as llguidance asks for it."""

    bos_token_id = None

    def __init__(self, tokenizer: "Tokenizer", width: int, stops: Sequence[int]):
        self._tokenizer = tokenizer
        self.tokens = [tokenizer.piece_bytes(token) if token < tokenizer.vocab_size else b"" for token in range(width)]
        self.special_token_ids = [token for token, piece in enumerate(self.tokens) if not piece]
        self.eos_token_id = stops[0]
        self._ids = {piece: token for token, piece in reversed(list(enumerate(self.tokens))) if piece}
        self._longest = max(map(len, self._ids), default=1)

    def __call__(self, text: bytes) -> list[int]:
        """Return ids whose bytes are exactly `text`: SentencePiece puts a blank before it, and that would not match."""
        ids = self._tokenizer.encode(text.decode("utf-8", "replace"))
        return ids if b"".join(self.tokens[token] for token in ids) == text else self._spell(text)

    def _spell(self, text: bytes) -> list[int]:
        """The longest pieces from the left."""
        ids, start = [], 0
        while start < len(text):
            ends = range(min(len(text), start + self._longest), start, -1)
            end = next((end for end in ends if text[start:end] in self._ids), None)
            if end is None:
                break  # a byte that the vocabulary lacks
            ids.append(self._ids[text[start:end]])
            start = end
        return ids


class GrammarCompiler:
    """Follows grammars with the tokens of one model.

    Args:
        width: columns of its logits.
    """

    def __init__(self, family: "Family", tokenizer: "Tokenizer", width: int):
        from llguidance import LLTokenizer, TokenizerWrapper

        self._stops = sorted(token for token in family.stop_ids(tokenizer) if 0 <= token < width)
        self._width = width
        vocabulary = _Vocabulary(tokenizer, width, self._stops)
        self._tokenizer = LLTokenizer(TokenizerWrapper(vocabulary), n_vocab=width, eos_token=self._stops)

    def follow(self, grammar: str, field: str = "response_format") -> "TokenMask":
        """Return the masks of a new answer; `field` names the part of the request that has the grammar.

        Raises:
            RequestError: the grammar is too complex.
        """
        from llguidance import LLMatcher, LLParserLimits

        limits = LLParserLimits(initial_lexer_fuel=FUEL, step_lexer_fuel=FUEL)
        matcher = LLMatcher(self._tokenizer, grammar, limits=limits)
        if matcher.is_error():
            raise RequestError("serving.bad_grammar", field, why=matcher.get_error()[:LONGEST_REASON])
        return TokenMask(matcher, self._width, self._stops)


class TokenMask:
    """State of one answer in its grammar."""

    def __init__(self, matcher: "LLMatcher", width: int, stops: Sequence[int]):
        ends = numpy.zeros(-(-width // 32) * 32, dtype=bool)
        ends[list(stops)] = True
        self._matcher, self._width, self._stops = matcher, width, frozenset(stops)
        self._ends = numpy.packbits(ends, bitorder="little").tobytes()

    @property
    def failure(self) -> str:
        """Return why the grammar cannot be followed any further, which only shows on the way; empty where it can."""
        if not self._matcher.is_error():
            return ""
        why = self._matcher.get_error().splitlines()[0][:LONGEST_REASON]
        return "no text matches it" if why.startswith("NoExtension") else why

    def allows(self, token: int) -> bool:
        """Return whether the answer may go on with `token`: far cheaper than the mask of the whole vocabulary."""
        if self._matcher.is_stopped():
            return token in self._stops and not self._matcher.is_error()
        return self._matcher.validate_tokens([token]) == 1

    def apply(self, logits: "torch.Tensor") -> None:
        """Set the logits (V,) of tokens that the grammar does not allow next to minus infinity, in place; all, on a `failure`."""
        bits = self._ends if self._matcher.is_stopped() else self._matcher.compute_bitmask()
        if self._matcher.is_error():  # llguidance would let the answer end here
            logits.fill_(float("-inf"))
            return
        refused = _unpack(~numpy.frombuffer(bits, numpy.uint8), logits.device)  # (V rounded up)
        logits.masked_fill_(refused[: self._width], float("-inf"))

    def note(self, token: int) -> None:
        """The answer goes on with `token`."""
        if not self._matcher.is_stopped():
            self._matcher.consume_token(token)


def _unpack(bits: numpy.ndarray, device: "torch.device") -> "torch.Tensor":
    """Eight booleans of each byte, the lowest bit first, on `device`; a GPU gets the bytes and unpacks them itself."""
    import torch

    from glm_core.generation.decode import send

    if device.type == "cpu":
        return torch.from_numpy(numpy.unpackbits(bits, bitorder="little").view(bool))
    places = torch.arange(8, device=device)
    return (send(torch.from_numpy(bits), device)[:, None] >> places & 1).bool().flatten()
