"""A whole model: the adapter worked into its base, with all files that other tools ask for.

Written in the layout the base was published in. Beside the weights lie the tokenizer as `tokenizer.json`, the chat template,
`generation_config.json` with stops and sampling defaults, and a model card.
"""

from collections.abc import Sequence
from pathlib import Path

from glm_core.adapters.errors import AdapterError
from glm_core.adapters.merge import write_merged
from glm_core.models import describe
from glm_core.runs.exchange import answers, model_card, model_files, plain_tools
from glm_core.runs.exchange.exporter import Exporter, ExportSource, ExportTool, Progress

DTYPES = ("float16", "bfloat16", "float32")


class MergedExporter:
    """See the module."""

    types: tuple[str, ...] = DTYPES

    def default_type(self, source: ExportSource) -> str:
        """The precision in which the base is published."""
        return stored_dtype(describe(source.base).config)

    def check(self, source: ExportSource) -> None:
        """Refuse a quantized base."""
        if describe(source.base).bits:
            raise AdapterError("adapters.error.quantized_base", folder=source.base.name)

    def needed_bytes(self, source: ExportSource, kind: str) -> int:
        """Bytes of as many numbers as the base has."""
        return describe(source.base).parameters * (4 if kind == "float32" else 2)

    def write(self, source: ExportSource, folder: Path, kind: str, progress: Progress) -> None:
        """Merge, then complete the folder."""
        write_merged(source.base, source.adapter, folder, dtype=kind, strength=source.strength, progress=progress)
        progress("exports.stage.completing", None)
        model_files.complete(folder, source.chat_format)
        model_card.write(folder, source, "merged")

    def artefact(self, folder: Path) -> Path:
        """The folder."""
        return folder

    def tools(self, source: ExportSource) -> Sequence[ExportTool]:
        """This program, which reads it as any model, and plain transformers where that has the network."""
        return [OWN, *plain_tools.for_model(source)]


def _own_answer(source: ExportSource, artefact: Path, questions: Sequence[str], progress: Progress) -> list[str]:
    return answers.of_model(artefact, questions, progress)


OWN = ExportTool(answers.TOOL, _own_answer)


def stored_dtype(config: dict) -> str:
    """Return the precision a published `config.json` names, float16 where it names none of `DTYPES`."""
    named = str(config.get("torch_dtype") or config.get("dtype") or "")
    return named if named in DTYPES else "float16"


EXPORTER: Exporter = MergedExporter()
