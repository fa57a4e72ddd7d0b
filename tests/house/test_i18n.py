"""The two text tables say the same things, with the same blanks, and exactly those that the program says."""

import ast
import contextvars
import re
import string

import pytest

from glm_core import i18n
from tests.paths import ROOT

SOURCES = [ROOT / "app.py", *sorted((ROOT / "glm_core").rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py"))]
KEY = re.compile(r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)+")
FILE = re.compile(r"\.(jsonl?|txt|log|py|model|db|svg|css|md|stat|max|current)$")
NOT_KEYS = {"chat.completion", "chat.completion.chunk"}
EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u26ff\u2705\u274c\u2728\ufe0f]")


def blanks(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def keys_in_code() -> tuple[set[str], set[str]]:
    """The string constants that are keys by their form and room, and regular expressions of the keys that f-strings make."""
    rooms = {key.split(".")[0] for key in i18n.table("zh")}
    constants, patterns = set(), set()
    for source in SOURCES:
        tree = ast.parse(source.read_text(encoding="utf-8"))
        parts_of_others = {
            id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
        }
        for node in ast.walk(tree):
            if id(node) in parts_of_others:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and KEY.fullmatch(node.value):
                constants.add(node.value)
            if isinstance(node, ast.JoinedStr):
                parts = [
                    re.escape(part.value) if isinstance(part, ast.Constant) else r"[\w.-]+" for part in node.values
                ]
                if re.match(r"[a-z_]+\\\.", parts[0]):
                    patterns.add("".join(parts))
    for template in (ROOT / "glm_core").rglob("*templates/*.html"):
        text = template.read_text(encoding="utf-8")
        constants |= set(re.findall(r"""\bt\(["']([\w.]+)["'][,)]""", text))
        patterns |= {re.escape(start) + r"[\w.-]+" for start in re.findall(r"""\bt\(["']([\w.]+\.)["'] ~""", text)}
    return {key for key in constants if key.split(".")[0] in rooms}, patterns


def test_both_tables_have_the_same_keys():
    assert set(i18n.table("zh")) == set(i18n.table("en"))


def test_both_sentences_have_the_same_blanks():
    zh, en = i18n.table("zh"), i18n.table("en")
    assert [key for key in zh if blanks(zh[key]) != blanks(en[key])] == []


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_no_sentence_is_empty_or_has_an_emoji(language):
    bad = [key for key, sentence in i18n.table(language).items() if not sentence.strip() or EMOJI.search(sentence)]
    assert bad == []


def test_every_key_in_the_code_is_in_the_tables():
    constants, _ = keys_in_code()
    wanted = {key for key in constants if not FILE.search(key)} - NOT_KEYS
    assert sorted(wanted - set(i18n.table("zh"))) == []


def test_every_sentence_is_said_somewhere():
    constants, patterns = keys_in_code()
    made = re.compile("|".join(patterns))
    assert [key for key in i18n.table("zh") if key not in constants and not made.fullmatch(key)] == []


def test_speaks_the_language_in_use():
    i18n.use("en")
    assert i18n.t("page.training") == "Training"
    i18n.use("zh")
    assert i18n.t("page.training") == "训练"


def test_follows_the_reader_where_nothing_was_said():
    before = i18n.follow(lambda: "en")
    try:
        i18n.use("zh")
        assert i18n.current() == "zh"
        assert contextvars.Context().run(i18n.current) == "en", "where nobody has said which"
    finally:
        i18n.follow(before)


@pytest.mark.parametrize(
    ("seconds", "chinese", "english"),
    [
        (0, "0 秒", "0 s"),
        (0.44, "0.4 秒", "0.4 s"),
        (9.96, "10 秒", "10 s"),
        (50, "50 秒", "50 s"),
        (59.6, "1 分", "1 min"),
        (80, "1 分 20 秒", "1 min 20 s"),
        (3599.7, "1 小时", "1 h"),
        (7500, "2 小时 5 分", "2 h 5 min"),
        (86399, "1 天", "1 d"),
        (273600, "3 天 4 小时", "3 d 4 h"),
        (-1, "0 秒", "0 s"),
    ],
)
def test_says_durations(seconds, chinese, english):
    i18n.use("zh")
    assert i18n.duration(seconds) == chinese
    i18n.use("en")
    assert i18n.duration(seconds) == english


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 B"),
        (300, "300 B"),
        (999.7, "1 KB"),
        (512_000, "512 KB"),
        (999_900, "1 MB"),
        (45.2e6, "45.2 MB"),
        (640e6, "640 MB"),
        (999.8e6, "1 GB"),
        (1.1e9, "1.1 GB"),
        (12e9, "12 GB"),
        (24.56e9, "24.6 GB"),
    ],
)
def test_says_sizes(count, said):
    assert i18n.size(count) == said


PLURAL = re.compile(
    r"\{\w+(?::[^}|]*)?\} (?:reworded |unrelated |repeated |small |different )?(?:rows|questions|turns|runs|epochs|steps|files|messages|people|days|lines|tensors|cores)\b"
)
LARGE = {
    "report.error.too_many",
    "vote.error.full",
    "guard.prefix_small",
    "demo.took",
    "demo.did_not_take",
    "retention.about",
}
"Their numbers are limits, or sizes of fixed sets, far above one."


def test_one_is_singular_and_more_are_plural():
    i18n.use("en")
    values = {"name": "set"}
    assert i18n.t("train.rows", rows=1, **values) == "set, 1 row"
    assert i18n.t("train.rows", rows=1200, **values) == "set, 1,200 rows"
    assert i18n.t("datasets.shown", rows="1") == "1 row" and i18n.t("datasets.shown", rows="1,200") == "1,200 rows"


def test_every_english_count_says_which_plural_it_takes():
    wrong = {key for key, sentence in i18n.table("en").items() if PLURAL.search(sentence)}
    assert wrong - LARGE == set()


def test_english_has_no_chinese_marks_and_lists_are_joined_as_the_language_does():
    chinese = re.compile("[、，。；：（）？！]")
    wrong = [
        key
        for key, sentence in i18n.table("en").items()
        if chinese.search(sentence) and not key.startswith(("home.", "chat.example."))
    ]
    assert wrong == []
    i18n.use("zh")
    assert (i18n.join("ab"), i18n.join("ab", "item"), i18n.join("ab", "sentence")) == ("a，b", "a、b", "ab")
    i18n.use("en")
    assert (i18n.join("ab"), i18n.join("ab", "item"), i18n.join("ab", "sentence")) == ("a, b", "a, b", "a b")
