"""Models that can answer: the bases on disk, and every run that has an adapter. Reads folders, loads nothing."""

import re
import time
from dataclasses import dataclass
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.models import checkpoints
from glm_core.runs import store
from glm_core.runs.files import RunError, read_record, string
from glm_core.serving.request import UnknownModel

MERGED = "easyaigc.json"
"In the folder of a merged model: which run and which base it is of."
RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


@dataclass(frozen=True)
class ServedModel:
    """Something that can be asked.

    Attributes:
        name: what `Request.model` and the API's `model` take: the base's folder name, or the run's id.
        title: what people see: the base's name, or the run's.
        base: folder of the base model.
        adapter: folder of the run's adapter; None for a base.
        step: the update after which the adapter was saved.
        created: seconds since the epoch.
        fingerprint: of the weights the adapter was trained on, empty where it does not say.
        merged_run: of a base that a run was merged into, the run's id; who may not use the run may not use it either.
    """

    name: str
    title: str
    base: Path
    adapter: Path | None = None
    step: int | None = None
    created: float = 0.0
    fingerprint: str = ""
    merged_run: str = ""

    @property
    def tuned(self) -> bool:
        """Return whether this is a run and no base."""
        return self.adapter is not None

    @property
    def original(self) -> "ServedModel":
        """The base without the adapter."""
        return ServedModel(self.base.name, self.base.name, self.base) if self.tuned else self

    @property
    def outdated(self) -> bool:
        """Return whether the base's weights are others than those the adapter was trained on: it answers, but not as it did."""
        return checkpoints.weights_differ(self.base, self.fingerprint)

    def to_dict(self) -> dict:
        """The entry of GET /v1/models; `root` and `parent` as vLLM has them for adapters."""
        return {
            "id": self.name,
            "object": "model",
            "created": int(self.created),
            "owned_by": "easyaigc",
            "title": self.title,
            "root": self.base.name,
            "parent": self.base.name if self.tuned else None,
        }


def catalogue() -> list[ServedModel]:
    """Every choice, bases first (the bundled before the downloaded), then runs from the newest on."""
    bases = _bases()
    names = {choice.name: choice for choice in bases}
    folders: dict[str, Path | None] = {}  # runs share few bases
    tuned = (_of_run(run, names, folders) for run in store.runs() if not run.damaged)
    return bases + [choice for choice in tuned if choice is not None and choice.name not in names]


def find(name: str) -> ServedModel:
    """The choice called `name`: a base's name, a run's id, or the name of a run (the newest of that name).

    Raises:
        UnknownModel: there is none; the error lists what there is.
    """
    bases = {choice.name: choice for choice in _bases()}
    if found := bases.get(name) or (next(iter(bases.values()), None) if not name else None):
        return found
    if found := _run_called(name, bases):
        return found
    choices = catalogue()
    for choice in choices:
        if choice.tuned and choice.title == name:
            return choice
    known = i18n.join((choice.name for choice in choices[:8]), "item") or "-"
    raise UnknownModel("serving.unknown_model", name=name[:80], known=known)


def _run_called(identifier: str, bases: dict[str, ServedModel]) -> ServedModel | None:
    """The run of that id, without a look at the others."""
    try:
        run = store.get(identifier)
    except RunError:
        return None
    return None if run.damaged else _of_run(run, bases, {})


def trained_on(choice: ServedModel) -> list[store.Run]:
    """The runs that say they were trained on the base `choice`, by its name: they need it to answer or to go on."""
    return [run for run in store.runs() if Path(run.model).name == choice.name]


def _bases() -> list[ServedModel]:
    found: dict[str, ServedModel] = {}
    for folder in (workspace.ASSETS / "models", workspace.home() / "models"):
        for config in sorted(folder.glob("[!.]*/config.json")):
            name = config.parent.name
            base, created = config.parent.resolve(), config.stat().st_mtime
            found.setdefault(name, ServedModel(name, name, base, created=created, merged_run=merged_run(config.parent)))
    demo = found.pop(workspace.DEMO_MODEL.name, None)
    return ([demo] if demo else []) + list(found.values())


def merged_run(folder: Path) -> str:
    """The id of the run that was merged into the model in `folder`, empty for any other model.

    Merges of earlier releases say it by the name of their folder only.
    """
    told = string(read_record(folder / MERGED).get("run"))
    named = RUN_ID.search(folder.name)
    return told or (named[0] if named else "")


def _of_run(run: store.Run, bases: dict[str, ServedModel], folders: dict[str, Path | None]) -> ServedModel | None:
    adapter = run.adapter()
    if run.model not in folders:
        folders[run.model] = _base_of(run, bases)
    base = folders[run.model]
    if adapter is None or base is None:
        return None
    info = read_record(adapter / "easyaigc.json")
    step = info["step"] if isinstance(info.get("step"), int) else None
    created, weights = run.created or time.time(), string(info.get("fingerprint"))
    return ServedModel(run.id, run.name, base, adapter, step, created, weights)


def _base_of(run: store.Run, bases: dict[str, ServedModel]) -> Path | None:
    """The folder of the run's base; where it was moved, the base of the same name."""
    folder = Path(run.model)
    if (folder / "config.json").is_file():
        return folder.resolve()
    moved = bases.get(folder.name)
    return moved.base if moved else None
