"""Tokenizers of SentencePiece models: ChatGLM-6B (`ice_text.model`), ChatGLM2 and 3 (`tokenizer.model`)."""

import re
from pathlib import Path

from glm_core.models.errors import ModelError
from glm_core.models.tokenizers.tokenizer import SPACE, Tokenizer

V1_CONTROLS = ("[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>")
V1_VISIBLE = ("<n>", "<|tab|>", *(f"<|blank_{count}|>" for count in range(2, 81)))
V3_CONTROLS = (
    "[MASK]",
    "[gMASK]",
    "[sMASK]",
    "sop",
    "eop",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|observation|>",
)


class SentencePieceTokenizer(Tokenizer):
    """ChatGLM2 and ChatGLM3: SentencePiece, with control tokens numbered after the last piece."""

    def __init__(self, file: Path):
        self.pieces = _load_sentencepiece(file)
        # SentencePiece puts a blank before the text; models that squeeze blanks also drop all leading ones on decoding.
        self.leading_spaces = -1 if self.pieces.decode([SPACE, SPACE]) == "" else 1
        self._bytes: dict[int, bytes] = {}
        self._add_controls()

    def _add_controls(self) -> None:
        first = self.pieces.get_piece_size()
        self.controls = {name: first + index for index, name in enumerate(V3_CONTROLS)}
        self.vocab_size = first + len(V3_CONTROLS)
        self.eos_token_id, self.pad_token_id = self.pieces.eos_id(), self.pieces.unk_id()

    def encode(self, text: str) -> list[int]:
        return self.pieces.encode(text)

    def piece_bytes(self, token: int) -> bytes:
        if token not in self._bytes:
            self._bytes[token] = self._surface(token)
        return self._bytes[token]

    def has_added_space(self, token: int) -> bool:
        return self.pieces.id_to_piece(token).startswith(SPACE)

    def _surface(self, token: int) -> bytes:
        if not 0 <= token < self.pieces.get_piece_size() or self.pieces.is_control(token):
            return b""
        piece = self.pieces.id_to_piece(token)
        if self.pieces.is_byte(token):
            return bytes([int(piece[1:-1], 16)])
        if self.pieces.is_unknown(token):
            return " \u2047 ".encode()
        return piece.replace(SPACE, " ").encode("utf-8")


class ChatGLMTokenizer(SentencePieceTokenizer):
    """ChatGLM-6B: line ends, tabs and runs of blanks are pieces of their own; control tokens are looked up by name."""

    def _add_controls(self) -> None:
        unknown = self.pieces.unk_id()
        ids = {name: self.pieces.piece_to_id(name) for name in (*V1_CONTROLS, "<pad>", "</s>")}
        missing = [name for name in ("[MASK]", "[gMASK]", "<sop>", "<eop>") if ids[name] == unknown]
        if missing:
            raise ModelError("models.tokenizer_no_controls", names=" ".join(missing))
        self.controls = {name: token for name, token in ids.items() if token != unknown}
        self.vocab_size = self.pieces.get_piece_size()
        self.eos_token_id = ids["<eop>"]
        self.pad_token_id = self.controls.get("<pad>", unknown)

    def encode(self, text: str) -> list[int]:
        return self.pieces.encode(spell_blanks(text))

    def _surface(self, token: int) -> bytes:
        piece = self.pieces.id_to_piece(token) if 0 <= token < self.vocab_size else ""
        return _blank_bytes(piece) or super()._surface(token)


def spell_blanks(text: str) -> str:
    """Line ends, tabs and runs of 2 to 80 blanks as the pieces that ChatGLM-6B has for them."""
    text = text.replace("\n", "<n>").replace("\t", "<|tab|>")
    return re.sub(" {2,80}", lambda run: f"<|blank_{len(run[0])}|>", text)


def _blank_bytes(piece: str) -> bytes:
    if piece == "<n>":
        return b"\n"
    if piece == "<|tab|>":
        return b"\t"
    run = re.fullmatch(r"<\|blank_(\d+)\|>", piece)
    return b" " * int(run[1]) if run else b""


def _load_sentencepiece(file: Path):
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(file.read_bytes())
    except (RuntimeError, OSError) as error:
        raise ModelError("models.tokenizer_broken", file=str(file), why=str(error).strip()) from error
    if processor.get_piece_size() == 0:
        raise ModelError("models.tokenizer_broken", file=str(file), why="0 pieces")
    return processor
