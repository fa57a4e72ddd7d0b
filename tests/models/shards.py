"""Writes a checkpoint the ways the hubs lay it out: one file or shards with an index, safetensors or `.bin`."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

LAYOUTS = ("model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", "pytorch_model.bin.index.json")


def relay(folder: Path, layout: str, shards: int = 3) -> Path:
    """Rewrite `folder`/model.safetensors in `layout` (one of LAYOUTS). Returns `folder`."""
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save = save_file if "safetensors" in layout else torch.save
    if not layout.endswith(".index.json"):
        save(state, folder / layout)
        return folder
    stem, suffix = layout.removesuffix(".index.json").split(".")
    names, weight_map = list(state), {}
    for number in range(shards):
        file = f"{stem}-{number + 1:05}-of-{shards:05}.{suffix}"
        part = {name: state[name].clone() for name in names[number::shards]}
        save(part, folder / file)
        weight_map.update(dict.fromkeys(part, file))
    (folder / layout).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder
