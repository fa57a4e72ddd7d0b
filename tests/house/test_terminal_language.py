"""The language of commands: of `--lang`, of EASYAIGC_LANG, of the terminal; in the help as well."""

import pytest

from glm_core import i18n
from glm_core.__main__ import main
from glm_core.i18n import terminal
from glm_core.training.__main__ import main as train

NAMES = ("EASYAIGC_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture
def environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize(
    ("values", "language"),
    [
        ({}, "zh"),
        ({"LANG": "C.UTF-8"}, "zh"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_ALL": "zh_TW", "LANG": "en_US"}, "zh"),
        ({"LC_ALL": "", "LC_MESSAGES": "en", "LANG": "zh_CN"}, "en"),
        ({"EASYAIGC_LANG": "zh", "LANG": "en_US.UTF-8"}, "zh"),
        ({"EASYAIGC_LANG": "xx", "LANG": "en_US.UTF-8"}, "en"),
    ],
)
def test_the_language_of_the_environment(environment, values, language):
    for name, value in values.items():
        environment.setenv(name, value)
    terminal.speak([])
    assert i18n.current() == language


@pytest.mark.parametrize(
    "arguments",
    [["--lang", "en", "data", "--help"], ["data", "--help", "--lang=en"], ["data", "--lang", "en", "--help"]],
)
def test_the_help_speaks_the_language_that_is_asked_for(environment, arguments, capsys):
    environment.setenv("EASYAIGC_LANG", "zh")
    with pytest.raises(SystemExit):
        main(arguments)
    said = " ".join(capsys.readouterr().out.split())
    assert i18n.table("en")["data.command.out"] in said and i18n.table("zh")["data.command.out"] not in said


def test_a_language_before_the_command_holds_for_what_it_prints(environment, tmp_path, capsys):
    environment.setenv("LANG", "zh_CN.UTF-8")
    (tmp_path / "a.jsonl").write_text('{"question": "a?", "answer": "b"}\n')
    assert main(["--lang", "en", "data", str(tmp_path / "a.jsonl")]) == 0
    assert "1 row" in capsys.readouterr().out


def test_training_speaks_it_too(environment, capsys):
    environment.setenv("LANG", "en_US.UTF-8")
    with pytest.raises(SystemExit):
        train(["--help"])
    assert i18n.table("en")["training.command.model"] in " ".join(capsys.readouterr().out.split())


def test_a_run_of_a_server_keeps_the_usual_language_whatever_the_server_speaks(environment, tmp_path, capsys):
    environment.setenv("LANG", "en_US.UTF-8")
    assert train([str(tmp_path / "none")]) == 1
    assert i18n.current() == "zh"
