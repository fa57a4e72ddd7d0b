"""Adapters on a loaded model: attach for training, save, load, switch, scale, unload.

LoRA is PEFT's, prefixes are our own encoder's.

`loaded.model` stays the plain transformers model throughout: PEFT puts its layers into it in place, prefixes reach its
attention by their switch. An adapter's folder holds PEFT's layout for LoRA, the official one for prefixes, and
`easyaigc.json`. Not here: merging into weights (merging.py). One thread owns a model: switching is global to it.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from glm_core import workspace
from glm_core.models import LoadedModel, checkpoints, conversion, prefix, quantization
from glm_core.models.errors import ModelError
from glm_core.models.fingerprint import fingerprint
from glm_core.training import lora
from glm_core.training.errors import AdapterError
from glm_core.training.settings import TrainingSettings
from glm_core.training.targets import choose_targets

if TYPE_CHECKING:
    from peft import PeftModel

NAME = "trained"  # of the adapter a run trains
INFO, PREFIX_WEIGHTS = "easyaigc.json", "pytorch_model.bin"
STRONGEST = 1.5


@dataclass
class _Attached:
    """What one model carries: name -> method of its adapters, and how to reach them."""

    own_prefix: str | None  # of a base that came with one; part of the base
    methods: dict[str, str] = field(default_factory=dict)
    scalable: set[str] = field(default_factory=set)
    peft: "PeftModel | None" = None


def _of(loaded: LoadedModel) -> _Attached:
    """Kept on the model: in a table beside it PEFT's model, which refers to the base, would keep it in memory for ever."""
    held = vars(loaded.model)
    if "attached_adapters" not in held:
        switch = getattr(loaded.model, "prefixes", None)
        held["attached_adapters"] = _Attached(own_prefix=switch.active if switch is not None else None)
    return held["attached_adapters"]


def _slot(name: str) -> str:
    """What PEFT calls the adapter: module names may hold neither dots nor PEFT's own prefixes."""
    return f"x{name.encode().hex()}"


def names(loaded: LoadedModel) -> list[str]:
    """The adapters that `loaded` carries."""
    return list(_of(loaded).methods)


def attach(loaded: LoadedModel, settings: TrainingSettings, name: str = NAME) -> int:
    """Put a fresh adapter on `loaded`, switch it on, freeze the rest. Returns the number of trainable parameters.

    The adapter is in float32 whatever the base is in.

    Raises:
        AdapterError: the settings name modules that the model does not have, or the name is taken.
    """
    state = _of(loaded)
    _check_free(state, name)
    loaded.model.requires_grad_(False)
    if settings.method == "ptuning":
        encoder = prefix.new_encoder(loaded.family, _native(loaded), settings.prefix_length, settings.prefix_projection)
        prefix.attach_prefix(loaded.model, encoder.float().to(loaded.model.device), name)
    else:
        _add_lora(loaded, state, name, _new_config(loaded, settings), trainable=True)
    state.methods[name] = settings.method
    if not settings.dora and (settings.method == "lora" or state.own_prefix is None):
        state.scalable.add(name)
    activate(loaded, name, trainable=True)
    return sum(parameter.numel() for parameter in loaded.model.parameters() if parameter.requires_grad)


def _check_free(state: _Attached, name: str) -> None:
    if name in state.methods or name == state.own_prefix:
        raise AdapterError("adapters.error.name_taken", name=name)


def _native(loaded: LoadedModel) -> dict[str, Any]:
    """The model's sizes in the terms of `conversion.native_config`."""
    return loaded.model.config.to_dict()


def _new_config(loaded: LoadedModel, settings: TrainingSettings):
    from peft import LoraConfig

    available = {name.rpartition(".")[2] for name in quantization.block_linears(loaded.model) if ".trans." not in name}
    return LoraConfig(
        r=settings.lora_rank, lora_alpha=settings.lora_alpha, lora_dropout=settings.lora_dropout, use_rslora=settings.rslora,
        use_dora=settings.dora, target_modules=choose_targets(loaded.family, settings.lora_targets, available),
    )  # fmt: skip


def _add_lora(loaded: LoadedModel, state: _Attached, name: str, config, trainable: bool) -> None:
    from peft import PeftModel

    if state.peft is None:
        state.peft = PeftModel(loaded.model, config, _slot(name), autocast_adapter_dtype=trainable)
    else:
        state.peft.add_adapter(_slot(name), config, autocast_adapter_dtype=trainable)


def tensors(loaded: LoadedModel, name: str = NAME) -> dict[str, torch.Tensor]:
    """The adapter's weights under the names they have in its file."""
    if _method(loaded, name) == "ptuning":
        encoder = loaded.model.prefixes[name]
        return {
            f"{conversion.PREFIX}{key}": value.detach().cpu().contiguous()
            for key, value in encoder.state_dict().items()
        }
    from peft.utils import get_peft_model_state_dict

    found = get_peft_model_state_dict(_of(loaded).peft, adapter_name=_slot(name), save_embedding_layers=False)
    return {key: value.detach().cpu().contiguous() for key, value in found.items()}


def restore(loaded: LoadedModel, folder: Path, name: str = NAME) -> None:
    """Give an attached adapter the weights saved in `folder` by `write`, as when going on from a checkpoint."""
    if _method(loaded, name) == "ptuning":
        loaded.model.prefixes[name].load_state_dict(_read_prefix(folder))
        return
    from peft.utils import set_peft_model_state_dict

    found = dict(checkpoints.read_tensors([folder / lora.WEIGHTS]))
    set_peft_model_state_dict(_of(loaded).peft, found, adapter_name=_slot(name))


def write(loaded: LoadedModel, folder: Path, info: dict[str, Any] | None = None, name: str = NAME) -> None:
    """Write the adapter's files into the existing `folder`: weights, PEFT's configuration, `easyaigc.json`."""
    method, weights = _method(loaded, name), tensors(loaded, name)
    if method == "ptuning":
        torch.save(weights, folder / PREFIX_WEIGHTS)
    else:
        save_file(weights, folder / lora.WEIGHTS, metadata={"format": "pt"})
        _write_config(loaded, folder, name)
    own = {"base": loaded.name, "family": loaded.family.name, "hidden_size": loaded.model.config.hidden_size,
           "layers": loaded.model.config.num_hidden_layers, "method": method, "fingerprint": fingerprint(loaded.path)}  # fmt: skip
    workspace.write_json(folder / INFO, own | (info or {}))


def _write_config(loaded: LoadedModel, folder: Path, name: str) -> None:
    config = _of(loaded).peft.peft_config[_slot(name)].to_dict()
    config |= {"base_model_name_or_path": loaded.name, "inference_mode": True}
    config["target_modules"] = sorted(config["target_modules"])
    workspace.write_json(folder / lora.CONFIG, {key: value for key, value in config.items() if _is_plain(value)})


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value)
    except TypeError:
        return False
    return True


def save(loaded: LoadedModel, folder: Path, info: dict[str, Any] | None = None, name: str = NAME) -> None:
    """Save the adapter as `folder`, which appears, or is replaced, whole.

    Args:
        info: goes into `easyaigc.json`: run, step, settings and so on.

    Raises:
        OSError: the disk is full or the folder cannot be written; what was there before is untouched.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        write(loaded, building, info, name)
        share(building)
        if folder.exists():
            former = building.with_suffix(".former")
            folder.rename(former)
            building.rename(folder)
            shutil.rmtree(former)
        else:
            building.rename(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def share(folder: Path) -> None:
    """Let other users of the machine read `folder`: temporary folders and safetensors files start out private."""
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(0o644)


def read_info(folder: Path) -> dict[str, Any]:
    """`easyaigc.json` of an adapter's folder; for folders made elsewhere, what their files tell: the method.

    Raises:
        AdapterError: there is no adapter in it.
    """
    folder = Path(folder)
    try:
        found = workspace.read_json(folder / INFO, {})
    except ValueError:
        found = {}
    found = found if isinstance(found, dict) else {}
    if (folder / lora.CONFIG).is_file():
        return found | {"method": "lora"}
    if (folder / PREFIX_WEIGHTS).is_file():
        return found | {"method": "ptuning"}
    raise AdapterError("adapters.error.none", folder=str(folder))


def load_adapter(loaded: LoadedModel, folder: Path, name: str) -> dict[str, Any]:
    """Load the adapter in `folder` under `name`, switched off. Returns its information.

    Takes what this program saved, PEFT's LoRA folders (also those trained on fused ChatGLM2 and ChatGLM3 code), and
    official prefix checkpoints. Tensors only: nothing is unpickled as objects.

    Raises:
        AdapterError: damaged, of another base, or the name is taken.
    """
    folder, state = Path(folder), _of(loaded)
    _check_free(state, name)
    info = read_info(folder)
    _check_base(loaded, info)
    if info["method"] == "ptuning":
        _load_prefix(loaded, folder, name)
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


def _load_prefix(loaded: LoadedModel, folder: Path, name: str) -> None:
    state = _read_prefix(folder)
    length = state["embedding.weight"].shape[0] if "embedding.weight" in state else 0
    try:
        encoder = prefix.from_state(loaded.family, _native(loaded), length, state)
        prefix.attach_prefix(loaded.model, encoder.requires_grad_(False).to(loaded.model.device), name)
        if _of(loaded).own_prefix is None:
            _of(loaded).scalable.add(name)
    except ModelError as error:
        raise AdapterError("adapters.error.prefix", folder=folder.name, reason=str(error)) from error


def _read_prefix(folder: Path) -> dict[str, torch.Tensor]:
    found = checkpoints.read_tensors([folder / PREFIX_WEIGHTS])
    return {
        key.removeprefix(conversion.PREFIX): value.clone() for key, value in found if key.startswith(conversion.PREFIX)
    }


def _load_lora(loaded: LoadedModel, state: _Attached, folder: Path, name: str) -> None:
    from peft import LoraConfig
    from peft.utils import set_peft_model_state_dict

    found = lora.read(folder, loaded.family, _native(loaded))
    lora.check_shapes(found, loaded.model)
    config = LoraConfig(
        r=found.rank, lora_alpha=found.alpha, lora_dropout=found.dropout, use_rslora=found.rslora,
        use_dora=bool(found.magnitude), target_modules=list(found.a), inference_mode=True,
    )  # fmt: skip
    _add_lora(loaded, state, name, config, trainable=False)
    set_peft_model_state_dict(state.peft, found.tensors(), adapter_name=_slot(name))
    if not found.magnitude:
        state.scalable.add(name)


def _method(loaded: LoadedModel, name: str) -> str:
    try:
        return _of(loaded).methods[name]
    except KeyError:
        raise AdapterError("adapters.error.unknown", name=name) from None


def activate(loaded: LoadedModel, name: str | None, trainable: bool = False) -> None:
    """Answer with adapter `name`, or with the base exactly as it was loaded (None).

    Raises:
        AdapterError: no adapter of that name is loaded.
    """
    state = _of(loaded)
    method = None if name is None else _method(loaded, name)
    prefix.activate_prefix(loaded.model, name if method == "ptuning" else state.own_prefix)
    if state.peft is not None:
        if method == "lora":
            state.peft.base_model.enable_adapter_layers()
            state.peft.set_adapter(_slot(name), inference_mode=not trainable)
        else:
            state.peft.base_model.disable_adapter_layers()
    if method == "ptuning":
        loaded.model.prefixes[name].requires_grad_(trainable)


def unload_adapter(loaded: LoadedModel, name: str) -> None:
    """Take an adapter off and free its memory; the base answers afterwards if it was the active one.

    Raises:
        AdapterError: no adapter of that name is loaded.
    """
    state, method = _of(loaded), _method(loaded, name)
    activate(loaded, None)
    if method == "ptuning":
        prefix.detach_prefix(loaded.model, name)
        prefix.activate_prefix(loaded.model, state.own_prefix)
    elif list(state.methods.values()).count("lora") == 1:
        state.peft.base_model.unload()
        state.peft = None
    else:
        state.peft.delete_adapter(_slot(name))
        state.peft.base_model.disable_adapter_layers()
    del state.methods[name]
    state.scalable.discard(name)


def is_scalable(loaded: LoadedModel, name: str) -> bool:
    """Whether `set_strength` can put the adapter between off and on.

    LoRA and prefixes can; DoRA cannot, nor a prefix in place of one that the base came with, as off is then another prefix.
    """
    _method(loaded, name)
    return name in _of(loaded).scalable


def set_strength(loaded: LoadedModel, name: str, strength: float) -> None:
    """Let the adapter act at `strength` of what it learnt: 0 is the base, 1 as trained, at most 1.5.

    A LoRA's product is scaled by it, a prefix's attention weights before they are normalised (`glm_core.models.prefix`).

    Raises:
        AdapterError: out of range, unknown, or not scalable and the strength is not 1.
    """
    if not 0 <= strength <= STRONGEST:
        raise AdapterError("adapters.error.strength", strength=strength, maximum=STRONGEST)
    if not is_scalable(loaded, name):
        if strength != 1:
            raise AdapterError("adapters.error.not_scalable", name=name)
        return
    if _method(loaded, name) == "ptuning":
        loaded.model.prefixes[name].strength = float(strength)
        return
    from peft.tuners.lora import LoraLayer

    for module in loaded.model.modules():
        if isinstance(module, LoraLayer):
            module.set_scale(_slot(name), strength)


def prefix_of(loaded: LoadedModel, name: str | None) -> str | None:
    """The prefix in force under adapter `name` (None = the base): its own, else the one that the base came with."""
    return name if name is not None and _method(loaded, name) == "ptuning" else _of(loaded).own_prefix


def factors(loaded: LoadedModel, name: str) -> dict[str, tuple[torch.Tensor, torch.Tensor, float]]:
    """A (r, in), B (out, r) and the factor of their product, by module, of LoRA `name`; empty for other methods.

    Raises:
        AdapterError: no adapter of that name is loaded.
    """
    if _method(loaded, name) != "lora":
        return {}
    from peft.tuners.lora import LoraLayer

    slot = _slot(name)
    return {
        path: (module.lora_A[slot].weight, module.lora_B[slot].weight, module.scaling[slot])
        for path, module in loaded.model.named_modules()
        if isinstance(module, LoraLayer) and slot in module.lora_A
    }


@contextmanager
def rows(loaded: LoadedModel, chosen: Sequence[str | None]) -> Iterator[None]:
    """Forwards and `generate` within the block answer row i with adapter `chosen[i]`, None being the base.

    Equal to separate runs. DoRA cannot be mixed.

    Raises:
        AdapterError: a name that is not loaded.
    """
    state = _of(loaded)
    methods = [None if name is None else _method(loaded, name) for name in chosen]
    own = state.own_prefix
    prefixes = [name if method == "ptuning" else own for name, method in zip(chosen, methods, strict=True)]
    mixing = nullcontext()
    if "lora" in methods:
        state.peft.eval()
        state.peft.base_model.enable_adapter_layers()
        names_by_row = [
            _slot(name) if method == "lora" else "__base__" for name, method in zip(chosen, methods, strict=True)
        ]
        mixing = state.peft.base_model._enable_peft_forward_hooks(adapter_names=names_by_row)
    elif state.peft is not None:
        state.peft.base_model.disable_adapter_layers()
    try:
        prefix.activate_prefix(loaded.model, prefixes if any(prefixes) else None)
        with mixing:
            yield
    finally:
        activate(loaded, None)
