"""The adapter alone, in PEFT's layout: under this program's names, and under the published checkpoint's beside them.

ChatGLM2, ChatGLM3 and original GLM-4 are published with one fused `query_key_value`; here its rows are three modules.
`published/` holds the same LoRA for the fused module, which PEFT on the official code and vLLM load.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from glm_core import workspace
from glm_core.adapters import published_lora
from glm_core.adapters.files import read_info
from glm_core.runs.exchange import answers, model_card, plain_tools
from glm_core.runs.exchange.exporter import Exporter, ExportSource, ExportTool, Progress
from glm_core.runs.files import RunError

PUBLISHED = "published"


class AdapterExporter:
    """See the module."""

    types: tuple[str, ...] = ()

    def default_type(self, source: ExportSource) -> str:
        """The adapter's own."""
        return ""

    def check(self, source: ExportSource) -> None:
        """Every adapter can be exported, at its own strength: another one is no part of the files."""
        read_info(source.adapter)
        if source.strength != 1:
            raise RunError("exports.no_strength")

    def needed_bytes(self, source: ExportSource, kind: str) -> int:
        """At most three times the adapter: fused matrices have three times the rank."""
        return 4 * workspace.folder_size(source.adapter)

    def write(self, source: ExportSource, folder: Path, kind: str, progress: Progress) -> None:
        """Copy the adapter and write it under the published names where they differ."""
        progress("exports.stage.copying", None)
        for file in source.adapter.iterdir():
            if file.is_file() and not file.is_symlink():
                shutil.copyfile(file, folder / file.name)
        published_lora.write(source.adapter, source.base, folder / PUBLISHED)
        model_card.write(folder, source, "adapter", library="peft")

    def artefact(self, folder: Path) -> Path:
        """The folder."""
        return folder

    def tools(self, source: ExportSource) -> Sequence[ExportTool]:
        """This program, and PEFT where transformers has the base's network; both on the run's base."""
        return [ExportTool(answers.TOOL, _own_answer), *plain_tools.for_adapter(source)]


def _own_answer(source: ExportSource, artefact: Path, questions: Sequence[str], progress: Progress) -> list[str]:
    return answers.of_run(source, questions, progress, adapter=artefact)


EXPORTER: Exporter = AdapterExporter()
