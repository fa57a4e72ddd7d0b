"""Going on from an adapter: a new run begins with the weights of a finished or imported one instead of zeros.

An adapter's kind and shape are not the new run's to choose: `settings_of` reads them from its files, `begin_from` gives a
freshly attached adapter its weights. PEFT's layout, fused published modules and official prefixes are read alike.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from glm_core import workspace
from glm_core.adapters import lora_io
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.files import INFO, PREFIX_WEIGHTS, read_info, read_prefix
from glm_core.models import describe

if TYPE_CHECKING:
    from glm_core.models import LoadedModel

FOLDER = "start"
"Where a run directory keeps the adapter it begins with, so that it does not depend on the run it came from."
FILES = (lora_io.CONFIG, lora_io.WEIGHTS, PREFIX_WEIGHTS, INFO)


def settings_of(folder: Path, base: str | Path) -> dict[str, Any]:
    """The training settings that the adapter in `folder`, of the model in folder `base`, fixes.

    Raises:
        AdapterError: there is no adapter, or it is damaged.
        ModelError: there is no such model.
    """
    if read_info(folder)["method"] == "ptuning":
        tensors = read_prefix(folder)
        if "trans.0.weight" not in tensors and "embedding.weight" not in tensors:
            raise AdapterError("adapters.error.none", folder=str(folder))
        length = tensors["embedding.weight"].shape[0]
        return {"method": "ptuning", "prefix_length": length, "prefix_projection": "trans.0.weight" in tensors}
    model = describe(base)
    found = lora_io.read(folder, model.family, model.settings)
    return {
        "method": "lora",
        "lora_rank": found.rank,
        "lora_alpha": max(1, round(found.alpha)),
        "lora_targets": ", ".join(sorted({name.rpartition(".")[2] for name in found.a})),
        "rslora": found.rslora,
        "dora": bool(found.magnitude),
        "pissa": False,
    }


def copy(folder: Path, destination: Path) -> None:
    """Copy the adapter's own files from `folder` into the new folder `destination`; links are not followed."""
    destination.mkdir(parents=True)
    for name in FILES:
        if (folder / name).is_file() and not (folder / name).is_symlink():
            (destination / name).write_bytes((folder / name).read_bytes())
    workspace.share(destination)


def begin_from(loaded: "LoadedModel", folder: Path, name: str) -> None:
    """Give the attached adapter `name` of `loaded` the weights in `folder`.

    Raises:
        AdapterError: damaged, or of another shape than the attached one.
    """
    from glm_core.adapters import attach

    if attach.attached(loaded).method(name) == "ptuning":
        try:
            loaded.model.prefixes[name].load_state_dict(read_prefix(folder))
        except RuntimeError as error:
            raise AdapterError("adapters.error.prefix", folder=folder.name, reason=str(error)[:200]) from error
        return
    from peft.utils import set_peft_model_state_dict

    found = lora_io.read(folder, loaded.family, loaded.model.config.to_dict())
    lora_io.check_shapes(found, loaded.model)
    have = {key: tensor.shape for key, tensor in attach.tensors(loaded, name).items()}
    given = {key: tensor.shape for key, tensor in found.tensors().items()}
    if have != given:
        odd = next(iter(set(have) ^ set(given)), "") or next(key for key in have if have[key] != given[key])
        raise AdapterError("adapters.error.start", name=odd.removeprefix(lora_io.OUTER))
    set_peft_model_state_dict(attach.attached(loaded).peft, found.tensors(), adapter_name=attach.slot(name))
