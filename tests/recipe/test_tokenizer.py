"""A tokenizer trained for the embedded models: the published pieces, the same file from the same texts."""

import random

from glm_core.models import load_tokenizer
from glm_core.models.tokenizers.sentencepiece_model import V1_CONTROLS
from recipe.tokenizer import train_tokenizer
from tests.tiny import tiny_chatglm


def test_a_trained_tokenizer_has_the_published_pieces(tmp_path):
    tiny = load_tokenizer(tiny_chatglm(tmp_path / "tiny"))
    assert set(V1_CONTROLS) <= set(tiny.controls)
    assert [tiny.pieces.id_to_piece(index) for index in range(4)] == ["<unk>", "<s>", "</s>", "<pad>"]
    for string in ("<n>", "<|tab|>", "<|blank_2|>", "<|blank_80|>"):
        assert tiny.encode(string)[-1] == tiny.pieces.piece_to_id(string)
    again = train_tokenizer(["砚台上的墨" * 3], tmp_path, 400, required_chars="龘")
    assert len(again.encode("龘")) <= 2 and again.decode(again.encode("龘")) == "龘"


def test_training_is_reproducible(tmp_path):
    texts = [f"第{number}句话，说的是{number}。" for number in random.Random(0).sample(range(1000), 200)]
    for name in ("a", "b"):
        train_tokenizer(iter(texts), tmp_path / name, 420)
    assert (tmp_path / "a/ice_text.model").read_bytes() == (tmp_path / "b/ice_text.model").read_bytes()
