"""Multiple-choice sets: files are read or say what is wrong, picks are lm-eval's, the table counts what changed."""

import json

import openai
import pytest

from glm_core import __main__ as command
from glm_core import workspace
from glm_core.evaluation import benchmark
from glm_core.evaluation.benchmark import BUNDLED, BenchmarkComparison, ChoiceTask, TaskError
from tests.engine import engine, home, server, shared_engine, tiny_folder  # noqa: F401


@pytest.fixture
def causal(home, engine):  # noqa: F811
    (home / "models" / "causal").symlink_to(workspace.ASSETS / "models" / "bloom-demo")
    return engine.find("causal")


def test_the_bundled_set_is_balanced_and_every_task_is_one():
    tasks = benchmark.read_tasks(BUNDLED)
    assert len(tasks) == 20 and sorted(task.answer for task in tasks) == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    assert all(len(set(task.choices)) == 4 for task in tasks)


def test_lines_are_counted_as_an_editor_does_and_rare_line_ends_stay_in_their_string(tmp_path):
    good = '{"question": "q\u2028r", "choices": ["a", "b"], "answer": 0}'
    with pytest.raises(TaskError, match="4"):
        benchmark.parse_tasks(f"{good}\n\n\n{{}}\n".encode(), "a.jsonl")
    assert benchmark.parse_tasks(good.encode(), "a.jsonl")[0].question == "q\u2028r"


def test_a_csv_keeps_cells_of_several_lines_further_choices_and_gbk(tmp_path):
    text = ',Question,A,B,C,D,E,Answer\r\n0,"一\r\n二",甲,乙,丙,丁,戊,E\r\n1,一加一,一,二,,,,b\r\n'
    first, second = benchmark.parse_tasks(text.encode("gbk"), "a.CSV")
    assert first == ChoiceTask("一\r\n二", ("甲", "乙", "丙", "丁", "戊"), 4)
    assert second == ChoiceTask("一加一", ("一", "二"), 1)


def test_a_file_without_answers_says_which_to_take(tmp_path):
    with pytest.raises(TaskError, match="val"):
        benchmark.parse_tasks("id,question,A,B,C,D,answer\n0,一加一,一,二,三,四,\n".encode(), "a.csv")


def test_letters_numbers_and_the_csv_of_ceval_are_read(tmp_path):
    (tmp_path / "a.jsonl").write_text(
        '{"question": "一加一", "choices": ["一", "二"], "answer": "B"}\n\n{"question": "q", "choices": ["a", "b"], "answer": 0}\n'
    )
    (tmp_path / "b.csv").write_text("\ufeffid,question,A,B,C,D,answer\n0,一加一,一,二,三,四,B\n", encoding="utf-8")
    first, second = benchmark.read_tasks(tmp_path / "a.jsonl")
    assert (first.answer, second.answer) == (1, 0)
    assert benchmark.read_tasks(tmp_path / "b.csv") == [ChoiceTask("一加一", ("一", "二", "三", "四"), 1)]


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"question": "q"}',
        '{"question": "q", "choices": ["a"], "answer": 0}',
        '{"question": "q", "choices": ["a", "b"], "answer": 2}',
        "5",
    ],
)
def test_a_line_that_is_no_task_is_named(tmp_path, line):
    (tmp_path / "a.jsonl").write_text('{"question": "q", "choices": ["a", "b"], "answer": 0}\n' + line + "\n")
    with pytest.raises(TaskError, match="2"):
        benchmark.read_tasks(tmp_path / "a.jsonl")


def test_changes_are_counted_in_pairs():
    tasks = tuple(ChoiceTask("q", ("a", "b"), 0) for _ in range(4))
    found = BenchmarkComparison(tasks, (0, 0, 1, 1), (0, 1, 0, 1))
    assert (found.changes.both, found.changes.lost, found.changes.gained, found.changes.neither) == (
        1,
        1,
        1,
        1,
    ) and found.to_dict()["difference"]["p"] == 1.0
    assert "2" in found.text()


def test_a_pick_is_the_one_that_the_probabilities_of_the_api_give(causal, engine, server):  # noqa: F811
    """As lm-eval scores: the prompt's own probabilities, echoed, of the tokens that the choice adds."""
    client = openai.OpenAI(base_url=f"{server}/v1", api_key="any", max_retries=0)
    for task in benchmark.read_tasks(BUNDLED)[:4]:
        totals = []
        for choice in task.choices:
            asked = {"model": "causal", "echo": True, "logprobs": 1, "max_tokens": 1, "temperature": 0}
            whole = client.completions.create(prompt=task.context + choice, **asked).choices[0].logprobs
            context = client.completions.create(prompt=task.context, **asked).choices[0].logprobs
            totals.append(sum(whole.token_logprobs[len(context.tokens) - 1 : -1]))
        ours = engine.log_likelihoods(causal, [(task.context, choice) for choice in task.choices], plain=True)
        assert [one.total for one in ours] == pytest.approx(totals, abs=1e-3)
        assert benchmark.pick(engine, causal, task) == max(range(4), key=totals.__getitem__)


def test_the_command_prints_the_table_or_says_what_is_wrong(home, tmp_path, capsys):  # noqa: F811
    (home / "models" / "causal").symlink_to(workspace.ASSETS / "models" / "bloom-demo")
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text("".join(BUNDLED.read_text(encoding="utf-8").splitlines(keepends=True)[:3]), encoding="utf-8")
    assert command.main(["benchmark", "causal", "--tasks", str(tasks), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tasks"] == 3 and found["before"] == found["after"]
    assert command.main(["benchmark", "causal", "--tasks", str(tmp_path / "none")]) == 2
    assert command.main(["benchmark", "nothing", "--tasks", str(tasks)]) == 2
