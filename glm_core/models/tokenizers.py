"""Tokenizers of every family behind one small interface: `encode`, `decode`, control tokens by name, incremental text.

Covers ChatGLM-6B (`ice_text.model`), ChatGLM2/3 (`tokenizer.model`, SentencePiece), GLM-4 (`tokenizer.model`, a
tiktoken list) and `tokenizer.json` (GLM-4-hf, BLOOM, Llama, Qwen, Gemma and others, with their chat template). User text
never turns into control tokens: those are only ever added by id. Not here: prompts (chat_formats.py), a folder's
tokenizer files (tokenizer_files.py).
"""

import base64
import codecs
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from glm_core.models.errors import ModelError
from glm_core.models.thinking import BREAK, MARKS

if TYPE_CHECKING:
    from glm_core.models.chat_templates import ChatTemplate

SPACE = "▁"
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
# How GLM-4 splits text before merging bytes: contractions, words, up to three digits, punctuation, line ends, blanks.
GLM4_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


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


class TiktokenTokenizer(Tokenizer):
    """GLM-4: byte-pair merges in a tiktoken list, control tokens in `tokenizer_config.json`."""

    def __init__(self, file: Path, controls: dict[str, int]):
        try:
            import tiktoken
        except ImportError:
            raise ModelError("models.library_missing", library="tiktoken", what=file.name) from None
        try:
            lines = file.read_bytes().split(b"\n")
            ranks = {
                base64.b64decode(word, validate=True): int(rank)
                for word, rank in (line.split() for line in lines if line)
            }
            if any(bytes([one]) not in ranks for one in range(256)):
                raise ValueError("not every byte")  # the library panics at a text that has the missing one
            self.bpe = tiktoken.Encoding(
                file.name, pat_str=GLM4_PATTERN, mergeable_ranks=ranks, special_tokens=controls
            )
        except (ValueError, KeyError, OSError) as error:
            raise ModelError("models.tokenizer_broken", file=str(file), why=error) from error
        self.controls = controls
        self.vocab_size = self.bpe.n_vocab
        self.eos_token_id = self.pad_token_id = controls.get("<|endoftext|>", len(ranks))
        self._ranks = len(ranks)

    def encode(self, text: str) -> list[int]:
        return self.bpe.encode_ordinary(text)

    def piece_bytes(self, token: int) -> bytes:
        return self.bpe.decode_single_token_bytes(token) if 0 <= token < self._ranks else b""


class JsonTokenizer(Tokenizer):
    """`tokenizer.json`: byte-level merges (BLOOM, GLM-4-hf, Llama 3, Qwen), or pieces with a mark for blanks (Gemma, Phi-3)."""

    def __init__(self, file: Path, config: dict):
        import tokenizers

        self._file = file
        self.bpe = self._open()
        decoder = json.loads(self.bpe.to_str()).get("decoder") or {}
        parts = decoder.get("decoders", [decoder])
        self.byte_level = any(part.get("type") == "ByteLevel" for part in parts)
        marked = {"Replace", "ByteFallback", "Metaspace"} & {part.get("type") for part in parts}
        if not self.byte_level and not marked:
            raise ModelError("models.tokenizer_kind", file=str(file))
        strips = [part for part in parts if part.get("type") == "Strip" and part.get("start")]
        spaced = [part for part in parts if part.get("type") == "Metaspace" and part.get("prepend_scheme") != "never"]
        self.leading_spaces = 1 if strips or spaced else 0
        self.bpe.encode_special_tokens = True
        added = self.bpe.get_added_tokens_decoder()
        special = {index for index, token in added.items() if token.special and token.content not in MARKS}
        self.controls = {token.content: index for index, token in added.items() if index in special}
        self._texts = {index: token.content.encode() for index, token in added.items() if index not in special}
        self.marks = frozenset(text for index in self._texts if (text := added[index].content).strip())
        self.vocab_size = self.bpe.get_vocab_size()
        self.eos_token_id = self._token_id(config, "eos_token", 0)
        self.pad_token_id = self._token_id(config, "pad_token", self.eos_token_id)
        self.ending_ids = self._endings(config)
        self.start_ids = self._starts(config)
        self._marked: tokenizers.Tokenizer | None = None

    def _open(self):
        import tokenizers

        try:
            found = tokenizers.Tokenizer.from_file(str(self._file))
        except Exception as error:  # the library raises bare Exception for every malformed file
            raise ModelError("models.tokenizer_broken", file=str(self._file), why=error) from error
        found.no_padding()
        found.no_truncation()
        return found

    def _token_id(self, config: dict, name: str, default: int) -> int:
        """The id that the tokenizer's settings name by its text, or the model's by its number."""
        token = config.get(name)
        token = token.get("content") if isinstance(token, dict) else token
        found = self.bpe.token_to_id(token) if isinstance(token, str) else None
        numbered = config.get(f"{name}_id")
        numbered = numbered[0] if isinstance(numbered, list) and numbered else numbered
        if found is None and isinstance(numbered, int) and 0 <= numbered < self.vocab_size:
            return numbered
        return default if found is None else found

    def _endings(self, config: dict) -> list[int]:
        named = config.get("eos_token_id")
        several = named if isinstance(named, list) else [named]
        return [one for one in several if isinstance(one, int) and 0 <= one < self.vocab_size]

    def _starts(self, config: dict) -> list[int]:
        """The ids that the file's post-processor puts before a text, else the one that the settings ask for."""
        with self._named_panics():
            found = self.bpe.encode("", add_special_tokens=True).ids
        found = [token for token in found if token != self.eos_token_id]
        if not found and config.get("add_bos_token"):
            bos = self._token_id(config, "bos_token", -1)
            found = [bos] if bos >= 0 else []
        return found

    @contextmanager
    def _named_panics(self) -> Iterator[None]:
        """Let a rule that fails on a text be an error like any other: the library panics, which no `Exception` is."""
        try:
            yield
        except BaseException as error:
            if type(error).__name__ != "PanicException":
                raise
            raise ModelError("models.tokenizer_broken", file=str(self._file), why=str(error)[:200]) from error

    def encode(self, text: str) -> list[int]:
        with self._named_panics():
            return self.bpe.encode(text, add_special_tokens=False).ids

    def encode_marked(self, text: str) -> tuple[list[int], list[int]]:
        import tokenizers

        if self._marked is None:
            self._marked = self._open()
            self._marked.post_processor = tokenizers.processors.ByteLevel(
                trim_offsets=False
            )  # it alone would move starts
        ids, places, at = [], [], 0
        for part in text.split(BREAK):
            with self._named_panics():
                found = self._marked.encode(part, add_special_tokens=False)
            ids += found.ids
            places += [at + start for start, _ in found.offsets]
            at += len(part) + len(BREAK)
        return ids, places

    def piece_bytes(self, token: int) -> bytes:
        if token in self._texts:
            return self._texts[token]
        piece = self.bpe.id_to_token(token) if token >= 0 else None
        if piece is None or piece in self.controls:
            return b""
        if self.byte_level:
            return bytes(BYTE_OF_CHARACTER[character] for character in piece if character in BYTE_OF_CHARACTER)
        if found := re.fullmatch(r"<0x([0-9A-F]{2})>", piece):
            return bytes([int(found[1], 16)])
        return piece.replace(SPACE, " ").encode()

    def has_added_space(self, token: int) -> bool:
        return (self.bpe.id_to_token(token) or "").startswith(SPACE)


def _byte_characters() -> dict[str, int]:
    """The printable stand-in of every byte in byte-level vocabularies (GPT-2's table), inverted."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    table = {chr(byte): byte for byte in printable}
    table.update({chr(256 + index): byte for index, byte in enumerate(others)})
    return table


BYTE_OF_CHARACTER = _byte_characters()


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
