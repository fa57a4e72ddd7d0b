"""A LoRA as a GGUF adapter, which llama.cpp and Ollama put on the GGUF file of the base."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFWriter, Keys

from glm_core import workspace
from glm_core.adapters import lora_io, published_lora
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.files import read_info
from glm_core.models import describe
from glm_core.runs.exchange import answers, model_card
from glm_core.runs.exchange.exporter import Exporter, ExportSource, ExportTool, Progress
from glm_core.runs.exchange.gguf import layouts, llama_cpp, ollama
from glm_core.runs.exchange.gguf.format import check_network


class GGUFAdapterExporter:
    """See the module."""

    types: tuple[str, ...] = ("f32", "f16")

    def default_type(self, source: ExportSource) -> str:
        """As exact as it was trained."""
        return "f32"

    def check(self, source: ExportSource) -> None:
        """Refuse prefixes, magnitudes, and networks that llama.cpp has not."""
        if read_info(source.adapter)["method"] != "lora":
            raise AdapterError("gguf.error.prefix")
        if workspace.read_json(source.adapter / lora_io.CONFIG, {}).get("use_dora"):
            raise AdapterError("gguf.error.dora")
        check_network(source.base)

    def needed_bytes(self, source: ExportSource, kind: str) -> int:
        """At most six times the adapter: fused matrices have three times the rank, and numbers may grow to 32 bits."""
        return 6 * workspace.folder_size(source.adapter)

    def write(self, source: ExportSource, folder: Path, kind: str, progress: Progress) -> None:
        """Write the file and what the tools need beside it."""
        progress("exports.stage.copying", None)
        name = f"{source.base.name}-{source.run.id}-adapter-{kind.upper()}.gguf"
        write_adapter(source.adapter, source.base, folder / name, kind=kind, strength=source.strength)
        ollama.write_adapter(folder, name, source.base, source.chat_format)
        usage = ollama.adapter_commands(name, source.base)
        model_card.write(folder, source, "gguf-adapter", library="gguf", usage=usage)

    def artefact(self, folder: Path) -> Path:
        """The file."""
        return llama_cpp.find_file(folder)

    def tools(self, source: ExportSource) -> Sequence[ExportTool]:
        """llama.cpp alone: this program reads no GGUF."""
        return llama_cpp.tools(_answer)


def _answer(source: ExportSource, artefact: Path, questions: Sequence[str], progress: Progress) -> list[str]:
    """By llama.cpp, on the base written as GGUF for this."""
    from glm_core.runs.exchange.gguf.write import write_gguf

    asked = answers.run_prompts(source, questions)
    with tempfile.TemporaryDirectory(prefix=workspace.BUILDING, dir=artefact.parent.parent) as temporary:
        base = write_gguf(source.base, Path(temporary) / "base.gguf", progress=progress)
        return llama_cpp.answer(base, asked, answers.LONGEST, source.base, artefact)


def write_adapter(adapter: Path, base: Path, file: Path, *, kind: str = "f32", strength: float = 1.0) -> Path:
    """Write the LoRA in `adapter`, trained on the model in `base`, as `file`.

    Its matrices are those of the published checkpoint, with the rows of B in llama.cpp's order of the matrix that they change.

    Args:
        kind: "f32" or "f16".
        strength: share of the adapter that acts.

    Raises:
        AdapterError: a DoRA, a prefix, or a module that llama.cpp has not.
    """
    description = describe(base)
    layout = layouts.find(description)
    pairs = published_lora.pairs(adapter, base)
    number = np.float16 if kind == "f16" else np.float32
    writer = GGUFWriter(file, layout.arch.lower())
    writer.add_type("adapter")
    writer.add_string(Keys.Adapter.TYPE, "lora")
    writer.add_float32(Keys.Adapter.LORA_ALPHA, strength * pairs.scaling * pairs.rank)  # llama.cpp divides by the rank
    for name in pairs.modules:
        a, b = (pairs.tensors[f"{lora_io.OUTER}{name}.lora_{part}.weight"] for part in "AB")
        label = layout.name(description, f"{name}.weight")
        writer.add_tensor(f"{label}.lora_a", _numbers(a, number))
        writer.add_tensor(f"{label}.lora_b", _numbers(layout.reorder(description, f"{name}.weight", b), number))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _numbers(tensor: torch.Tensor, number: type) -> np.ndarray:
    return tensor.float().contiguous().numpy().astype(number)


EXPORTER: Exporter = GGUFAdapterExporter()
