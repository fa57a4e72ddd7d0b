"""Checkpoint folders as files: `config.json`, and weights read tensor by tensor, shard by shard, without running code.

Reads safetensors and `.bin` (with torch's weights-only unpickler), whole or sharded with an index. Nothing in a folder
can name a file outside it. Not here: what the tensors are called natively (architectures/), building the model
(loading.py).
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from glm_core.models.errors import ModelError

if TYPE_CHECKING:
    import torch

CONFIG_BYTES = 4_000_000
INDEX_BYTES = 50_000_000
OLD_VOCABULARY = 150528
LFS = b"version https://git-lfs.github.com/spec/"
_WHOLE = ("model.safetensors", "pytorch_model.bin")

Progress = Callable[[str, float | None], None]


LABELS = ("num_labels", "id2label", "label2id")
"Settings of classifiers. The library makes a dictionary of so many labels: a number alone could take all memory."


def read_config(folder: Path) -> dict:
    """The parsed `config.json` of `folder` without LABELS; `_name_or_path` falls back to the folder's name.

    Raises:
        ModelError: no folder, no file, or no JSON object in it.
    """
    if not folder.is_dir():
        raise ModelError("models.folder_missing", folder=str(folder))
    if not (folder / "config.json").is_file():
        raise ModelError("models.config_missing", folder=str(folder))
    found = read_object(folder / "config.json", CONFIG_BYTES)
    config = {key: value for key, value in found.items() if key not in LABELS}
    if not config.get("_name_or_path"):
        config["_name_or_path"] = folder.resolve().name
    if (
        OLD_VOCABULARY in (config.get("vocab_size"), config.get("padded_vocab_size"))
        or config.get("bos_token_id") == 150004
    ):
        raise ModelError("models.old_vocabulary", folder=str(folder))
    return config


def read_object(file: Path, limit: int) -> dict:
    """The JSON object in `file`, which is at most `limit` bytes.

    Raises:
        ModelError: too large, not JSON, or not an object.
    """
    try:
        if file.stat().st_size > limit:
            raise ValueError(f"> {limit} bytes")
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError, RecursionError) as error:
        raise ModelError("models.config_broken", file=str(file), why=error) from error
    if not isinstance(content, dict):
        raise ModelError("models.config_broken", file=str(file), why=type(content).__name__)
    return content


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights, safetensors first.

    Raises:
        ModelError: there are none, the index is broken, a shard is missing or named outside the folder.
    """
    for name in _WHOLE:
        if (folder / name).is_file():
            return [folder / name]
        if (index := folder / f"{name}.index.json").is_file():
            return _shards(folder, index)
    raise ModelError("models.weights_missing", folder=str(folder))


def _shards(folder: Path, index: Path) -> list[Path]:
    names = read_object(index, INDEX_BYTES).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise ModelError("models.config_broken", file=str(index), why="weight_map")
    files = []
    for name in sorted(set(names.values())):
        if not re.fullmatch(r"[\w.-]{1,200}", name) or name.startswith("."):
            raise ModelError("models.outside_folder", file=str(index), name=name)
        if not (folder / name).is_file():
            raise ModelError("models.shard_missing", file=str(folder / name))
        files.append(folder / name)
    return files


def read_tensors(files: list[Path], progress: Progress | None = None) -> Iterator[tuple[str, "torch.Tensor"]]:
    """Every (name, tensor) of `files`, in memory that belongs to the file: copy what is to stay.

    Raises:
        ModelError: a file is cut short or damaged, holds something else than tensors, or wants to run code.
    """
    total = sum(file.stat().st_size for file in files) or 1
    done = 0
    for file in files:
        refuse_pointer(file)
        reader = _read_safetensors if file.suffix == ".safetensors" else _read_pickle
        for name, tensor in reader(file):
            yield name, tensor
            done += tensor.numel() * tensor.element_size()
            if progress:
                progress("models.stage.weights", min(done / total, 1.0))


def tensor_shapes(files: list[Path]) -> Iterator[tuple[str, list[int]]]:
    """Yield names and shapes; safetensors tell them without reading the weights."""
    from safetensors import safe_open

    for file in files:
        if file.suffix != ".safetensors":
            yield from ((name, list(tensor.shape)) for name, tensor in read_tensors([file]))
            continue
        with safe_open(file, framework="pt") as content:
            yield from ((name, content.get_slice(name).get_shape()) for name in list(content.keys()))


def refuse_pointer(file: Path) -> None:
    """Refuse a Git LFS pointer: the small text that a clone without Git LFS has in place of a large file.

    Raises:
        ModelError: `file` is one.
    """
    try:
        with open(file, "rb") as content:
            start = content.read(len(LFS))
    except OSError as error:
        raise ModelError("models.weights_broken", file=str(file), why=error.strerror) from error
    if start == LFS:
        raise ModelError("models.lfs_pointer", file=str(file))


def _read_safetensors(file: Path) -> Iterator[tuple[str, "torch.Tensor"]]:
    import safetensors

    try:
        with safetensors.safe_open(file, framework="pt") as content:
            for name in content.keys():  # noqa: SIM118 (not a dict)
                yield name, content.get_tensor(name)
    except (safetensors.SafetensorError, OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise ModelError("models.weights_broken", file=str(file), why=error) from error


def _read_pickle(file: Path) -> Iterator[tuple[str, "torch.Tensor"]]:
    import pickle
    import zipfile

    import torch

    _refuse_compressed(file)
    try:
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except pickle.UnpicklingError as error:
        key = "models.pickle_code" if "weights_only" in str(error).lower() else "models.weights_broken"
        raise ModelError(key, file=str(file), why=str(error).splitlines()[0][:200]) from error
    except Exception as error:  # a damaged pickle can fail in any way; whichever, the file is to blame
        raise ModelError("models.weights_broken", file=str(file), why=str(error)[:200]) from error
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ModelError("models.weights_broken", file=str(file), why="not a table of tensors")
    _refuse_inflated(file, content)
    for name in list(content):
        yield str(name), content.pop(name)


def _refuse_compressed(file: Path) -> None:
    """Refuse a zip of weights that unpacks to more than it is: torch stores tensors uncompressed.

    Raises:
        ModelError: it does, or is no readable zip.
    """
    import zipfile

    try:
        if not zipfile.is_zipfile(file):  # raises for an archive of several disks
            return
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError("models.weights_broken", file=str(file), why=str(error)[:200]) from error
    if unpacked > file.stat().st_size:
        raise ModelError("models.weights_inflated", file=str(file))


def _refuse_inflated(file: Path, tensors: dict[str, "torch.Tensor"]) -> None:
    """Refuse tensors that are larger than the data behind them, such as an expanded one, before anything copies them.

    Raises:
        ModelError: there is one, or one that is not dense, or quantized.
    """
    import torch

    total = 0
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise ModelError("models.weights_broken", file=str(file), why=f"{name}: {tensor.layout}")
        size = tensor.numel() * tensor.element_size()
        total += size
        if size > tensor.untyped_storage().nbytes():
            raise ModelError("models.weights_inflated", file=str(file))
    if total > 2 * file.stat().st_size:  # tied tensors share their data once
        raise ModelError("models.weights_inflated", file=str(file))


END_BYTES = 65_536  # names and shapes lie at the start of safetensors, checksums at the end of .bin
BLOCK_BYTES, BLOCKS = 4_096, 32
DIGITS = 32


def fingerprint(folder: str | Path) -> str:
    """32 hexadecimal digits for the weights in `folder`, empty where there are none that can be read."""
    try:
        files = weight_files(Path(folder))
        return _digest(tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in files))
    except (ModelError, OSError):
        return ""


def weights_differ(folder: str | Path, known: object) -> bool:
    """Return whether the weights in `folder` are others than those of the fingerprint `known`; False where either is unknown."""
    here = fingerprint(folder)
    return bool(here) and isinstance(known, str) and bool(known) and here != known


@lru_cache(maxsize=256)
def _digest(files: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, size, _changed in files:
        digest.update(f"{path.name} {size}\n".encode())
        with open(path, "rb") as file:
            for start, length in _sampled_ranges(size):
                file.seek(start)
                digest.update(file.read(length))
    return digest.hexdigest()[:DIGITS]


def _sampled_ranges(size: int) -> list[tuple[int, int]]:
    """(start, length) of what is read of a file of `size` bytes."""
    ends = [(0, END_BYTES), (max(0, size - END_BYTES), END_BYTES)]
    return ends + [(size * place // BLOCKS, BLOCK_BYTES) for place in range(1, BLOCKS)]


def write_tensors(tensors: "Mapping[str, torch.Tensor]", file: Path) -> None:
    """Write a safetensors file.

    Raises:
        OSError: the system refuses it; safetensors has an error of its own for that, with the number in its words.
    """
    import safetensors
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), file, metadata={"format": "pt"})
    except safetensors.SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        if found is None:
            raise
        raise OSError(int(found[1]), os.strerror(int(found[1])), str(file)) from error
