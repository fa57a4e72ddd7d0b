"""Models that can answer: the bases on disk, and every run that has an adapter. Reads folders, loads nothing."""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.models import checkpoints
from glm_core.runs import Run, bases, store
from glm_core.runs.files import RunError, read_record, string
from glm_core.serving.errors import UnknownModel

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
        context: tokens that a server elsewhere takes of it; 0 where it does not say, and for models of this process.
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
    context: int = 0

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


@dataclass(frozen=True)
class Provenance:
    """The model, adapter, strength and sampling behind one answer, shown under it."""

    base: str
    adapter: str | None = None
    "The run's id; None = the original model."
    adapter_title: str = ""
    step: int | None = None
    strength: float = 1.0
    sampling: dict = field(default_factory=dict)
    elsewhere: bool = False
    "By another server, which does not say whether what answers was tuned."
    thinking: bool | None = None
    "As `Request.thinking`."

    def to_dict(self) -> dict:
        """Plain values, as kept with conversations and sent by the API."""
        return dict(vars(self))

    @classmethod
    def from_dict(cls, record: dict) -> "Provenance":
        """The provenance that `to_dict` wrote; fields it does not know are left out."""
        return cls(**{"base": "?"} | {name: record[name] for name in cls.__dataclass_fields__ if name in record})

    def sentence(self) -> str:
        """One line for a caption, in the language in use."""
        parts = [self.base]
        if self.adapter is None and not self.elsewhere:
            parts.append(i18n.t("serving.provenance.original"))
        elif self.adapter is not None:
            step = "?" if self.step is None else self.step
            parts.append(i18n.t("serving.provenance.adapter", name=self.adapter_title or self.adapter, step=step))
            if self.strength != 1.0:
                parts.append(i18n.t("serving.provenance.strength", strength=self.strength))
        return " · ".join(parts + self._sampling_parts())

    def _sampling_parts(self) -> list[str]:
        """The settings that mattered: greedy decoding has none but its penalty."""
        shown = {name: value for name, value in self.sampling.items() if isinstance(value, int | float)}
        greedy = shown.get("temperature", 1 if self.elsewhere else 0) <= 0
        idle = {"top_k": 0, "repetition_penalty": 1}
        names = ["repetition_penalty"] if greedy else ["temperature", "top_p", "top_k", "repetition_penalty", "seed"]
        kept = [name for name in names if name in shown and shown[name] != idle.get(name)]
        start = [i18n.t("serving.provenance.greedy")] if greedy else []
        if self.elsewhere and "temperature" not in shown:
            start = [i18n.t("serving.provenance.own_sampling")]
        thinking = (
            [] if self.thinking is None else [i18n.t(f"serving.provenance.{'' if self.thinking else 'not_'}thinking")]
        )
        return start + [i18n.t(f"serving.provenance.{name}", value=shown[name]) for name in kept] + thinking


def catalogue() -> list[ServedModel]:
    """Every choice, bases first (the bundled before the downloaded), then runs from the newest on."""
    found = base_models()
    names = {choice.name for choice in found}
    folders: dict[tuple[str, str], Path | None] = {}  # runs share few bases
    tuned = (_of_run(run, folders) for run in store.runs() if not run.damaged)
    return found + [choice for choice in tuned if choice is not None and choice.name not in names]


def find(name: str) -> ServedModel:
    """The choice called `name`: a base's name, a run's id, or the name of a run (the newest of that name).

    Raises:
        UnknownModel: there is none; the error lists what there is.
    """
    own = {choice.name: choice for choice in base_models()}
    if found := own.get(name) or (next(iter(own.values()), None) if not name else None):
        return found
    if found := _run_called(name):
        return found
    choices = catalogue()
    for choice in choices:
        if choice.tuned and choice.title == name:
            return choice
    known = i18n.join((choice.name for choice in choices[:8]), "item") or "-"
    raise UnknownModel("serving.unknown_model", name=name[:80], known=known)


def _run_called(identifier: str) -> ServedModel | None:
    """The run of that id, without a look at the others."""
    try:
        run = store.get(identifier)
    except RunError:
        return None
    return None if run.damaged else _of_run(run)


def trained_on(choice: ServedModel) -> list[Run]:
    """The runs that were trained on the base `choice`: they need it to answer or to go on."""
    every = store.runs()
    found = {key: bases.of(run) for key, run in {(run.model, run.fingerprint): run for run in every}.items()}
    return [run for run in every if found[run.model, run.fingerprint] == choice.base]


def without_base() -> list[Run]:
    """Return the runs whose adapter cannot answer because its base is gone; it can still be taken away."""
    tuned = [run for run in store.runs() if not run.damaged and run.adapter()]
    found = {key: bases.of(run) for key, run in {(run.model, run.fingerprint): run for run in tuned}.items()}
    return [run for run in tuned if found[run.model, run.fingerprint] is None]


def base_models() -> list[ServedModel]:
    """Every base in the workspace and the bundled ones, the demo first."""
    found: dict[str, ServedModel] = {}
    for folder in bases.folders():
        name, created = folder.name, (folder / bases.CONFIG).stat().st_mtime
        one = ServedModel(name, name, folder.resolve(), created=created, merged_run=merged_run(folder))
        found.setdefault(name, one)
    demo = found.pop(workspace.DEMO_MODEL.name, None)
    return ([demo] if demo else []) + list(found.values())


def merged_run(folder: Path) -> str:
    """The id of the run that was merged into the model in `folder`, empty for any other model.

    Merges of earlier releases say it by the name of their folder only.
    """
    told = string(read_record(folder / MERGED).get("run"))
    named = RUN_ID.search(folder.name)
    return told or (named[0] if named else "")


def _of_run(run: Run, folders: dict[tuple[str, str], Path | None] | None = None) -> ServedModel | None:
    """The choice that `run` gives, None without an adapter or its base; runs of one base share `folders`."""
    folders = {} if folders is None else folders
    adapter = run.adapter()
    if adapter is None:
        return None
    key = (run.model, run.fingerprint)
    if key not in folders:
        folders[key] = bases.of(run)
    base = folders[key]
    if base is None:
        return None
    info = read_record(adapter / "easyaigc.json")
    step = info["step"] if isinstance(info.get("step"), int) else None
    created, weights = run.created or time.time(), string(info.get("fingerprint"))
    return ServedModel(run.id, run.name, base, adapter, step, created, weights)
