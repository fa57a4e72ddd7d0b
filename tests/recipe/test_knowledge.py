"""The knowledge skills of the corpus and the project's data sets: right answers, held-out wordings, facts, rows."""

import json
import random

import pytest

from recipe import corpus
from recipe.corpus import antonyms, arithmetic, attributes, capitals, colours, dialogues, reviews, talk_facts, weekdays
from recipe.corpus.grammar import dialogue, plain
from recipe.datasets import advertisement, appliance
from recipe.datasets.__main__ import FOLDER, main
from tests.paths import SHARED

SKILLS = ("arithmetic", "capitals", "antonyms", "colours", "weekdays", "reviews", "attributes", "talk", "everyday")
LONGEST = {"attributes": 100}
CONVERSATIONS = SHARED / "data" / "dialogues.jsonl"


def draw(name, count, held_out=False):
    module = corpus.skill(name)
    return [module.generate(random.Random(f"{name} {index}"), held_out) for index in range(count)]


def read(name):
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("name", SKILLS)
def test_a_skill_accepts_its_own_answers_and_leaves_no_slot_open(name, held_out):
    for sample in draw(name, 150, held_out):
        text = "".join(message["content"] for message in sample.messages)
        assert corpus.check(sample, sample.answer), sample
        assert not set("{}<>") & set(text), text
        assert len(sample.answer) <= LONGEST.get(name, 60)


@pytest.mark.parametrize("name", SKILLS)
def test_a_skill_rejects_answers_to_other_questions(name):
    samples = draw(name, 200)
    wrong = [
        (sample, other.answer)
        for sample, other in zip(samples, samples[1:] + samples[:1], strict=True)
        if plain(other.answer) != plain(sample.answer)
    ]
    accepted = sum(corpus.check(sample, answer) for sample, answer in wrong)
    # answers of few values, and recommendations of the same kind, are sometimes right by chance
    assert accepted <= len(wrong) * {"reviews": 0.25, "weekdays": 0.1}.get(name, 0.05)
    assert not any(corpus.check(sample, "") for sample in samples)


@pytest.mark.parametrize("name", SKILLS)
def test_held_out_questions_never_occur_in_training(name):
    trained = {plain(str(sample.messages[:-1])) for sample in draw(name, 1500)}
    assert not trained & {plain(str(sample.messages[:-1])) for sample in draw(name, 400, True)}


@pytest.mark.parametrize("name", SKILLS)
def test_the_same_seed_gives_the_same_samples(name):
    assert [sample.messages for sample in draw(name, 50)] == [sample.messages for sample in draw(name, 50)]


def test_sums_are_right_and_held_out_pairs_stay_out():
    for held_out in (False, True):
        for sample in draw("arithmetic", 1000, held_out):
            if "numbers" in sample.facts:
                first, operator, second, result = sample.facts["numbers"]
                assert result == (first + second if operator == "+" else first - second)
                assert arithmetic.is_held(first, operator, second) == held_out


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "零"),
        (7, "七"),
        (10, "十"),
        (15, "十五"),
        (20, "二十"),
        (99, "九十九"),
        (100, "一百"),
        (105, "一百零五"),
        (120, "一百二十"),
    ],
)
def test_numerals(number, text):
    assert arithmetic.numeral(number) == text


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("35+28=63。", True),
        ("35加28等于63。", True),
        ("63=63", True),
        ("35+28=62。", False),
        ("28+36=63。", False),
        ("35+28=63，一共62个", False),
    ],
)
def test_a_sum_is_judged_by_its_result_and_its_operands(answer, right):
    sample = dialogue("arithmetic", "35加28等于多少？", "35+28=63。", numbers=(35, "+", 28, 63))
    assert arithmetic.check(sample, answer) == right


@pytest.mark.parametrize(
    ("land", "city"),
    [
        ("法国", "巴黎"),
        ("澳大利亚", "堪培拉"),
        ("巴西", "巴西利亚"),
        ("加拿大", "渥太华"),
        ("四川", "成都"),
        ("新疆", "乌鲁木齐"),
    ],
)
def test_capitals(land, city):
    assert city in [place[1] for place in capitals.PLACES if place[0] == land]


def test_a_capital_must_be_the_only_one_named():
    sample = dialogue("capitals", "法国的首都是哪里？", "法国的首都是巴黎。", wanted=["巴黎"])
    assert capitals.check(sample, "是巴黎")
    assert not capitals.check(sample, "法国的首都是巴黎或者里昂，德国的首都是柏林。")


def test_every_antonym_has_one_opposite_in_each_direction():
    words = [word for pair in antonyms.PAIRS for word in pair]
    assert len(antonyms.PAIRS) >= 150 and len(words) == len(set(words))
    assert antonyms.OPPOSITE["高兴"] == "难过" and antonyms.OPPOSITE["难过"] == "高兴"


def test_colors_of_a_hundred_things():
    assert len(colours.COLOUR_OF) >= 100
    assert colours.COLOUR_OF["雪"] == "白色" and colours.COLOUR_OF["香蕉"] == "黄色"


@pytest.mark.parametrize(("text", "day"), [("后天是星期五。", "五"), ("是周五", "五"), ("后天是星期天。", "日")])
def test_a_day_may_be_written_in_several_ways(text, day):
    sample = dialogue("weekdays", "今天星期三，后天星期几？", "后天是星期五。", day=day)
    assert weekdays.check(sample, text) and not weekdays.check(sample, "后天是星期一。")


def test_reviews_are_balanced_and_mixed_ones_follow_their_conclusion():
    samples = draw("reviews", 2000)
    good = sum(sample.messages[1]["content"].startswith(("好评", "正面", "满意")) for sample in samples)
    assert 0.45 < good / len(samples) < 0.55


def test_every_aspect_is_trained_and_some_combinations_are_not():
    chosen = {
        held: {
            (domain, *sorted(aspect[0] for aspect in reviews.choose_aspects(domain, random.Random(seed), held)))
            for domain in reviews.DOMAINS
            for seed in range(300)
        }
        for held in (False, True)
    }
    assert chosen[True] and not chosen[False] & chosen[True]
    trained = {(domain, name) for domain, *names in chosen[False] for name in names}
    assert trained == {(domain, aspect[0]) for domain, aspects in reviews.ASPECTS.items() for aspect in aspects}


def test_attributes_are_listed_as_the_original_model_does():
    pairs = [("材质", "牛仔布"), ("颜色", "白色"), ("图案", "条纹"), ("图案", "撞色")]
    assert attributes.describe("上衣", "件", pairs) == "这件上衣的材质是牛仔布，颜色是白色，图案是条纹和撞色。"
    assert attributes.describe("裤", "条", [("裤长", "长裤")]) == "这条裤子的裤长是长裤。"


def test_films_songs_dishes_and_places_are_told_apart():
    for topic in talk_facts.TOPICS.values():
        names = [row[0] for row in topic.rows]
        assert len(names) == len(set(names))
        assert all(len(row) == len(topic.columns) for row in topic.rows)
    assert sum(len(topic.rows) for topic in talk_facts.TOPICS.values()) >= 150


def test_a_recommendation_with_a_wrong_maker_is_wrong():
    sample = dialogue(
        "talk",
        "推荐一部科幻片",
        "可以看看《星际穿越》，诺兰导演的科幻片。",
        allowed=["星际穿越", "盗梦空间"],
        topic="film",
    )
    assert corpus.check(sample, "可以看看《盗梦空间》，诺兰导演的科幻片。")
    assert not corpus.check(sample, "可以看看《盗梦空间》，张艺谋导演的科幻片。")
    assert not corpus.check(sample, "可以看看《龙猫》。")


@pytest.mark.skipif(not CONVERSATIONS.exists(), reason="the natural dialogues are not part of the repository")
def test_natural_dialogues_are_mixed_in_only_where_the_environment_names_them(monkeypatch):
    monkeypatch.delenv(dialogues.VARIABLE, raising=False)
    assert all(sample.skill != "dialogues" for sample in corpus.samples(1, 200))
    monkeypatch.setenv(dialogues.VARIABLE, str(CONVERSATIONS))
    assert any(sample.skill == "dialogues" for sample in corpus.samples(1, 200))
    held = {sample.question for sample in draw("dialogues", 100, True) if len(sample.question) > 15}
    assert not held & {sample.question for sample in draw("dialogues", 1000)}


@pytest.mark.parametrize(
    ("name", "least"),
    [("advertisement", 2000), ("advertisement-dev", 150), ("appliance", 300), ("appliance-dev", 60), ("shop", 40)],
)
def test_data_sets_are_complete_and_have_no_placeholders(name, least):
    rows = read(f"{name}.jsonl")
    assert len(rows) >= least
    assert len({json.dumps(row) for row in rows}) == len(rows)
    for row in rows:
        assert all(value.strip() and not set("{}<>|") & set(value) for value in row.values()), row


def test_an_advertisement_contains_its_attributes():
    for row in read("advertisement.jsonl") + read("advertisement-dev.jsonl"):
        values = [pair.split("#")[1] for pair in row["content"].split("*")[1:]]
        assert all(value in row["summary"] for value in values), row
        assert advertisement.SHORTEST <= len(row["summary"]) <= advertisement.LONGEST


def test_development_rows_are_new():
    trained = {pair for row in read("advertisement.jsonl") for pair in row["content"].split("*")}
    assert all(set(row["content"].split("*")) - trained for row in read("advertisement-dev.jsonl"))
    prompts = {row["prompt"] for row in read("appliance.jsonl")}
    answers = {row["response"] for row in read("appliance.jsonl")}
    for row in read("appliance-dev.jsonl"):
        assert row["prompt"] not in prompts and row["response"] in answers


def test_appliance_questions_are_unambiguous():
    prompts = [wording for wordings, _ in appliance.facts() for wording in wordings]
    assert len(prompts) == len(set(prompts))


def test_the_committed_data_sets_are_what_the_generator_writes(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["datasets", "--out", str(tmp_path)])
    main()
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["advertisement-dev.jsonl", "advertisement.jsonl", "appliance-dev.jsonl", "appliance.jsonl"]
    for name in written:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()
