"""A merged model in the layout of transformers' own network, for models published with code of their own.

ChatGLM2, ChatGLM3 and original GLM-4 are transformers' Glm with other names and a fused query_key_value. Written so,
`AutoModelForCausalLM` and vLLM load them without `trust_remote_code`, whose old tokenizer code fails with today's
libraries. `easyaigc_family` in config.json keeps the family, which the layout alone does not tell.
"""

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from glm_core import workspace
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.files import read_info
from glm_core.adapters.merge import write_shards
from glm_core.models import ModelDescription, checkpoints, describe
from glm_core.runs.exchange import model_card, plain_tools
from glm_core.runs.exchange.exporter import Exporter, ExportSource, ExportTool, Progress
from glm_core.runs.exchange.merged_format import DTYPES, OWN, MergedExporter

if TYPE_CHECKING:
    from transformers import PretrainedConfig

FAMILY = "easyaigc_family"


class TransformersExporter(MergedExporter):
    """See the module."""

    types: tuple[str, ...] = DTYPES

    def check(self, source: ExportSource) -> None:
        """Refuse quantized bases, prefixes, and networks that transformers has not."""
        super().check(source)
        if read_info(source.adapter)["method"] != "lora":
            raise AdapterError("exports.prefix_layout")
        _config(describe(source.base))

    def needed_bytes(self, source: ExportSource, kind: str) -> int:
        """The model twice: as it was published, until it is renamed, and renamed."""
        return 2 * super().needed_bytes(source, kind)

    def write(self, source: ExportSource, folder: Path, kind: str, progress: Progress) -> None:
        """Merge into a temporary folder and rename its tensors."""
        with tempfile.TemporaryDirectory(prefix=f"{workspace.BUILDING}merged-", dir=folder.parent) as temporary:
            merged = Path(temporary)
            super().write(source, merged, kind, progress)
            convert(merged, folder, kind, progress)
        model_card.write(folder, source, "merged")

    def tools(self, source: ExportSource) -> Sequence[ExportTool]:
        """This program and plain transformers."""
        return [OWN, plain_tools.TRANSFORMERS]


def convert(folder: Path, target: Path, dtype: str, progress: Progress | None = None) -> None:
    """Write the model in `folder` into `target`, which is there, in transformers' layout.

    Raises:
        AdapterError: transformers has no such network.
        ModelError: the folder cannot be read.
    """
    description = describe(folder)
    config = _config(description)
    rename = description.family.architecture.renamer(description.settings)
    source = checkpoints.read_tensors(checkpoints.weight_files(folder), progress)
    renamed = (pair for name, tensor in source for pair in rename(name, tensor))
    write_shards(target, _untied(renamed, config.tie_word_embeddings), getattr(torch, dtype))
    record = json.loads(config.to_json_string(use_diff=False))
    kept = {"torch_dtype": dtype, FAMILY: description.family.name, "_name_or_path": description.config["_name_or_path"]}
    workspace.write_json(target / "config.json", {k: v for k, v in record.items() if k != "dtype"} | kept)
    for file in folder.iterdir():
        if file.name != "config.json" and not file.name.startswith("model") and file.is_file():
            file.rename(target / file.name)


def _untied(tensors: Iterator[tuple[str, torch.Tensor]], tied: bool) -> Iterator[tuple[str, torch.Tensor]]:
    return (pair for pair in tensors if not (tied and pair[0] == "lm_head.weight"))


def _config(description: ModelDescription) -> "PretrainedConfig":
    """Return transformers' configuration of the model.

    Raises:
        AdapterError: its network is this program's own.
    """
    with torch.device("meta"):
        model = description.family.architecture.build(description.settings)
    config = model.config
    if not type(config).__module__.startswith("transformers."):
        raise AdapterError("exports.no_layout", name=str(description.family))
    config.architectures = [
        next(one.__name__ for one in type(model).__mro__ if one.__module__.startswith("transformers."))
    ]
    return config


EXPORTER: Exporter = TransformersExporter()
