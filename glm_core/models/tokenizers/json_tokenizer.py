"""The tokenizer of a `tokenizer.json`: GLM-4-hf, BLOOM, Llama, Qwen, Gemma and others, with their chat template."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glm_core.models.errors import ModelError
from glm_core.models.thinking import BREAK, MARKS
from glm_core.models.tokenizers.tokenizer import SPACE, Tokenizer


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
