"""The published definitions, against the reference libraries called directly and against values worked out by hand."""

import os
import subprocess
import sys

import jieba
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_chinese import Rouge

from glm_core.evaluation import metrics
from tests.paths import ROOT

PAIRS = [
    ("这件上衣的材质是牛仔布,颜色是白色。", "这是一款简约的牛仔外套,破洞设计,白色百搭。"),
    ("简约而不简单的牛仔外套", "简约而不简单的牛仔外套,白色的衣身十分百搭。"),
    ("3", "三"),
]


def reference_scores(prediction: str, reference: str) -> dict[str, float]:
    rouge = Rouge().get_scores(" ".join(jieba.cut(prediction)), " ".join(jieba.cut(reference)))[0]
    bleu = sentence_bleu([list(reference)], list(prediction), smoothing_function=SmoothingFunction().method3)
    return {name: 100 * rouge[name]["f"] for name in ("rouge-1", "rouge-2", "rouge-l")} | {"bleu-4": 100 * bleu}


@pytest.mark.parametrize(("prediction", "reference"), PAIRS)
def test_scores_agree_with_the_reference_libraries(prediction, reference):
    assert metrics.score([prediction], [reference]) == pytest.approx(reference_scores(prediction, reference), abs=1e-6)


def test_scores_of_several_pairs_are_their_mean():
    single = [metrics.score([p], [r]) for p, r in PAIRS]
    mean = {name: sum(one[name] for one in single) / len(PAIRS) for name in metrics.MEASURES}
    assert metrics.score(*zip(*PAIRS, strict=True)) == pytest.approx(mean, abs=1e-9)


def test_equal_texts_score_one_hundred():
    text = "宽松的版型包容各种身材"
    assert metrics.score([text], [text]) == pytest.approx(dict.fromkeys(metrics.MEASURES, 100.0), abs=1e-4)


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_an_empty_side_scores_zero(empty):
    assert metrics.score([empty], ["有字"]) == metrics.score(["有字"], [empty]) == dict.fromkeys(metrics.MEASURES, 0.0)


def test_different_lengths_are_an_error():
    with pytest.raises(ValueError):
        metrics.score(["一"], [])


@pytest.mark.parametrize("text", ["。", ".", "。。。", "？！", "a", "🙂"])
def test_punctuation_and_symbols_alone_do_not_break_scoring(text):
    assert set(metrics.score([text], ["正常的句子。"])) == set(metrics.MEASURES)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_scores_between_zero_and_one_hundred(prediction, reference):
    assert all(-1e-9 <= value <= 100 + 1e-6 for value in metrics.score([prediction], [reference]).values())


def test_normalized_match_ignores_width_case_and_full_stop():
    assert metrics.matches("３ ＋ ５ = 8。", "3+5=8")
    assert not metrics.matches("3+5=8", "3+5=9")


def test_character_f1_counts_repetition():
    assert metrics.character_f1("白白", "白") == pytest.approx(2 / 3)
    assert metrics.character_f1("甲", "乙") == 0


def test_the_dictionarys_cache_lies_in_the_workspace_whoever_asks_first(tmp_path):
    code = "from glm_core.evaluation import metrics; metrics.score(['今天晴'], ['今天晴'])"
    environment = {**os.environ, "EASYAIGC_HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert (tmp_path / "home" / "cache" / "jieba.cache").is_file()
