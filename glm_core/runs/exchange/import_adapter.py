"""An adapter made elsewhere becomes a finished run, so that it is listed, compared, chatted with and exported like one's own.

Takes a zip, or the files themselves: PEFT's LoRA (`adapter_config.json`, `adapter_model.safetensors`), the official prefix
(`pytorch_model.bin`, read as tensors without running code), and this program's own exports. It is checked against the base
before a run appears. Not here: training (launcher.py), what an adapter is (glm_core.adapters).
"""

import json
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from glm_core import workspace
from glm_core.errors import EasyError
from glm_core.permissions import needs
from glm_core.runs import store
from glm_core.runs.exchange import adapter_check
from glm_core.runs.files import RunError, string, writing
from glm_core.runs.run import Run

CONFIG, LORA, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
PREFIX, INFO = "pytorch_model.bin", "easyaigc.json"
NAMES = (CONFIG, LORA, PICKLED, PREFIX, INFO)
COPY = re.compile(r" ?\(\d+\)(?=\.\w+$)")
"What browsers put into the name of a file that was downloaded before."
LARGEST = 8 << 30  # bytes unpacked
LARGEST_RECORD = 1 << 20
MOST_ENTRIES = 2000
BLOCK = 1 << 20

Files = Sequence[tuple[str, BinaryIO]]


@needs("trainer")
def import_adapter(files: Files, base: Path, *, name: str = "", owner: str = "", isolated: bool = False) -> Run:
    """Make a finished run of the adapter in `files`, trained on the model in folder `base`.

    Args:
        files: names and contents: one zip, or the adapter's files.
        name: of the run; by default the file's.
        isolated: look at the tensors in a process of its own, bounded in memory and time, as for files of strangers.

    Raises:
        RunError: not a zip, too large, or no adapter in it.
        AdapterError, ModelError: damaged, or it does not belong to `base`.
    """
    workspace.home().mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{workspace.BUILDING}adapter-", dir=workspace.home()))
    try:
        with writing(folder):
            _unpack(files, folder)
        with _naming(folder, files):
            info = (adapter_check.check_isolated if isolated else adapter_check.check)(folder, Path(base))
        return _make_run(folder, Path(base), info, name or Path(files[0][0]).stem, owner)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _naming(folder: Path, files: Files) -> Iterator[None]:
    """Let errors about the files in `folder`, a temporary one, name what the user gave."""
    given = Path(files[0][0]).name[:80]
    try:
        yield
    except EasyError as error:
        for key, value in error.values.items():
            if isinstance(value, str):
                error.values[key] = (
                    value.replace(f"{folder}/", "").replace(str(folder), given).replace(folder.name, given)
                )
        raise


@dataclass(frozen=True)
class Origin:
    """The base that an adapter says it was trained on: its name and the fingerprint of its weights, empty where it does not."""

    base: str = ""
    fingerprint: str = ""
    name: str = ""

    def warning(self, base: Path) -> str:
        """The text key of what speaks against the model in folder `base` even where its shapes fit; empty where nothing does."""
        from glm_core.models.checkpoints import fingerprint, weights_differ

        if self.fingerprint and fingerprint(base) == self.fingerprint:
            return ""  # whatever the folder is called
        if self.base and self.base != base.name:
            return "models.import_other"
        return "models.import_outdated" if weights_differ(base, self.fingerprint) else ""


def origin(files: Files) -> Origin:
    """Return the base that the adapter in `files` names."""
    own, peft = (_record_named(files, name) for name in (INFO, CONFIG))
    named = string(own.get("base")) or string(peft.get("base_model_name_or_path"))
    return Origin(
        PurePosixPath(named.replace("\\", "/")).name,
        string(own.get("fingerprint")),
        string(own.get("name"), store.LONGEST_NAME),
    )


def has_adapter(files: Files) -> bool:
    """Return whether a LoRA with its configuration, or a prefix, is among `files` or in their zips."""
    found = {name for name, _ in _contents(files)}
    return (CONFIG in found and bool(found & {LORA, PICKLED})) or PREFIX in found


def _record_named(files: Files, wanted: str) -> dict:
    """The JSON object in the adapter's file called `wanted`, empty where there is none."""
    return next((_read_json(content.read(LARGEST_RECORD)) for name, content in _contents(files) if name == wanted), {})


def _contents(files: Files) -> Iterator[tuple[str, BinaryIO]]:
    """The adapter's files by their plain name, wherever in a zip they lie.

    Raises:
        RunError: a damaged or endless zip, or two files of one name.
    """
    for name, content in files:
        content.seek(0)
        if not name.lower().endswith(".zip"):
            if (plain := _plain(name)) in NAMES:
                yield plain, content
            continue
        try:
            with zipfile.ZipFile(content) as archive:
                yield from _entries(archive, name)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
            raise RunError("imports.bad_zip", file=name[:80]) from error


def _entries(archive: zipfile.ZipFile, file: str) -> Iterator[tuple[str, BinaryIO]]:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise RunError("imports.bad_zip", file=file[:80])
    chosen = [entry for entry in entries if _plain(entry.filename) in NAMES and "__MACOSX" not in entry.filename]
    depths = [_depth(entry) for entry in chosen]
    chosen = [entry for entry, depth in zip(chosen, depths, strict=True) if depth == min(depths)]  # not its checkpoints
    names = [_plain(entry.filename) for entry in chosen]
    if len(set(names)) < len(names):
        raise RunError("imports.several", file=file[:80])
    for name, entry in zip(names, chosen, strict=True):
        with archive.open(entry) as content:
            yield name, content


def _plain(name: str) -> str:
    """Return the name of a file as training wrote it: without folders, on Windows too, and without a copy's number."""
    return COPY.sub("", PurePosixPath(name.replace("\\", "/")).name)


def _depth(entry: zipfile.ZipInfo) -> int:
    return entry.filename.replace("\\", "/").count("/")


def _unpack(files: Files, folder: Path) -> None:
    """Write what belongs to an adapter into `folder`, counting what really comes out of a zip."""
    left, found = LARGEST, set()
    for name, content in _contents(files):
        if name in found:
            raise RunError("imports.several", file=name)
        found.add(name)
        with open(folder / name, "wb") as file:
            while block := content.read(BLOCK):
                left -= len(block)
                if left < 0:
                    raise RunError("imports.too_large")
                file.write(block)
    if CONFIG in found and found & {LORA, PICKLED}:
        (folder / PREFIX).unlink(missing_ok=True)
    elif PREFIX in found:
        (folder / CONFIG).unlink(missing_ok=True)
    else:
        raise RunError("imports.nothing")


def _make_run(folder: Path, base: Path, info: dict, name: str, owner: str) -> Run:
    from glm_core.models import describe

    description = describe(base)
    if not (folder / INFO).is_file():
        own = {"base": description.name, "family": description.family.name, "method": info["method"]}
        workspace.write_json(folder / INFO, own)
    step = info.get("step") if type(info.get("step")) is int and info["step"] >= 0 else 0
    workspace.share(folder)

    def fill(directory: Path) -> None:
        shutil.copytree(folder, directory / "adapter")
        workspace.write_json(
            directory / "status.json",
            {
                "state": "finished",
                "stage": "done",
                "step": step,
                "total_steps": step,
                "updated": time.time(),
                "why": {"key": "imports.why", "values": {}},
            },
        )

    dataset = info.get("dataset") if isinstance(info.get("dataset"), str) else ""
    record = {
        "name": string(name, store.LONGEST_NAME) or description.name,
        "owner": owner,
        "model": str(base),
        "model_name": description.name,
        "dataset": {"id": "", "name": string(dataset, store.LONGEST_NAME) or "-", "rows": 0, "sha256": ""},
        "settings": _settings(info),
        "questions": [],
    }
    return store.write_new(record, b"", fill)


def _settings(info: dict) -> dict:
    """The settings it was trained with where it tells them, else those that its tensors tell."""
    from glm_core.training.settings import SettingsError, TrainingSettings

    try:
        return TrainingSettings.from_dict(info["settings"]).to_dict()
    except (SettingsError, KeyError, TypeError):
        shape = {"rank": "lora_rank", "length": "prefix_length", "projection": "prefix_projection"}
        return {"method": info["method"]} | {field: info[key] for key, field in shape.items() if key in info}


def _read_json(content: bytes) -> dict:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
