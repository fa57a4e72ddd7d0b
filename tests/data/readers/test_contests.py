"""Of several answers the better one is learned; ties and the worse ones are counted; what tells neither is refused."""

import json

import pytest

from glm_core.data import DataError, ReadOptions, read_bytes

GOOD, BAD = "早上九点开门。", "我不知道。"


def lines(*rows: dict) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def notice(result, kind: str):
    return next((one for one in result.notices if one.kind == kind), None)


WON = [  # (columns of the answers, what says the first is better, the second, neither)
    (("response_a", "response_b"), {"winner": "model_a"}, {"winner": "model_b"}, {"winner": "tie"}),
    (("response_a", "response_b"), {"winner": "A"}, {"winner": "b"}, {"winner": "tie (bothbad)"}),
    (("answer_1", "answer_2"), {"preference": 1}, {"preference": 2}, {"preference": 0}),
    (("response_0", "response_1"), {"better_response_id": 0}, {"better_response_id": 1}, {"better_response_id": "tie"}),
    (("回答A", "回答B"), {"更好": "A"}, {"更好": "回答B"}, {"更好": "一样"}),
    (("completion_a", "completion_b"), {"label": 1}, {"label": 2}, {"label": 0}),
    (
        ("answer_0", "answer_1"),
        {"score_0": 2, "score_1": -2},
        {"score_0": 1, "score_1": 3},
        {"score_0": 1, "score_1": 1},
    ),
    (
        ("response_a", "response_b"),
        {"winner_model_a": 1, "winner_model_b": 0, "winner_tie": 0},
        {"winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0},
        {"winner_model_a": 0, "winner_model_b": 0, "winner_tie": 1},
    ),
    (
        ("response_a", "response_b"),
        {"model_a": "x", "model_b": "y", "winner": "x"},
        {"model_a": "x", "model_b": "y", "winner": "y"},
        {"model_a": "x", "model_b": "y", "winner": "both bad"},
    ),
    (("output_1", "output_2"), {"rank_1": 1, "rank_2": 2}, {"rank_1": 2, "rank_2": 1}, {"rank_1": 1, "rank_2": 1}),
]


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize(("columns", "first", "second", "neither"), WON)
def test_the_winner_is_learned_and_ties_are_left_out(columns, first, second, neither, table):
    rows = [
        {"prompt": "几点开门", columns[0]: GOOD, columns[1]: BAD, **first},
        {"prompt": "几点开门呢", columns[0]: BAD, columns[1]: GOOD, **second},
        {"prompt": "几点", columns[0]: BAD, columns[1]: BAD + BAD, **neither},
    ]
    content = lines(*rows)
    if table:
        cells = [list(rows[0]), *([str(one) for one in row.values()] for row in rows)]
        content = "\n".join(",".join(row) for row in cells).encode()
    result = read_bytes(content, "a.csv" if table else "a.jsonl")
    assert [one.answer for one in result.examples] == [GOOD, GOOD] and not result.problems
    assert (notice(result, "rejected_unused").count, notice(result, "ties_unused").count) == (2, 1)


@pytest.mark.parametrize(
    "row",
    [
        {"responses": [BAD, GOOD], "scores": [1, 5]},
        {"answers": [BAD, GOOD], "ranks": [2, 1]},
        {"completions": [{"response": BAD, "overall_score": 2}, {"response": GOOD, "overall_score": 8}]},
        {"responses": [{"text": BAD, "rank": 2}, {"text": GOOD, "rank": 1}]},
        {"summaries": [{"text": BAD}, {"text": GOOD}], "choice": 2},
    ],
)
def test_of_a_list_of_answers_the_best_is_learned(row):
    result = read_bytes(lines({"prompt": "几点开门", **row}), "a.jsonl")
    assert [one.answer for one in result.examples] == [GOOD] and notice(result, "rejected_unused").count == 1


def test_conversations_with_a_winner():
    def talk(answer):
        return [{"role": "user", "content": "几点"}, {"role": "assistant", "content": answer}]

    row = {"conversation_a": talk(BAD), "conversation_b": talk(GOOD), "winner": "model_b"}
    assert [one.answer for one in read_bytes(lines(row), "a.jsonl").examples] == [GOOD]


@pytest.mark.parametrize(
    "row",
    [
        {"response_a": GOOD, "response_b": BAD},
        {"response_a": GOOD, "response_b": BAD, "winner": 1},  # of 0 and 1, or of 1 and 2
        {"response_a": GOOD, "response_b": BAD, "winner": "perhaps"},
        {"responses": [GOOD, BAD], "ranking": [1, 0]} | {"responses": [GOOD, BAD, BAD], "ranking": [1, 2, 0]},
    ],
)
def test_what_does_not_tell_the_better_answer_is_a_problem_that_can_be_mapped(row):
    content = lines({"prompt": "几点", **row})
    result = read_bytes(content, "a.jsonl")
    assert not result.examples and "response" in result.problems[0].message or "ranking" in result.problems[0].message
    if "response_a" in row:
        mapped = read_bytes(content, "a.jsonl", mapping={"question": "prompt", "answer": "response_a"})
        assert [one.answer for one in mapped.examples] == [GOOD]


def test_answers_without_a_contest_are_read_as_before():
    row = {"question": "几点", "answer": GOOD, "answer_1": BAD, "answer_2": BAD}
    assert [one.answer for one in read_bytes(lines(row), "a.jsonl").examples] == [GOOD]


@pytest.mark.parametrize(
    ("content", "file"),
    [
        (
            lines({"translation": {"zh": "你好", "en": "hello"}}, {"translation": {"zh": "再见", "en": "bye"}}),
            "a.jsonl",
        ),
        (b"zh,en\n" + "你好,hello\n再见,bye\n".encode(), "a.csv"),
        ("id\t中文\t英文\n1\t你好\thello\n2\t再见\tbye\n".encode(), "a.tsv"),
    ],
)
def test_two_languages_are_a_translation_one_way_or_the_other(content, file):
    result = read_bytes(content, file)
    assert [one.answer for one in result.examples] == ["hello", "bye"]
    assert result.examples[0].question == "把下面的内容翻译成英文：\n你好"
    guessed = notice(result, "reading_guessed")
    back = read_bytes(content, file, options=ReadOptions(reading=guessed.other))
    assert (back.examples[0].question, back.examples[0].answer) == ("把下面的内容翻译成中文：\nhello", "你好")


def test_of_three_languages_two_are_mapped():
    content = lines({"translation": {"zh": "你好", "en": "hello", "fr": "bonjour"}})
    result = read_bytes(content, "a.jsonl")
    assert not result.examples and "translation.zh" in result.problems[0].message
    mapped = read_bytes(content, "a.jsonl", mapping={"question": "translation.zh", "answer": "translation.fr"})
    assert [one.answer for one in mapped.examples] == ["bonjour"]


def test_a_translation_says_the_language_that_it_is_into():
    rows = lines(
        {"source": "hello", "target": "bonjour", "target_lang": "fr"}, {"source": "hello", "target": "こんにちは"}
    )
    result = read_bytes(rows, "a.jsonl", template="translation")
    assert [one.question.split("\n")[0] for one in result.examples] == [
        "把下面的内容翻译成法文：",
        "把下面的内容翻译成日文：",
    ]


NLU = "nlu:\n- intent: greet\n  examples: |\n    - 你好\n    - 早上好\n- intent: back\n  examples: |\n    - 我要[退货](act)\n"
ANSWERED = NLU + "responses:\n  utter_greet:\n  - text: 您好\n  utter_x:\n  - text: 七天内\n"
RULE = "rules:\n- rule: r\n  steps:\n  - intent: back\n  - action: utter_x\n"


@pytest.mark.parametrize(
    ("content", "file", "pairs"),
    [
        (
            lines({"intents": [{"tag": "a", "patterns": ["你好", "嗨"], "responses": ["您好"]}]}),
            "a.json",
            [("你好", "您好"), ("嗨", "您好")],
        ),
        ((ANSWERED + RULE).encode(), "nlu.yml", [("你好", "您好"), ("早上好", "您好"), ("我要退货", "七天内")]),
        (ANSWERED.encode(), "nlu.yaml", [("你好", "您好"), ("早上好", "您好")]),
        (b"- question: q\n  answer: a\n", "rows.yml", [("q", "a")]),
    ],
)
def test_intents_with_responses_are_questions_and_answers(content, file, pairs):
    result = read_bytes(content, file)
    assert [(one.question, one.answer) for one in result.examples] == pairs
    if content == ANSWERED.encode():
        assert notice(result, "rows_unanswered").count == 1


@pytest.mark.parametrize(
    ("content", "file"),
    [
        (NLU.encode(), "nlu.yml"),
        ("## intent:greet\n- 你好\n- 早上好\n\n## intent:back\n- 我要[退货](act)\n".encode(), "nlu.md"),
        (lines({"rasa_nlu_data": {"common_examples": [{"text": "你好", "intent": "greet"}]}}), "nlu.json"),
    ],
)
def test_intents_without_responses_are_a_classification(content, file):
    result = read_bytes(content, file)
    assert not result.examples and "--template classification" in result.problems[0].message
    asked = read_bytes(content, file, template="classification")
    assert {one.answer for one in asked.examples} <= {"greet", "back"} and asked.examples


@pytest.mark.parametrize(
    "content", [b"a: &x [1]\nb: *x\n", b"question: [", b"responses:\n  utter_a:\n  - text: x\n", b"7"]
)
def test_a_yaml_file_that_cannot_be_read_is_a_sentence(content):
    with pytest.raises(DataError) as caught:
        read_bytes(content, "a.yml")
    assert "a.yml" in str(caught.value)
