"""Training of a tokenizer in the layout of ChatGLM-6B."""

import io
import unicodedata
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from sentencepiece import SentencePieceTrainer

from glm_core import workspace
from glm_core.models.tokenizers.sentencepiece_model import V1_CONTROLS, V1_VISIBLE, ChatGLMTokenizer, spell_blanks

CONFIG = {
    "bos_token": "<sop>",
    "eos_token": "<eop>",
    "end_token": "</s>",
    "gmask_token": "[gMASK]",
    "mask_token": "[MASK]",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "remove_space": False,
    "do_lower_case": False,
    "tokenizer_class": "ChatGLMTokenizer",
    "num_image_tokens": 0,
}
"Of `tokenizer_config.json`."


def train_tokenizer(
    texts: Iterable[str], folder: str | Path, vocab_size: int, required_chars: str = ""
) -> ChatGLMTokenizer:
    """Train a SentencePiece model on `texts` and write `ice_text.model` and `tokenizer_config.json` into `folder`.

    Normalization (NFKC), byte fallback, split digits and the special pieces are those of ChatGLM-6B: the control
    pieces cannot come out of text, <n>, <|tab|> and <|blank_k|> can. The ids differ: special pieces come first.

    Args:
        vocab_size: number of pieces, of which 349 are special; fewer are made where `texts` do not suffice.
        required_chars: characters that get a piece of their own however rare they are.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    workspace.write_atomic(folder / "ice_text.model", _train_pieces(texts, vocab_size, required_chars))
    workspace.write_json(folder / "tokenizer_config.json", CONFIG)
    return ChatGLMTokenizer(folder / "ice_text.model")


def _train_pieces(texts: Iterable[str], vocab_size: int, required_chars: str) -> bytes:
    """Return the SentencePiece model of `texts`."""
    required = sorted(set(unicodedata.normalize("NFKC", required_chars)))
    # Each required character is a text too: some versions of the trainer abort on one that occurs nowhere.
    everything = chain((spell_blanks(text) for text in texts), required)
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=everything,
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        byte_fallback=True,
        split_digits=True,
        character_coverage=0.9999,
        required_chars="".join(required),
        pad_id=3,
        num_threads=1,
        control_symbols=list(V1_CONTROLS),
        user_defined_symbols=list(V1_VISIBLE),
        max_sentence_length=65536,
        minloglevel=2,
    )
    return model.getvalue()
