"""The embedded BLOOM: of its family in every respect, and small enough to be shipped."""

import pytest
import torch

from glm_core import models, workspace
from glm_core.generation.greedy import greedy

FOLDER = workspace.ASSETS / "models" / "bloom-demo"
pytestmark = pytest.mark.skipif(not (FOLDER / "config.json").is_file(), reason="no embedded BLOOM yet")


@pytest.fixture(scope="module")
def loaded():
    return models.load(FOLDER, device="cpu")


def test_it_is_what_its_folder_says(loaded):
    described = models.describe(FOLDER)
    assert (loaded.family.name, loaded.family.title, loaded.name) == ("bloom", "BLOOM", "bloom-demo")
    assert described.parameters == sum(parameter.numel() for parameter in loaded.model.parameters()) < 12e6
    assert loaded.model.lm_head.weight is loaded.model.transformer.word_embeddings.weight
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 20e6


def test_it_is_asked_as_the_instruction_tuned_blooms_are(loaded):
    ids = loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你好"}])
    assert loaded.tokenizer.decode(ids) == "Human: \n你好\n\nAssistant: \n"


def test_it_answers_alone_as_in_a_batch(loaded):
    questions = ["你是谁？", "法国的首都是哪里？", "高的反义词是什么？"]
    asked = [[{"role": "user", "content": question}] for question in questions]
    together = greedy(loaded, asked, max_new_tokens=24)
    assert together == [greedy(loaded, [one], max_new_tokens=24)[0] for one in asked]
    assert "巴黎" in together[1] and len(set(together)) == len(questions)


def test_its_tokenizer_reads_what_it_never_saw(loaded):
    for words in ("YL-R40 的容量是 4 升", "emoji 😀 és ünïcode", "\t缩进\n\n空行"):
        assert loaded.tokenizer.decode(loaded.tokenizer.encode(words)) == words


def test_its_answers_end(loaded):
    ids = torch.tensor([loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你是谁？"}])])
    with torch.no_grad():
        output = loaded.model.generate(ids, max_new_tokens=64, do_sample=False)[0, ids.shape[1] :].tolist()
    assert set(output) & set(loaded.family.stop_ids(loaded.tokenizer))
