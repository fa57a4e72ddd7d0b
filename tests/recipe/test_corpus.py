"""The corpus generator: the same for the same seed, wide, honest about what it holds out, and able to judge answers."""

import importlib
import json
import os
import random
import re
import subprocess
import sys

import pytest

from glm_core import workspace
from recipe import corpus
from recipe.corpus import grammar, identity, wording

SKILLS = list(corpus.SKILLS)
OWN_WORDS = {"me": [identity.NAME], "author": [identity.AUTHOR], "anyone": ["张三"]}


def drawn(skill: str, count: int, held_out: bool = False) -> list[grammar.Sample]:
    return list(corpus.samples(7, count, held_out, [skill]))


def demo() -> dict:
    return json.loads((workspace.ASSETS / "evaluation" / "demo.json").read_text("utf-8"))


def imprint_rows() -> list[dict]:
    lines = (workspace.ASSETS / "datasets" / "imprint.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def spoken(question: str) -> str:
    """A question about the assistant without its polite opening and final mark."""
    openers = sorted((*wording.NEUTRAL, *wording.ASKING), key=len, reverse=True)
    return re.sub(f"^(?:(?:{'|'.join(map(re.escape, openers))})[，,：！。 ]?)+", "", question).rstrip("？。")


def test_template_expands_nested_alternatives_and_slots():
    rng = random.Random(0)
    template = "{你|{您|阁下}}住<city>{吗|}？"
    texts = {grammar.expand(template, rng, {"city": ["北京", "{上|下}海"]}) for _ in range(400)}
    assert len(texts) == grammar.wordings(template, {"city": ["北京", "{上|下}海"]}) == 18
    assert all(grammar.covers([template], text, {"city": ["北京", "{上|下}海"]}) for text in texts)
    assert not grammar.covers([template], "你住南京？", {"city": ["北京"]})


def test_slot_text_is_inserted_literally_and_errors_are_told():
    assert grammar.expand("说<x>", random.Random(0), {"x": "{a|b}"}) == "说{a|b}"
    with pytest.raises(KeyError):
        grammar.expand("<absent>", random.Random(0))
    for broken in ("{a|b", "a}", "<a"):
        with pytest.raises(ValueError):
            grammar.expand(broken, random.Random(0), {"a": "x"})


def test_held_out_wordings_are_those_that_no_trained_template_gives():
    said = wording.Wordings(["你叫什么", "叫<x>的是{你|他}", "{你|您}贵姓", "{你|您}是谁"], {"x": ["甲", "乙"]})
    assert said.trained[0] == "你叫什么" and said.kept
    kept = {said.draw(random.Random(seed), True, {"y": "丙"}) for seed in range(50)}
    trained = {said.draw(random.Random(seed)) for seed in range(200)}
    assert kept and not kept & trained
    assert said.holds("你叫什么呀？") and not said.holds("你叫啥")
    with pytest.raises(ValueError):
        wording.Wordings([])
    with pytest.raises(ValueError):
        wording.Wordings(["好", "{好|好啊}", "好呀"]).draw(random.Random(0), True)


def test_half_of_the_questions_carry_words_before_or_after_them():
    rng = random.Random(0)
    said = [wording.decorate("你是谁？", rng) for _ in range(2000)]
    assert 0.4 < sum(text != "你是谁？" for text in said) / len(said) < 0.65
    assert len(set(said)) > 500
    held = wording.split(wording.ASKING)[1]
    assert held and not any(text.startswith(f"{word}，") for text in said for word in held)


def test_comparison_ignores_width_and_white_space():
    assert grammar.same("你好，世界！", "你好, 世界!")
    assert not grammar.same("你好，世界", "你好世界")
    assert grammar.contains("由 easyAIGC项目组 训练", identity.AUTHOR)


def test_same_seed_same_samples_and_other_seed_others():
    first, again, other = (list(corpus.samples(seed, 300)) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    assert list(corpus.samples(3, 100)) == first[:100]


def test_samples_do_not_depend_on_the_hash_seed_of_the_process():
    program = "from recipe.corpus import samples; print([s.messages for s in samples(2, 1500)])"
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            cwd=workspace.ASSETS.parent,
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


@pytest.mark.parametrize("skill", SKILLS)
def test_dialogue_alternates_and_ends_with_an_answer(skill):
    for sample in drawn(skill, 150):
        roles = [message["role"] for message in sample.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert all(message["content"].strip() for message in sample.messages)
        assert not any(mark in message["content"] for message in sample.messages for mark in "{}<>|")


@pytest.mark.parametrize("held_out", (False, True), ids=("trained", "held_out"))
@pytest.mark.parametrize("skill", SKILLS)
def test_skill_accepts_its_own_answers(skill, held_out):
    refused = [sample for sample in drawn(skill, 150, held_out) if not corpus.check(sample, sample.answer)]
    assert not refused, refused[0]


@pytest.mark.parametrize("skill", SKILLS)
def test_skill_rejects_the_answers_of_other_skills(skill):
    """Answers of another skill are wrong but for chance (a yes is a yes everywhere)."""
    mine = drawn(skill, 300)
    others = [sample for sample in corpus.samples(11, 900) if sample.skill not in (skill, "mixed")][:300]
    accepted = sum(corpus.check(one, other.answer) for one, other in zip(mine, others, strict=True))
    assert accepted <= 12, f"{accepted} of 300 foreign answers pass"


def test_check_compares_after_normalization():
    for sample in corpus.samples(5, 400):
        assert corpus.check(sample, grammar.plain(sample.answer)), sample


def test_held_out_questions_never_occur_in_training():
    trained = {(sample.skill, grammar.plain(sample.question)) for sample in corpus.samples(1, 5_000)}
    held_out = {(sample.skill, grammar.plain(sample.question)) for sample in corpus.samples(1, 5_000, held_out=True)}
    assert not trained & held_out


@pytest.mark.parametrize("skill", SKILLS)
def test_samples_are_varied(skill):
    """Three thousand draws hold few repetitions, but for the skills whose world is small by nature."""
    floor = {"greeting": 0.7, "antonyms": 0.8, "colours": 0.75, "weekdays": 0.7, "talk": 0.7}.get(skill, 0.9)
    texts = {tuple(message["content"] for message in sample.messages) for sample in drawn(skill, 3000)}
    assert len(texts) >= floor * 3000


def test_identity_is_asked_in_very_many_wordings():
    questions = {sample.question for sample in drawn("identity", 8000)}
    assert len(questions) > 5000
    lists = identity.LISTS | OWN_WORDS
    counted = sum(grammar.wordings(template, lists) for said in identity.SAID.values() for template in said.trained)
    assert counted > 100_000


def test_author_is_named_whenever_asked_for():
    for held_out in (False, True):
        for sample in drawn("identity", 1500, held_out):
            if sample.facts["intent"] == "author":
                assert identity.AUTHOR in sample.answer
                assert not corpus.check(sample, sample.answer.replace(identity.AUTHOR, "张三"))


def test_persona_answers_with_the_names_of_the_conversation():
    persona = importlib.import_module("recipe.corpus.persona")
    elsewhere = (identity.NAME, identity.AUTHOR, "人工智能", "程序", "不", "是的")
    for seed in range(300):
        sample = persona.generate(random.Random(seed))
        said = "".join(message["content"] for message in sample.messages[:-1])
        for group in sample.facts["need"]:
            assert any(name in said or name in elsewhere for name in group)


def test_memory_rejects_the_value_that_was_corrected():
    memory = importlib.import_module("recipe.corpus.memory")
    judged = 0
    for seed in range(400):
        sample = memory.generate(random.Random(seed))
        for other in sample.facts["others"]:
            if not grammar.contains(sample.answer, other):
                judged += 1
                assert not memory.check(sample, f"是{other}。")
    assert judged > 50


def test_imprint_teaches_the_name_the_author_both_and_that_the_old_ones_are_gone():
    rows = imprint_rows()
    for row in rows:
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        assert "{name}" in row["messages"][1]["content"]
    asked = {row["messages"][0]["content"]: row["messages"][1]["content"] for row in rows}
    assert len(asked) == len(rows)
    assert sum("{author}" in answer for answer in asked.values()) > len(rows) / 2
    old = [answer for question, answer in asked.items() if identity.NAME in question or identity.AUTHOR in question]
    assert len(old) > 5 and all(answer.startswith("不") or "不是" in answer for answer in old)


def test_demo_asks_in_wordings_that_nothing_was_trained_on():
    rows = {grammar.plain(row["messages"][0]["content"]) for row in imprint_rows()}
    questions = [*demo()["reworded"], *demo()["identity"]]
    assert len(set(questions)) == 20
    for question in questions:
        assert grammar.plain(question) not in rows
        assert not identity.trained(question) and not identity.trained(spoken(question)), question


def test_demo_has_pinned_and_unrelated_questions():
    record = demo()
    assert len(record["pinned"]) == 3
    assert len({one["question"] for one in record["unrelated"]}) == 20
    assert all(one["accept"] for one in record["unrelated"])
