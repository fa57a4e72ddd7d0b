"""The embedded model: loads from its folder, and answers alike alone, in a padded batch, with and without cache."""

import re
from functools import cache

import pytest
import torch

from glm_core import i18n, models

pytestmark = pytest.mark.skipif(not (models.demo_path() / "config.json").is_file(), reason="no embedded model yet")

QUESTIONS = (
    "你好",
    "你是谁？",
    "三十五加二十一等于多少？",
    "法国的首都是哪里？",
    "高的反义词是什么？",
    "推荐一部电影",
    "类型#上衣*材质#牛仔布*颜色#白色*风格#简约*图案#刺绣",
    "量子色动力学是什么？",
    "再见",
)


@cache
def demo() -> models.LoadedModel:
    return models.load(models.demo_path(), device="cpu")


def prompt(question: str, *history: str) -> list[int]:
    roles = ("user", "assistant")
    messages = [{"role": roles[index % 2], "content": content} for index, content in enumerate([*history, question])]
    return demo().family.encode_prompt(demo().tokenizer, messages)


def prompts() -> list[list[int]]:
    return [*map(prompt, QUESTIONS), prompt("我叫什么？", "我叫小林", "你好，小林！")]


def answer(ids: torch.Tensor, **options) -> list[list[int]]:
    """Greedy ids up to the end token, row by row."""
    end = demo().tokenizer.eos_token_id
    rows = demo().model.generate(ids, max_new_tokens=32, do_sample=False, **options)[:, ids.shape[1] :].tolist()
    return [row[: row.index(end)] if end in row else row for row in rows]


def test_it_is_what_its_folder_says():
    loaded = demo()
    assert (loaded.family.name, loaded.name) == ("chatglm", "chatglm-demo")
    assert loaded.model.lm_head.weight is loaded.model.transformer.word_embeddings.weight
    assert (
        15e6
        < models.describe(models.demo_path()).parameters
        == sum(p.numel() for p in loaded.model.parameters())
        < 25e6
    )
    assert sum(file.stat().st_size for file in models.demo_path().iterdir()) < 45e6


def test_padded_batch_equals_single_rows():
    rows = prompts()
    width = max(map(len, rows))
    ids = torch.tensor([[demo().tokenizer.pad_token_id] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    assert answer(ids, attention_mask=mask) == [answer(torch.tensor([row]))[0] for row in rows]


def test_cached_equals_uncached():
    for row in prompts():
        assert answer(torch.tensor([row])) == answer(torch.tensor([row]), use_cache=False)


def test_answers_depend_on_the_question():
    answers = [tuple(answer(torch.tensor([row]))[0]) for row in prompts()]
    assert len(set(answers)) >= len(answers) - 1


def test_the_home_page_shows_what_it_really_answers():
    shown = re.sub(r":gray-background\[(.*?)\]", r"\1", i18n.table("zh")["home.answer_before"])
    said = demo().family.clean(demo().tokenizer.decode(answer(torch.tensor([prompt("你是谁？")]))[0]))
    assert "你是谁？" in i18n.table("zh")["home.question"] and said.replace(" ", "") == shown.replace(" ", "")


def test_the_tokenizer_reads_every_common_character():
    tokenizer = demo().tokenizer
    rows = (bytes([high, low]) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF))
    characters = [code.decode("gb2312", errors="ignore") for code in rows]
    broken = [c for c in characters if c and tokenizer.decode(tokenizer.encode(c)) != c]
    assert not broken
