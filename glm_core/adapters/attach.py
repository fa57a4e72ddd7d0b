"""Adapters on a loaded model: attach for training, save, load, switch, unload.

LoRA is PEFT's, prefixes are our own encoder's. `loaded.model` stays the plain transformers model throughout: PEFT
puts its layers into it in place, prefixes reach its attention by their switch. One thread owns a model: switching is
global to it. Not here: an adapter's folder (files.py), its strength and rows of several adapters (scale.py),
merging into weights (merge.py).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from glm_core import workspace
from glm_core.adapters import lora_io, pissa
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.files import INFO, PREFIX_WEIGHTS, read_info, read_prefix, write_config
from glm_core.adapters.settings import AdapterSettings, attached_rank, has_pissa
from glm_core.adapters.targets import choose_targets
from glm_core.models import LoadedModel, checkpoints, prefix_tuning, quantization
from glm_core.models.architectures.base import PREFIX
from glm_core.models.checkpoints import fingerprint
from glm_core.models.errors import ModelError

NAME = "trained"  # of the adapter a run trains


@dataclass
class Attached:
    """The adapters of one model.

    Attributes:
        own_prefix: of a base that came with one; part of the base.
        methods: name -> "lora" or "ptuning".
        scalable: names of those that act at any strength.
        peft: PEFT's view of the model, while there is a LoRA.
    """

    own_prefix: str | None
    methods: dict[str, str] = field(default_factory=dict)
    scalable: set[str] = field(default_factory=set)
    peft: "PeftModel | None" = None

    def method(self, name: str) -> str:
        """The method of adapter `name`.

        Raises:
            AdapterError: no adapter of that name is loaded.
        """
        try:
            return self.methods[name]
        except KeyError:
            raise AdapterError("adapters.error.unknown", name=name) from None


def names(loaded: LoadedModel) -> list[str]:
    """The adapters that `loaded` carries."""
    return list(attached(loaded).methods)


def attach(loaded: LoadedModel, settings: AdapterSettings, name: str = NAME) -> int:
    """Put a fresh adapter on `loaded`, switch it on, freeze the rest. Returns the number of trainable parameters.

    The adapter is in float32 whatever the base is in. One that begins with the principal part of each weight has to be
    given that (`begin_pissa`), or weights that were saved.

    Raises:
        AdapterError: the settings name modules that the model does not have, or the name is taken.
    """
    state = attached(loaded)
    _check_free(state, name)
    loaded.model.requires_grad_(False)
    if settings.method == "ptuning":
        encoder = prefix_tuning.new_encoder(
            loaded.family, _native(loaded), settings.prefix_length, settings.prefix_projection
        )
        prefix_tuning.attach_prefix(
            loaded.model, loaded.family.architecture, encoder.float().to(loaded.model.device), name
        )
    else:
        _add_lora(loaded, state, name, _new_config(loaded, settings), trainable=True)
    state.methods[name] = settings.method
    if not settings.dora and (settings.method == "lora" or state.own_prefix is None):
        state.scalable.add(name)
    activate(loaded, name, trainable=True)
    trainable = sum(parameter.numel() for parameter in loaded.model.parameters() if parameter.requires_grad)
    if not has_pissa(settings):
        return trainable
    pissa.freeze_initial(loaded.model, slot(name))
    return trainable // 2


def begin_pissa(loaded: LoadedModel, progress: Callable[[float], None] | None = None, name: str = NAME) -> None:
    """Give an adapter attached with `pissa` the principal part of each weight; `progress` is told the share that is done.

    Raises:
        AdapterError: its rank is larger than a weight allows.
    """
    pissa.begin(loaded.model, slot(name), progress)


def _check_free(state: Attached, name: str) -> None:
    if name in state.methods or name == state.own_prefix:
        raise AdapterError("adapters.error.name_taken", name=name)


def _native(loaded: LoadedModel) -> dict[str, Any]:
    """The model's sizes in the terms of `Architecture.settings`."""
    return loaded.model.config.to_dict()


def _new_config(loaded: LoadedModel, settings: AdapterSettings):
    from peft import LoraConfig

    available = {name.rpartition(".")[2] for name in quantization.block_linears(loaded.model) if ".trans." not in name}
    dims = loaded.family.architecture.dimensions(_native(loaded))
    rank = attached_rank(settings)
    return LoraConfig(
        r=rank,
        lora_alpha=settings.lora_alpha * rank // settings.lora_rank,  # the same scale
        lora_dropout=settings.lora_dropout,
        use_rslora=settings.rslora,
        use_dora=settings.dora,
        target_modules=choose_targets(settings.lora_targets, dims.groups, available),
    )


def _add_lora(loaded: LoadedModel, state: Attached, name: str, config, trainable: bool) -> None:
    from peft import PeftModel

    if state.peft is None:
        state.peft = PeftModel(loaded.model, config, slot(name), autocast_adapter_dtype=trainable)
    else:
        state.peft.add_adapter(slot(name), config, autocast_adapter_dtype=trainable)


def lora_layers(loaded: LoadedModel, name: str = NAME) -> list[str]:
    """The names of the linear layers that adapter `name` adapts; none for a prefix."""
    state = attached(loaded)
    return sorted(state.peft.peft_config[slot(name)].target_modules) if state.method(name) == "lora" else []


def tensors(loaded: LoadedModel, name: str = NAME) -> dict[str, torch.Tensor]:
    """The adapter's weights under the names they have in its file."""
    if attached(loaded).method(name) == "ptuning":
        encoder = loaded.model.prefixes[name]
        return {f"{PREFIX}{key}": value.detach().cpu().contiguous() for key, value in encoder.state_dict().items()}
    from peft.utils import get_peft_model_state_dict

    found = get_peft_model_state_dict(attached(loaded).peft, adapter_name=slot(name), save_embedding_layers=False)
    return {key: value.detach().cpu().contiguous() for key, value in found.items()}


def restore(loaded: LoadedModel, folder: Path, name: str = NAME) -> None:
    """Give an attached adapter the weights saved in `folder` by `write`, as when going on from a checkpoint."""
    if attached(loaded).method(name) == "ptuning":
        loaded.model.prefixes[name].load_state_dict(read_prefix(folder))
        return
    from peft.utils import set_peft_model_state_dict

    found = dict(checkpoints.read_tensors([folder / lora_io.WEIGHTS]))
    set_peft_model_state_dict(attached(loaded).peft, found, adapter_name=slot(name))


def write(loaded: LoadedModel, folder: Path, info: dict[str, Any] | None = None, name: str = NAME) -> None:
    """Write the adapter's files into the existing `folder`: weights, PEFT's configuration, `easyaigc.json`."""
    state, weights = attached(loaded), tensors(loaded, name)
    method = state.method(name)
    if method == "ptuning":
        torch.save(weights, folder / PREFIX_WEIGHTS)
    else:
        checkpoints.write_tensors(weights, folder / lora_io.WEIGHTS)
        write_config(folder, state.peft.peft_config[slot(name)], loaded.name)
    own = {
        "base": loaded.name,
        "family": loaded.family.name,
        "hidden_size": loaded.model.config.hidden_size,
        "layers": loaded.model.config.num_hidden_layers,
        "method": method,
        "fingerprint": fingerprint(loaded.path),
    }
    workspace.write_json(folder / INFO, own | (info or {}))


def save(loaded: LoadedModel, folder: Path, info: dict[str, Any] | None = None, name: str = NAME) -> None:
    """Save the adapter as `folder`, which appears, or is replaced, whole.

    Args:
        info: goes into `easyaigc.json`: run, step, settings and so on.

    Raises:
        OSError: the disk is full or the folder cannot be written; what was there before is untouched.
    """
    with workspace.replace_folder(Path(folder)) as building:
        write(loaded, building, info, name)


def load_adapter(loaded: LoadedModel, folder: Path, name: str) -> dict[str, Any]:
    """Load the adapter in `folder` under `name`, switched off. Returns its information.

    Takes what this program saved, PEFT's LoRA folders (also those trained on fused ChatGLM2 and ChatGLM3 code), and
    official prefix checkpoints. Tensors only: nothing is unpickled as objects.

    Raises:
        AdapterError: damaged, of another base, or the name is taken.
    """
    folder, state = Path(folder), attached(loaded)
    _check_free(state, name)
    info = read_info(folder)
    _check_base(loaded, info)
    if info["method"] == "ptuning":
        _load_prefix(loaded, state, folder, name)
    else:
        _load_lora(loaded, state, folder, name)
    state.methods[name] = info["method"]
    loaded.model.eval()  # PEFT's new layers start in training mode, and their dropout would act on answers
    activate(loaded, None)
    return info


def _check_base(loaded: LoadedModel, info: dict[str, Any]) -> None:
    """Refuse by what easyaigc.json says; the tensors' shapes are checked besides."""
    if (family := info.get("family", loaded.family.name)) != loaded.family.name:
        raise AdapterError("adapters.error.family", there=str(family), here=loaded.family.name)
    here = {"hidden_size": loaded.model.config.hidden_size, "layers": loaded.model.config.num_hidden_layers}
    for key, value in here.items():
        if info.get(key, value) != value:
            raise AdapterError("adapters.error.size", name=key, there=str(info[key]), here=value)


def _load_prefix(loaded: LoadedModel, state: Attached, folder: Path, name: str) -> None:
    found = read_prefix(folder)
    length = found["embedding.weight"].shape[0] if "embedding.weight" in found else 0
    try:
        encoder = prefix_tuning.from_state(loaded.family, _native(loaded), length, found)
        prefix_tuning.attach_prefix(
            loaded.model, loaded.family.architecture, encoder.requires_grad_(False).to(loaded.model.device), name
        )
    except ModelError as error:
        raise AdapterError("adapters.error.prefix", folder=folder.name, reason=str(error)) from error
    if state.own_prefix is None:
        state.scalable.add(name)


def _load_lora(loaded: LoadedModel, state: Attached, folder: Path, name: str) -> None:
    from peft import LoraConfig
    from peft.utils import set_peft_model_state_dict

    found = lora_io.read(folder, loaded.family, _native(loaded))
    lora_io.check_shapes(found, loaded.model)
    config = LoraConfig(
        r=found.rank,
        lora_alpha=found.alpha,
        lora_dropout=found.dropout,
        use_rslora=found.rslora,
        use_dora=bool(found.magnitude),
        target_modules=list(found.a),
        inference_mode=True,
    )
    _add_lora(loaded, state, name, config, trainable=False)
    set_peft_model_state_dict(state.peft, found.tensors(), adapter_name=slot(name))
    if not found.magnitude:
        state.scalable.add(name)


def activate(loaded: LoadedModel, name: str | None, trainable: bool = False) -> None:
    """Answer with adapter `name`, or with the base exactly as it was loaded (None).

    Raises:
        AdapterError: no adapter of that name is loaded.
    """
    state = attached(loaded)
    method = None if name is None else state.method(name)
    prefix_tuning.activate_prefix(loaded.model, name if method == "ptuning" else state.own_prefix)
    if state.peft is not None:
        if method == "lora":
            state.peft.base_model.enable_adapter_layers()
            state.peft.set_adapter(slot(name), inference_mode=not trainable)
        else:
            state.peft.base_model.disable_adapter_layers()
    if method == "ptuning":
        loaded.model.prefixes[name].requires_grad_(trainable)


def unload_adapter(loaded: LoadedModel, name: str) -> None:
    """Take an adapter off and free its memory; the base answers afterwards if it was the active one.

    Raises:
        AdapterError: no adapter of that name is loaded.
    """
    state = attached(loaded)
    method = state.method(name)
    others = [one for one, kind in state.methods.items() if kind == "lora" and one != name]
    activate(loaded, None)
    if method == "ptuning":
        prefix_tuning.detach_prefix(loaded.model, name)
        prefix_tuning.activate_prefix(loaded.model, state.own_prefix)
    elif not others:
        state.peft.base_model.unload()
        state.peft = None
    else:
        state.peft.set_adapter(slot(others[0]), inference_mode=True)  # else PEFT warns that it chose one itself
        state.peft.delete_adapter(slot(name))
        state.peft.base_model.disable_adapter_layers()
    del state.methods[name]
    state.scalable.discard(name)


if TYPE_CHECKING:
    from peft import PeftModel


def attached(loaded: LoadedModel) -> Attached:
    """Kept on the model: in a table beside it PEFT's model, which refers to the base, would keep it in memory for ever."""
    held = vars(loaded.model)
    if "attached_adapters" not in held:
        switch = getattr(loaded.model, "prefixes", None)
        held["attached_adapters"] = Attached(own_prefix=switch.active if switch is not None else None)
    return held["attached_adapters"]


def slot(name: str) -> str:
    """Return what PEFT calls the adapter: module names may hold neither dots nor PEFT's own prefixes."""
    return f"x{name.encode().hex()}"
