"""Files of assistants that know intents: patterns with responses, and the training files of Rasa (YAML, JSON, Markdown).

A pattern with a response of its intent is a question with its answer; without responses the intent is what a
classification answers.
"""

import re
from collections.abc import Iterator

import yaml

from glm_core.data.examples import DataError
from glm_core.data.readers.formats.shapes import Row, expand, unfold
from glm_core.data.readers.notices import NoticeTally

_HEAD = re.compile(r"^##\s*intent:\s*(\S+)\s*$", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*[-*+][ \t]+(\S.*)$", re.MULTILINE)
_ENTITY = re.compile(r"\[([^\[\]\n]{1,80})\](?:\([^()\n]{1,80}\)|\{[^{}\n]{1,200}\})")


def yaml_rows(text: str, file: str, tally: NoticeTally) -> Iterator[Row]:
    """The rows of a YAML file: Rasa's training data, or rows as JSON has them.

    Raises:
        DataError: it is no YAML, refers to its own parts, or holds no rows.
    """
    value = _loaded(text, file)
    if isinstance(value, dict) and (isinstance(value.get("nlu"), list) or isinstance(value.get("responses"), dict)):
        rows = _rasa(value, file, tally)
    elif isinstance(value, dict):
        rows = unfold(value, True, tally) or [value]
    elif isinstance(value, list):
        rows = value
    else:
        raise DataError("data.empty", file=file)
    return iter([(number, row) for number, one in enumerate(rows, 1) for row in expand(one)])


def _loaded(text: str, file: str) -> object:
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):  # a short file may so stand for a very long one
                raise DataError("data.yaml", file=file, line=event.start_mark.line + 1)
        return yaml.load(text, Loader=_LOADER)  # noqa: S506 - one of the safe loaders
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise DataError("data.yaml", file=file, line=mark.line + 1 if mark else 1) from error
    except (ValueError, RecursionError) as error:
        raise DataError("data.yaml", file=file, line=1) from error


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _rasa(value: dict, file: str, tally: NoticeTally) -> list[dict]:
    """The examples of every intent, with the response that has its name (utter_…) or that a rule gives."""
    nlu = [one for one in value.get("nlu") or () if isinstance(one, dict) and isinstance(one.get("intent"), str)]
    if not nlu:
        raise DataError("data.no_examples", file=file)
    responses = {name: _first_text(one, tally) for name, one in (value.get("responses") or {}).items()}
    actions = _actions(value)
    rows = []
    for one in nlu:
        intent = one["intent"]
        name = actions.get(intent, f"utter_{intent}")
        answer = responses.get(name) or responses.get(f"utter_{intent}")
        for text in _examples(one.get("examples")):
            rows.append({"question": text, "answer": answer} if answer else {"text": text, "intent": intent})
    if any("question" in row for row in rows) and (left := [row for row in rows if "question" not in row]):
        tally.add("rows_unanswered", len(left), *dict.fromkeys(row["intent"] for row in left))
        rows = [row for row in rows if "question" in row]
    return rows


def _actions(value: dict) -> dict[str, str]:
    """Intent -> the first response behind it, by the rules and stories."""
    found: dict[str, str] = {}
    for part in [*(value.get("rules") or ()), *(value.get("stories") or ())]:
        steps = [step for step in part.get("steps") or () if isinstance(step, dict)] if isinstance(part, dict) else []
        for step, after in zip(steps, steps[1:], strict=False):
            if isinstance(step.get("intent"), str) and isinstance(after.get("action"), str):
                found.setdefault(step["intent"], after["action"])
    return found


def _first_text(value: object, tally: NoticeTally) -> str:
    said = [one.get("text") for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    texts = [text.strip() for text in said if isinstance(text, str) and text.strip()]
    if len(texts) > 1:
        tally.guess("first_answer")
    return texts[0] if texts else ""


def _examples(value: object) -> list[str]:
    """The example sentences of an intent, without the marks of entities."""
    if isinstance(value, str):
        return [_plain(found) for found in _ITEM.findall(value)]
    texts = [one.get("text") if isinstance(one, dict) else one for one in value] if isinstance(value, list) else []
    return [_plain(text) for text in texts if isinstance(text, str)]


def _plain(text: str) -> str:
    return _ENTITY.sub(r"\1", text).strip()


def markdown_intents(text: str) -> list[Row]:
    """The rows of Rasa's older training files: ## intent:name over a list of sentences; empty for other texts."""
    marks = list(_HEAD.finditer(text))
    if not marks:
        return []
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    return [
        (text.count("\n", 0, item.start()) + 1, {"text": _plain(item[1]), "intent": mark[1]})
        for mark, end in zip(marks, ends, strict=True)
        for item in _ITEM.finditer(text, mark.end(), end)
    ]
