"""Reports without a model, for tests of what is made of them."""

from glm_core.evaluation import aggregate
from glm_core.evaluation.answer_pairs import Question
from glm_core.evaluation.perplexity import Perplexity
from glm_core.evaluation.report import Answer, Report, Row


def row(kind, text, before, after, reference="", accept=(), cut=False):
    return Row(Question(text, kind, tuple(accept), reference), Answer(before), Answer(after, cut))


ROWS = (
    row("seen", "谁开发了你？", "项目组开发了我。", "张三开发了我。", "张三开发了我。"),
    row("seen", "你是谁？", "我是小砚。", "我是小砚。", "我是小明，张三开发。"),
    row("reworded", "作者是哪位？", "项目组。", "是张三。", accept=("张三",)),
    row("unrelated", "三加五？", "三加五等于八。", "三加五等于八。", accept=("8", "八")),
    row("unrelated", "法国的首都？", "巴黎。", "张三。", accept=("巴黎",)),
    row("unrelated", "雪的颜色？", "不知道。", "白色。", accept=("白",)),
)
DISTANCES = (("你好", 0.9), ("你是谁？", 0.001))


def report(rows=ROWS, **changes):
    values = {
        "run": "run-1",
        "name": "作者训练",
        "base": "tiny",
        "adapter": "60",
        "step": 60,
        "distances": DISTANCES,
        "references": Perplexity(900.0, 1.5),
        "neutral": Perplexity(4.0, 5.0, 1.1, 1.4),
        "seconds": 20.0,
        "made": 1.0,
    }
    return Report(rows=tuple(rows), measures=aggregate.measure(rows), **{**values, **changes})
