"""The interface of an export format, and the formats there are.

A format is one file with one `Exporter`, entered in `FORMATS`. Pages, jobs, the check and the command line know formats only
by this; its title and what it is for are `models.export_format.<name>` and `models.export_about.<name>`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from glm_core.adapters.errors import AdapterError
from glm_core.models.plain_formats import DEFAULT
from glm_core.runs.files import RunError
from glm_core.runs.run import Run

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Format:
    """The entry of a format.

    Attributes:
        module: that has its EXPORTER; imported when used, since most need torch.
        offered: number types that a page offers, the usual one first; empty where it asks for none.
    """

    module: str
    offered: tuple[str, ...] = ()


FORMATS = {
    "merged": Format("glm_core.runs.exchange.merged_format"),
    "transformers": Format("glm_core.runs.exchange.transformers_format"),
    "gguf": Format("glm_core.runs.exchange.gguf.format", ("f16", "q8_0", "q4_0")),
    "gguf-adapter": Format("glm_core.runs.exchange.gguf.adapter_format"),
    "adapter": Format("glm_core.runs.exchange.adapter_format"),
}
"In the order in which a page lists them."


@dataclass(frozen=True)
class ExportSource:
    """The trained model to export.

    Attributes:
        run: gives the adapter and what the model card says.
        base: folder of the base model.
        strength: share of the adapter that is worked in, for LoRA from 0 to 1.5.
        measured: sentences of the run's report, for the model card.

    Raises:
        AdapterError: `strength` is out of range.
    """

    run: Run
    base: Path
    strength: float = 1.0
    measured: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        from glm_core.adapters.scale import STRONGEST

        if not 0 <= self.strength <= STRONGEST:  # no number is out of range, too
            raise AdapterError("adapters.error.strength", strength=self.strength, maximum=STRONGEST)

    @property
    def adapter(self) -> Path:
        """The folder of the run's adapter.

        Raises:
            RunError: the run has none.
        """
        found = self.run.adapter()
        if found is None:
            raise RunError("exports.no_adapter", name=self.run.name)
        return found

    @property
    def chat_format(self) -> str:
        """The chat format that the run was trained in, for a base that brings none."""
        return str(self.run.settings.get("chat_format", "")) or DEFAULT


Answer = Callable[[ExportSource, Path, Sequence[str], Progress], list[str]]
"Asks an export, what its format's `artefact` returned, the questions, and returns its answers."


@dataclass(frozen=True)
class ExportTool:
    """A program that answers for an export when it is checked.

    Attributes:
        name: as a person reads it.
        answer: asks it.
        module, package: what it needs installed, by the name that is imported and the one that pip takes; empty where nothing.
    """

    name: str
    answer: Answer
    module: str = ""
    package: str = ""

    @property
    def missing(self) -> str:
        """The package that is not installed and without which it cannot be asked; empty where nothing is missing."""
        return self.package if self.module and not find_spec(self.module) else ""


class Exporter(Protocol):
    """One format.

    Attributes:
        types: names of the number types it can be written in, the usual one first; empty where there is no choice.
    """

    types: tuple[str, ...]

    def default_type(self, source: ExportSource) -> str:
        """Return the type used where none is asked for."""

    def check(self, source: ExportSource) -> None:
        """Refuse what this format cannot hold, before anything is written.

        Raises:
            AdapterError, ModelError: says why, and what to do instead.
        """

    def needed_bytes(self, source: ExportSource, kind: str) -> int:
        """Return an estimate of the bytes that writing takes on the disk."""

    def write(self, source: ExportSource, folder: Path, kind: str, progress: Progress) -> None:
        """Write the export into the empty `folder`; `progress` gets a stage and the fraction done, and may raise `Cancelled`."""

    def artefact(self, folder: Path) -> Path:
        """Return what a tool is pointed at: the folder itself, or a file in it."""

    def tools(self, source: ExportSource) -> Sequence[ExportTool]:
        """Return the programs that are asked for the export's own answers, to be compared with the run's."""


def exporter(name: str) -> Exporter:
    """Return the exporter of a format.

    Raises:
        RunError: there is no such format.
    """
    if name not in FORMATS:
        raise RunError("exports.no_format", name=repr(name)[:40], known=", ".join(FORMATS))
    return import_module(FORMATS[name].module).EXPORTER


def checked_type(one: Exporter, source: ExportSource, kind: str | None) -> str:
    """Return `kind`, or the usual one where it is None.

    Raises:
        RunError: the format cannot be written in that type.
    """
    kind = kind or one.default_type(source)
    if one.types and kind not in one.types:
        raise RunError("exports.no_type", name=repr(kind)[:40], known=", ".join(one.types))
    return kind
