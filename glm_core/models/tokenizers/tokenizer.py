"""The interface of every tokenizer: `encode`, `decode`, control tokens by name, incremental text.

User text never turns into control tokens: those are only ever added by id. Not here: prompts (chat_formats.py).
"""

import codecs
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glm_core.models.chat_templates import ChatTemplate


SPACE = "▁"


class Tokenizer:
    """The interface of every tokenizer. `controls` maps the names of control tokens to ids; `pad_token_id` fills batches.

    Subclasses give `encode` and `piece_bytes`; text is the UTF-8 of all pieces' bytes, so that decoding at once and
    decoding token by token cannot differ.
    """

    controls: dict[str, int] = {}
    pad_token_id: int = 0
    eos_token_id: int = 0
    vocab_size: int = 0
    chat_template: "ChatTemplate | None" = None
    start_ids: list[int] = []
    """Ids that every text of the model begins with."""
    ending_ids: list[int] = []
    """Ids that the model's settings name as ends of an answer."""
    marks: frozenset[str] = frozenset()
    """Texts of added tokens that are no control tokens, such as `<think>`."""
    leading_spaces = 0
    """Number of blanks that the encoder may have put before the text, which decoding takes away again; -1: any number."""

    @property
    def gmask_token_id(self) -> int:
        """[gMASK], where a ChatGLM generates."""
        return self.controls["[gMASK]"]

    @property
    def mask_token_id(self) -> int:
        """[MASK], the short blank of ChatGLM-6B."""
        return self.controls["[MASK]"]

    @property
    def bos_token_id(self) -> int:
        """The start of the answer: <sop>, which ChatGLM2 and 3 spell without brackets."""
        return self.controls["<sop>"] if "<sop>" in self.controls else self.controls["sop"]

    def encode(self, text: str) -> list[int]:
        """Ids of `text` alone, without control tokens."""
        raise NotImplementedError

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids of the control tokens."""
        return frozenset(self.controls.values())

    def encode_marked(self, text: str) -> tuple[list[int], list[int]]:
        """Ids of a rendered chat template, whose control tokens are spelled out, and the character each begins at.

        `thinking.BREAK` stands for no text; what is at its two sides is encoded apart.
        """
        raise NotImplementedError

    def piece_bytes(self, token: int) -> bytes:
        """UTF-8 bytes that `token` stands for; none for a control token or an id out of range."""
        raise NotImplementedError

    def has_added_space(self, token: int) -> bool:
        """Return whether the first byte of `token` may be a blank that the encoder put there."""
        return False

    def decode(self, ids: Iterable[int]) -> str:
        """Text of `ids`; control tokens give none, broken UTF-8 gives U+FFFD."""
        detokenizer = Detokenizer(self)
        return "".join([detokenizer.push(int(token)) for token in ids]) + detokenizer.finish()


class Detokenizer:
    """Turns a stream of ids into text deltas: never half a character, and a cost that does not grow with the text."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._strippable = tokenizer.leading_spaces

    def push(self, token: int) -> str:
        """The text that `token` completes; "" while a character is still missing bytes."""
        piece = self._tokenizer.piece_bytes(token)
        if self._strippable and piece:
            piece = piece[1:] if self._tokenizer.has_added_space(token) else piece
            self._strippable = -1 if self._strippable < 0 and not piece else 0
        return self._decoder.decode(piece)

    def finish(self) -> str:
        """Return what is left at the end: U+FFFD when the last character never became whole."""
        return self._decoder.decode(b"", final=True)
