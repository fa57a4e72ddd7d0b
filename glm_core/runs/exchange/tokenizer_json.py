"""`tokenizer.json` for models published with a SentencePiece or tiktoken file, so that plain transformers opens them.

The same ids as the published tokenizer, without its code. `sop` and `eop` become `<sop>` and `<eop>`: under their bare
names they would be found inside words.
"""

from pathlib import Path

import tokenizers
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers

from glm_core import workspace
from glm_core.models import load_tokenizer
from glm_core.models.tokenizers.json_tokenizer import BYTE_OF_CHARACTER
from glm_core.models.tokenizers.sentencepiece_model import SentencePieceTokenizer
from glm_core.models.tokenizers.tiktoken_list import GLM4_PATTERN, TiktokenTokenizer
from glm_core.models.tokenizers.tokenizer import SPACE, Tokenizer
from glm_core.runs.exchange.gguf.vocabulary import PLAIN_WORDS, merge_pairs

FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"
BPE = 2  # sentencepiece's number for byte-pair models


def write(folder: Path) -> bool:
    """Write `tokenizer.json` and its configuration into `folder`, which has the published file.

    Returns:
        False where there is one already, or where `tokenizers` cannot do what the published one does (ChatGLM-6B).
    """
    if (folder / FILE).is_file() or not (folder / "tokenizer.model").is_file():
        return False
    tokenizer = load_tokenizer(folder)
    built = build(folder, tokenizer)
    if built is None:
        return False
    built.save(str(folder / FILE))
    own = _read_config(folder / CONFIG)
    own = {key: value for key, value in own.items() if key not in ("auto_map", "tokenizer_class", "remove_space")}
    eos = built.id_to_token(tokenizer.eos_token_id)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": eos,
        "pad_token": built.id_to_token(tokenizer.pad_token_id) or eos,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
        "model_input_names": ["input_ids", "attention_mask"],
    }
    workspace.write_json(folder / CONFIG, own | settings)
    return True


def build(folder: Path, tokenizer: Tokenizer) -> tokenizers.Tokenizer | None:
    """Return the tokenizer as the `tokenizers` library has it, None where it cannot be had."""
    if type(tokenizer) is SentencePieceTokenizer:
        return _sentencepiece(folder / "tokenizer.model", tokenizer)
    return _tiktoken(tokenizer) if isinstance(tokenizer, TiktokenTokenizer) else None


def _sentencepiece(file: Path, tokenizer: SentencePieceTokenizer) -> tokenizers.Tokenizer | None:
    proto = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]  # made when it is imported
    proto.ParseFromString(file.read_bytes())
    rules = proto.normalizer_spec
    if proto.trainer_spec.model_type != BPE or rules.precompiled_charsmap or rules.remove_extra_whitespaces:
        return None
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    model = models.BPE(
        {piece: index for index, (piece, _) in enumerate(pieces)},
        _merges(dict(pieces)),
        unk_token=pieces[tokenizer.pieces.unk_id()][0],
        fuse_unk=True,
        byte_fallback=proto.trainer_spec.byte_fallback,
    )
    built = tokenizers.Tokenizer(model)
    steps = [normalizers.Prepend(SPACE)] if rules.add_dummy_prefix else []
    built.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])
    built.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    _add_controls(built, tokenizer.controls)
    return built


def _merges(scores: dict[str, float]) -> list[tuple[str, str]]:
    """Return every way to make a piece of two others, best piece first."""
    merges = []
    for piece, score in scores.items():
        pairs = [(piece[:cut], piece[cut:]) for cut in range(1, len(piece))]
        merges += [(score, *pair) for pair in pairs if pair[0] in scores and pair[1] in scores]
    return [(left, right) for _, left, right in sorted(merges, key=lambda one: -one[0])]


def _tiktoken(tokenizer: TiktokenTokenizer) -> tokenizers.Tokenizer:
    ranks = tokenizer.bpe._mergeable_ranks
    character = {byte: text for text, byte in BYTE_OF_CHARACTER.items()}

    def spelled(piece: bytes) -> str:
        return "".join(character[byte] for byte in piece)

    vocabulary = {spelled(piece): rank for piece, rank in ranks.items()}
    merges = [(spelled(left), spelled(right)) for left, right in merge_pairs(ranks)]
    built = tokenizers.Tokenizer(models.BPE(vocabulary, merges, ignore_merges=True))
    split = pre_tokenizers.Split(Regex(GLM4_PATTERN), "isolated")
    built.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(False, use_regex=False)])
    built.decoder = decoders.ByteLevel()
    _add_controls(built, tokenizer.controls)
    return built


def _add_controls(built: tokenizers.Tokenizer, controls: dict[str, int]) -> None:
    """Add the control tokens, which must come out under their published ids."""
    for name, index in sorted(controls.items(), key=lambda one: one[1]):
        spelled = PLAIN_WORDS.get(name, name)
        built.add_special_tokens([AddedToken(spelled, special=True, normalized=False)])
        if built.token_to_id(spelled) != index:
            raise ValueError(f"{spelled} is token {built.token_to_id(spelled)}, not {index}")


def _read_config(file: Path) -> dict:
    try:
        found = workspace.parse_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
