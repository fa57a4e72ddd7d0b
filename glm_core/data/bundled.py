"""The data sets that come with the program: `assets/datasets/*.jsonl`, never changed; the imprint has the reader's names put in."""

import json
import re
from functools import lru_cache
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.data.examples import DataError, Example
from glm_core.data.readers.read import read
from glm_core.data.store import Dataset, checked_name, lines_of

BUNDLED = ("imprint", "advertisement", "appliance", "shop")
IMPRINT = ("小印", "林一")  # assistant and author of the bundled imprint until the reader enters their own


def is_bundled(id: str) -> bool:
    """Return whether `id` is a bundled set that is there."""
    return id in BUNDLED and asset(id).exists()


def origin(source: str) -> str:
    """Return what a set was made from: of a bundled example its name in the reader's language, whatever language its maker spoke."""
    names = {i18n.table(language)[f"data.bundled.{id}"]: id for id in BUNDLED for language in i18n.LANGUAGES}
    return i18n.t(f"data.bundled.{names[source]}") if source in names else source


def imprint(name: str, author: str) -> list[Example]:
    """The bundled imprint rows with the reader's own assistant `name` and `author`.

    Raises:
        DataError: a blank or over-long name or author, or the bundled file is missing.
    """
    values = {"{name}": checked_name(name, 40), "{author}": checked_name(author, 40)}
    return [
        Example(
            [{**message, "content": _filled(message["content"], values)} for message in example.messages], example.line
        )
        for example in _rows("imprint")
    ]


def _filled(content: str, values: dict[str, str]) -> str:
    return re.sub(r"\{name\}|\{author\}", lambda hole: values[hole[0]], content)


def asset(id: str) -> Path:
    """The file of the bundled set `id`."""
    return workspace.ASSETS / "datasets" / f"{id}.jsonl"


def _modified(id: str) -> tuple[int, int]:
    status = asset(id).stat()
    return status.st_mtime_ns, status.st_size


def _rows(id: str) -> list[Example]:
    result = read(asset(id))
    if result.problems:
        raise DataError(
            "data.nothing", file=asset(id).name, line=result.problems[0].line, message=result.problems[0].message
        )
    return list(result.examples)


def examples(id: str) -> list[Example]:
    """The rows of the bundled set `id`, read once until its file changes. Shared: change copies."""
    return _examples(id, _modified(id))


def dataset(id: str) -> Dataset:
    """The bundled set `id` as the library lists it."""
    rows, digest = _digest(id, _modified(id))
    name, created = i18n.t(f"data.bundled.{id}"), asset(id).stat().st_mtime
    return Dataset(id, name, rows, digest, created, i18n.t("data.bundled.source"), bundled=True)


@lru_cache(maxsize=8)
def _examples(id: str, modified: tuple[int, int]) -> list[Example]:
    return imprint(*IMPRINT) if id == "imprint" else _rows(id)


@lru_cache(maxsize=8)
def _digest(id: str, modified: tuple[int, int]) -> tuple[int, str]:
    rows = _examples(id, modified)
    return len(rows), lines_of(rows)[1]


def world_of(model: str | Path) -> str:
    """The world that the base in folder `model` knows: "embedded" for the small ones that come with the program, else "general"."""
    return "embedded" if (workspace.ASSETS / "models" / Path(model).name).is_dir() else "general"


def read_controls(model: str | Path) -> dict:
    """{"controls": [{"question", "accept"}], "neutral": [[question, answer]]} of the world of the base in folder `model`."""
    return workspace.read_json(workspace.ASSETS / "evaluation" / "controls.json", {}).get(world_of(model), {})


def control_questions() -> tuple[str, ...]:
    """Every question of the bundled tests: what the reports ask of all worlds, and the questions with choices."""
    folder = workspace.ASSETS / "evaluation"
    worlds = workspace.read_json(folder / "controls.json", {}).values()
    asked = [one["question"] for world in worlds for one in world["controls"]]
    asked += [question for world in worlds for question, _answer in world["neutral"]]
    choices = folder / "general_choices.jsonl"
    lines = choices.read_text(encoding="utf-8").splitlines() if choices.is_file() else []
    return tuple(dict.fromkeys([*asked, *(json.loads(line)["question"] for line in lines)]))
