"""GGUF: one file for llama.cpp, Ollama and LM Studio, with a Modelfile and the commands beside it."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from glm_core import workspace
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.files import read_info
from glm_core.adapters.merge import write_merged
from glm_core.models import checkpoints, describe
from glm_core.runs.exchange import answers, model_card
from glm_core.runs.exchange.exporter import Exporter, ExportSource, ExportTool, Progress
from glm_core.runs.exchange.gguf import layouts, llama_cpp, ollama
from glm_core.runs.exchange.merged_format import stored_dtype
from glm_core.runs.exchange.model_files import add_format

BYTES = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 34 / 32, "f32": 4.0}  # at most


class GGUFExporter:
    """See the module."""

    types: tuple[str, ...] = ("f16", "q8_0", "q4_0", "f32")

    def default_type(self, source: ExportSource) -> str:
        """16 bits: exact where the base is published in float16."""
        return "f16"

    def check(self, source: ExportSource) -> None:
        """Refuse prefixes, quantized bases, and networks that llama.cpp has not."""
        if read_info(source.adapter)["method"] != "lora":
            raise AdapterError("gguf.error.prefix")
        check_network(source.base)

    def needed_bytes(self, source: ExportSource, kind: str) -> int:
        """The file, and the merged model that it is made from and that is deleted afterwards."""
        return int(describe(source.base).parameters * (BYTES[kind] + 4))

    def write(self, source: ExportSource, folder: Path, kind: str, progress: Progress) -> None:
        """Merge into a temporary folder, convert that, and add the files for the tools."""
        from glm_core.runs.exchange.gguf.write import write_gguf

        name = file_name(source, kind)
        with tempfile.TemporaryDirectory(prefix=f"{workspace.BUILDING}merged-", dir=folder.parent) as temporary:
            merged, dtype = Path(temporary), stored_dtype(describe(source.base).config)
            dtype = "float32" if kind == "f32" else dtype
            write_merged(source.base, source.adapter, merged, dtype=dtype, strength=source.strength, progress=progress)
            add_format(merged, source.chat_format)
            write_gguf(merged, folder / name, kind=kind, name=source.run.name, progress=progress)
        ollama.write(folder, name, source.base, source.chat_format)
        model_card.write(folder, source, "gguf", library="gguf", usage=ollama.commands(name))

    def artefact(self, folder: Path) -> Path:
        """The file."""
        return llama_cpp.find_file(folder)

    def tools(self, source: ExportSource) -> Sequence[ExportTool]:
        """llama.cpp alone: this program reads no GGUF."""
        return llama_cpp.tools(_answer)


def _answer(source: ExportSource, artefact: Path, questions: Sequence[str], progress: Progress) -> list[str]:
    """By llama.cpp."""
    return llama_cpp.answer(artefact, answers.run_prompts(source, questions), answers.LONGEST, source.base)


def check_network(base: Path) -> None:
    """Refuse a base that is quantized, or that llama.cpp computes otherwise.

    Raises:
        AdapterError: says what is different.
    """
    description = describe(base)
    if description.bits:
        raise AdapterError("adapters.error.quantized_base", folder=base.name)
    quick = [file for file in checkpoints.weight_files(base) if file.suffix == ".safetensors"]
    layouts.find(description).check(description, (name for name, _ in checkpoints.tensor_shapes(quick)))


def file_name(source: ExportSource, kind: str) -> str:
    """Return the file's name as tools expect it: model, run and type."""
    return f"{source.base.name}-{source.run.id}-{kind.upper()}.gguf"


EXPORTER: Exporter = GGUFExporter()
