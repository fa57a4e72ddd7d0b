"""The tokenizer of a tiktoken list: GLM-4 (`tokenizer.model`)."""

import base64
from pathlib import Path

from glm_core.models.errors import ModelError
from glm_core.models.tokenizers.tokenizer import Tokenizer

# How GLM-4 splits text before merging bytes: contractions, words, up to three digits, punctuation, line ends, blanks.
GLM4_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


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
