"""The same rows written in any layout and format are read back equal, whatever stands in them."""

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glm_core.data import export, read_bytes
from glm_core.data.examples import Example, pair

# Letters, marks and line ends of ordinary text. Marks that a layout itself reads (a role before a colon, a thought in
# tags) are other tests' subject.
words = st.text(
    st.sampled_from("茶你好问题天气今明再见abcXYZ 019，。！？,;'\"\\/{}[]\n\t😀é"), min_size=2, max_size=40
).filter(lambda text: text == text.strip() and sum(one.isalpha() for one in text) > 1)
pairs = st.lists(st.tuples(words, words), min_size=3, max_size=8, unique_by=lambda one: one[0])
talks = st.lists(st.lists(st.tuples(words, words), min_size=2, max_size=4), min_size=2, max_size=5)
QUIET = settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def messages(turns) -> list[dict]:
    return [
        {"role": role, "content": text}
        for turn in turns
        for role, text in zip(("user", "assistant"), turn, strict=True)
    ]


def shared(turns, human="human", gpt="gpt") -> list[dict]:
    return [{"from": name, "value": text} for turn in turns for name, text in zip((human, gpt), turn, strict=True)]


OF_PAIRS = {
    "alpaca": lambda q, a: {"instruction": q, "input": "", "output": a},
    "dolly": lambda q, a: {"instruction": q, "context": "", "response": a},
    "prompt_response": lambda q, a: {"prompt": q, "response": a},
    "prompt_completion": lambda q, a: {"prompt": q, "completion": a},
    "query_response": lambda q, a: {"query": q, "response": a},
    "question_answer": lambda q, a: {"question": q, "answer": a},
    "chinese": lambda q, a: {"问题": q, "答案": a},
    "content_summary": lambda q, a: {"content": q, "summary": a},
    "input_output": lambda q, a: {"input": q, "output": a},
    "dpo": lambda q, a: {"prompt": q, "chosen": a, "rejected": "坏"},
    "messages": lambda q, a: {"messages": messages([(q, a)])},
    "sharegpt": lambda q, a: {"conversations": shared([(q, a)])},
}
OF_TALKS = {
    "messages": lambda turns: {"messages": messages(turns)},
    "conversations": lambda turns: {"conversations": messages(turns)},
    "sharegpt": lambda turns: {"conversations": shared(turns)},
    "sharegpt_roles": lambda turns: {"conversations": shared(turns, "user", "assistant")},
    "history": lambda turns: {
        "prompt": turns[-1][0],
        "response": turns[-1][1],
        "history": [list(t) for t in turns[:-1]],
    },
    "alpaca_history": lambda turns: {
        "instruction": turns[-1][0],
        "input": "",
        "output": turns[-1][1],
        "history": [list(turn) for turn in turns[:-1]],
    },
    "firefly": lambda turns: {"conversation": [{"human": q, "assistant": a} for q, a in turns]},
}


def read(records, ending: str) -> list[list[dict]]:
    return [one.messages for one in read_bytes(written(records, ending), f"a.{ending}").examples]


def written(records: list[dict], ending: str) -> bytes:
    if ending == "jsonl":
        return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records).encode()
    if ending == "json":
        return json.dumps(records, ensure_ascii=False, indent=1).encode()
    if ending == "columns":
        raise AssertionError
    target = io.StringIO(newline="")
    writer = csv.DictWriter(target, list(records[0]), delimiter="\t" if ending == "tsv" else ",")
    writer.writeheader()
    writer.writerows(records)
    return target.getvalue().encode()


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv"])
@pytest.mark.parametrize("layout", sorted(OF_PAIRS))
def test_pairs_in_every_layout(layout, ending):
    if ending in ("csv", "tsv") and layout in ("messages", "sharegpt"):
        pytest.skip("a table has no lists")

    @QUIET
    @given(pairs)
    def check(rows):
        records = [OF_PAIRS[layout](*row) for row in rows]
        assert read(records, ending) == [pair(*row).messages for row in rows]

    check()


@pytest.mark.parametrize("ending", ["jsonl", "json"])
@pytest.mark.parametrize("layout", sorted(OF_TALKS))
def test_conversations_in_every_layout(layout, ending):
    @QUIET
    @given(talks)
    def check(rows):
        assert read([OF_TALKS[layout](turns) for turns in rows], ending) == [messages(turns) for turns in rows]

    check()


@pytest.mark.parametrize("format", export.FORMATS)
def test_what_is_exported_is_read_back(format):
    @settings(QUIET, max_examples=8)
    @given(talks)
    def check(rows):
        examples = [Example(messages(turns)) for turns in rows]
        content = export.export(examples, format)
        assert [one.messages for one in read_bytes(content, f"a.{format}").examples] == [
            one.messages for one in examples
        ]

    check()
