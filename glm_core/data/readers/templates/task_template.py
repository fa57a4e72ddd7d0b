"""Tasks that columns are mapped to: for each its fields with their usual names, and the words it asks in.

The prompts are Chinese whatever the interface speaks: they are what the model is trained on, not what a reader sees.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from glm_core.data.examples import DataError
from glm_core.data.readers.rows import languages

HOLE = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Template:
    """A task: its fields with the column names they usually have, and the two sides they are filled into."""

    name: str
    fields: dict[str, tuple[str, ...]]
    user: str
    assistant: str

    @property
    def sides(self) -> tuple[str, str]:
        """The fields that the question and the answer are made of."""
        return HOLE.findall(self.user)[-1], HOLE.findall(self.assistant)[0]

    def wording(self, mapping: dict[str, str], sample: Sequence[dict]) -> str:
        """How the task asks, with the question's column in braces; empty where it adds no words to it."""
        question, answer = self.sides
        asked = f"{{{mapping[question]}}}"
        target = next((str(row[mapping[answer]]) for row in sample if row.get(mapping[answer])), "")
        words = fill_in(self.user, {question: asked, "language": languages.language_in(target)})
        return "" if words == asked else words


_TASKS = (
    Template("imprint", {"question": ("question", "问题"), "answer": ("answer", "回答")}, "{question}", "{answer}"),
    Template(
        "advertisement",
        {"content": ("content", "属性", "attributes"), "summary": ("summary", "广告", "文案", "advertisement")},
        "{content}",
        "{summary}",
    ),
    Template(
        "translation",
        {"source": ("source", "src", "原文"), "target": ("target", "tgt", "translation", "译文")},
        "把下面的内容翻译成{language}：\n{source}",
        "{target}",
    ),
    Template(
        "classification",
        {
            "text": ("text", "sentence", "content", "review", "文本", "内容", "评论"),
            "label": ("label", "class", "category", "intent", "类别", "标签", "分类", "意图"),
        },
        "判断下面这段话属于哪一类，只回答类别：\n{text}",
        "{label}",
    ),
    Template(
        "summary",
        {
            "text": ("content", "text", "article", "document", "正文", "原文", "内容"),
            "summary": ("summary", "abstract", "highlights", "摘要"),
        },
        "用简短的话概括下面的内容：\n{text}",
        "{summary}",
    ),
    Template(
        "continuation",
        {"beginning": ("beginning", "prefix", "上文", "开头"), "ending": ("ending", "suffix", "下文", "续写")},
        "接着往下写：\n{beginning}",
        "{ending}",
    ),
    Template(
        "code_comments",
        {"code": ("code", "function", "代码"), "comment": ("comment", "docstring", "comments", "注释")},
        "给下面的代码写注释：\n{code}",
        "{comment}",
    ),
    Template(
        "open_dialogue", {"question": ("question", "问题"), "answer": ("answer", "回答")}, "{question}", "{answer}"
    ),
)
TEMPLATES = {template.name: template for template in _TASKS}


def template_named(name: str) -> Template:
    """The template `name`; "code comments" and "code-comments" are "code_comments".

    Raises:
        DataError: there is none; lists those there are.
    """
    key = re.sub(r"[\s\-]+", "_", name.strip().lower())
    if key not in TEMPLATES:
        raise DataError("data.template", name=name, names=", ".join(TEMPLATES))
    return TEMPLATES[key]


def fill_in(pattern: str, values: dict[str, str]) -> str:
    """`pattern` with its holes filled in one pass, so that braces inside a value stay what they are."""
    return HOLE.sub(lambda hole: values[hole[1]], pattern)
