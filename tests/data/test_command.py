"""`python -m glm_core data FILE`: reads, reports, converts; and the training command reads a file the same way."""

import json

import pytest

from glm_core.__main__ import main
from glm_core.data import library, read
from glm_core.hub import http_download
from glm_core.training.__main__ import build_parser, write_run
from glm_core.training.settings import TrainingSettings
from tests.hub.fakehub import serving

CSV = "标题,正文,备注\n几点上班,九点,旧\n几点下班,六点,旧\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(CSV, encoding="utf-8")
    return path


def test_a_mapped_file_is_reported_and_converted(file, tmp_path, capsys):
    target = tmp_path / "out.jsonl"
    arguments = ["data", str(file), "--map", "question=标题", "--map", "answer=正文", "--out", str(target)]
    assert main([*arguments, "--lang", "en"]) == 0
    said = capsys.readouterr()
    assert "2 rows usable" in said.out and "备注" in said.err
    assert [example.answer for example in read(target).examples] == ["九点", "六点"]


def test_the_report_as_json(file, capsys):
    assert main(["data", str(file), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["layout"], found["rows"], found["columns"]) == ("unknown", 0, ["标题", "正文", "备注"])


@pytest.mark.parametrize("more", [["--map", "question"], ["--map", "question=没有", "--map", "answer=正文"]])
def test_what_cannot_be_done_is_a_sentence(file, more, capsys):
    assert main(["data", str(file), *more]) == 2
    assert capsys.readouterr().err.strip()


def test_the_training_command_takes_the_same_options_and_warns(file, tmp_path, capsys):
    given = build_parser().parse_args(
        ["--model", "m", "--data", str(file), "--out", "o", "--map", "question=标题", "--map", "answer=正文"]
    )
    settings = TrainingSettings(learning_rate=0.9)
    write_run(tmp_path / "run", "m", str(file), settings, [], given)
    said = capsys.readouterr().err
    record = json.loads((tmp_path / "run" / "run.json").read_text("utf-8"))
    assert "备注" in said and "0.9" in said
    assert [notice["kind"] for notice in record["dataset"]["notices"]] == ["columns_ignored"]


def test_findings_are_reported_and_mended(tmp_path, capsys):
    path, target = tmp_path / "b.csv", tmp_path / "out.jsonl"
    path.write_text("question,answer\n你是谁,我是【公司名】\n电话,13812345678\n电话,13812345678\n", encoding="utf-8")
    assert main(["data", str(path), "--json"]) == 0
    found = {one["kind"]: one["rows"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert found == {"repeated": [3], "personal": [2, 3], "placeholders": [1]}
    mending = ["--mend", "repeated", "--mend", "personal", "--fill", "【公司名】=青禾", "--out", str(target)]
    assert main(["data", str(path), *mending]) == 0
    assert "个人信息" not in capsys.readouterr().out
    assert [example.answer for example in read(target).examples] == ["我是青禾", "138******78"]
    assert main(["data", str(path), "--fill", "无"]) == 2


def test_a_chat_of_names_asks_who_answers_and_is_told(tmp_path, capsys):
    path = tmp_path / "群.txt"
    path.write_text("甲：几点开会？\n乙：三点。\n丙：我来。\n甲：好。\n乙：记得带书。\n丙：好。\n", encoding="utf-8")
    assert main(["data", str(path)]) == 1
    assert "甲, 乙, 丙" in capsys.readouterr().err
    assert main(["data", str(path), "--assistant", "乙"]) == 0
    assert "三点。" in capsys.readouterr().out


def test_rows_are_kept_as_a_data_set(tmp_path, capsys):
    path = tmp_path / "店.csv"
    path.write_text("question,answer\n几点开门,九点\n", encoding="utf-8")
    assert main(["data", str(path), "--keep"]) == 0 and main(["data", str(path), "--keep", "二店"]) == 0
    assert {one.name for one in library.datasets() if not one.bundled} == {"店", "二店"}


def test_a_data_set_of_a_hub_is_looked_at_and_brought_in_by_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(http_download, "WAITS", (0.01,) * 3)
    rows = "".join(json.dumps({"instruction": f"问{n}", "output": f"答{n}"}) + "\n" for n in range(40))
    with serving() as hub:
        hub.files["people/chats"] = {"README.md": b"---\nlicense: mit\n---\n", "train.jsonl": rows.encode()}
        wanted = ["data", "people/chats", "--from", "huggingface", "--endpoint", hub.address]
        assert main([*wanted, "--look", "--lang", "en"]) == 0
        said = capsys.readouterr().out
        assert "mit" in said and "--split train" in said and "问0" in said
        target = tmp_path / "rows.jsonl"
        assert main([*wanted, "--start", "11", "--count", "5", "--out", str(target)]) == 0
        assert [example.question for example in read(target).examples] == [f"问{n}" for n in range(10, 15)]
        assert main([*wanted, "--split", "none"]) == 2


def test_who_speaks_and_the_encoding_are_told_in_the_terminal(tmp_path, capsys):
    path = tmp_path / "chat.txt"
    path.write_text("用户：坏了\n助手：请重启。\n主管：我来处理。\n用户：谢谢\n助手：不客气。\n", encoding="utf-8")
    assert main(["data", str(path)]) == 0 and "主管" in capsys.readouterr().err
    assert main(["data", str(path), "--speaker", "主管=assistant"]) == 0
    said = capsys.readouterr()
    assert "请重启。\n我来处理。" in said.out and "主管" not in said.err
    assert main(["data", str(path), "--speaker", "主管=king"]) == 2 and "king" in capsys.readouterr().err
    path.write_bytes("질문,답변\n배송비,무료\n".encode("cp949"))
    assert main(["data", str(path)]) == 2 and "--encoding" in capsys.readouterr().err
    assert main(["data", str(path), "--encoding", "EUC-KR"]) == 0 and "무료" in capsys.readouterr().out
