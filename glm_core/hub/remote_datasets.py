"""Data sets at a hub: configurations, splits, licence, and a look at the first rows; the files, brought in safely.

Only files of rows and the card (`README.md`) are ever asked for: no scripts. Configurations and splits are what the card
says (`configs`), else what the names of the files say. Not here: rows out of files (glm_core.data.remote).
"""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import httpx
import yaml

from glm_core.hub.http_download import HubError, ProgressCallbacks, RemoteFile, opened, retry
from glm_core.hub.sources import Source, entries, refuse_traversal

ENDINGS = ("parquet", "jsonl", "json", "csv", "tsv", "xlsx", "txt")
BY_LINE = ("jsonl", "csv", "tsv", "txt")
CARD = "README.md"
CARD_BYTES, FACTS_BYTES, HEAD_BYTES = 1_000_000, 300_000, 200_000
"What is read of a card, of its front matter (the parser needs seconds for so much), and of a file for a look."
DEFAULT = "default"
MOST_FILES = 5_000

_SPLITS = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
}
_SPLITS |= {"dev": "validation", "test": "test", "testing": "test", "eval": "test"}
_WORD = re.compile(r"[^a-z]+")
_NOT_ROWS = re.compile(
    r"(^|/)(\.|dataset_infos?\.json$|config\.json$|package\.json$|dataset_dict\.json$|state\.json$|requirements.*\.txt$|LICENSE)"
)


@dataclass(frozen=True)
class RemoteDataset:
    """A data set at a hub.

    Attributes:
        licence: the word in its card; empty where the card says none.
        splits: configuration -> split -> its files, in order.
    """

    source: Source
    licence: str
    splits: dict[str, dict[str, list[RemoteFile]]] = field(default_factory=dict)

    def files(self, config: str, split: str) -> list[RemoteFile]:
        """Return the files of a split.

        Raises:
            HubError: there is no such configuration or split.
        """
        try:
            return self.splits[config][split]
        except KeyError as error:
            raise HubError("hub.no_split", config=str(config)[:60], split=str(split)[:60]) from error


def look_up(client: httpx.Client, source: Source, watch: ProgressCallbacks | None = None) -> RemoteDataset:
    """List the data set in `source`.

    Raises:
        HubError: no such repository, no file of rows in it, or an answer that makes no sense.
        Cancelled: stopped.
    """
    watch = watch or ProgressCallbacks()
    files, card = {}, None
    for path, size, sha256 in entries(client, source, watch):
        refuse_traversal(path, source)
        if path == CARD:
            card = RemoteFile(CARD, size, source.file_url(CARD))
        elif _is_rows(path) and len(files) < MOST_FILES:
            files[path] = RemoteFile(path.replace("/", "__"), size, source.file_url(path), sha256)
    if not files:
        raise HubError("hub.no_rows", repo=source.repo, endings=", ".join(ENDINGS))
    facts = _read_card(client, card, watch) if card else {}
    splits = _from_card(facts, files) or _from_names(files)
    return RemoteDataset(source, _licence(facts), splits)


def _is_rows(path: str) -> bool:
    return path.rpartition(".")[2].lower() in ENDINGS and not _NOT_ROWS.search(path)


def head(client: httpx.Client, file: RemoteFile, watch: ProgressCallbacks | None = None) -> bytes | None:
    """Return the first whole lines of `file`; None for a format that is read as a whole.

    Raises:
        HubError: the hub refuses or cannot be reached.
    """
    if file.name.rpartition(".")[2].lower() not in BY_LINE:
        return None
    content = _read_start(client, file, HEAD_BYTES, watch or ProgressCallbacks())
    return content if len(content) < HEAD_BYTES else content[: content.rfind(b"\n") + 1]


def _read_start(client: httpx.Client, file: RemoteFile, limit: int, watch: ProgressCallbacks) -> bytes:
    def attempt() -> bytes:
        content = bytearray()
        with opened(client, file.url, {"Range": f"bytes=0-{limit - 1}"}) as response:
            for block in response.iter_bytes():
                watch.check()
                content += block
                if len(content) >= limit:
                    break
        return bytes(content[:limit])

    return retry(attempt, watch, lambda: 0, httpx.URL(file.url).host) if file.size else b""


def _read_card(client: httpx.Client, card: RemoteFile, watch: ProgressCallbacks) -> dict[str, Any]:
    """The front matter of the card; {} where it has none that can be read."""
    try:
        text = _read_start(client, card, CARD_BYTES, watch).decode("utf-8", "replace")
    except HubError:
        return {}
    front = re.match(r"---\r?\n(.*?)\r?\n---", text, re.DOTALL)
    aliases = front and "&" in front[1] and "*" in front[1]  # they can grow without bound
    if not front or aliases or len(front[1]) > FACTS_BYTES:
        return {}
    try:
        facts = yaml.safe_load(front[1])
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _licence(facts: dict[str, Any]) -> str:
    said = facts.get("license") or facts.get("licence") or ""
    return ", ".join(map(str, said))[:100] if isinstance(said, list) else str(said)[:100]


def _from_card(facts: dict[str, Any], files: dict[str, RemoteFile]) -> dict[str, dict[str, list[RemoteFile]]]:
    """Configurations and splits as the card lists them; {} where it does not, or names no file that is there."""
    found: dict[str, dict[str, list[RemoteFile]]] = {}
    configs = facts.get("configs")
    for config in configs if isinstance(configs, list) else ():
        if not isinstance(config, dict):
            continue
        splits = {}
        for split, patterns in _patterns(config.get("data_files")):
            if chosen := [file for path, file in files.items() if _matches(path, patterns)]:
                splits[split] = chosen
        if splits:
            found[str(config.get("config_name", DEFAULT))[:100]] = splits
    return found


def _patterns(data_files: Any) -> Iterable[tuple[str, list[str]]]:
    """(split, patterns of its files) of the `data_files` of a configuration, in any of the forms that cards use."""
    if isinstance(data_files, str):
        yield "train", [data_files]
    for one in data_files if isinstance(data_files, list) else ():
        if isinstance(one, str):
            yield _split_of(one), [one]
        elif isinstance(one, dict) and "path" in one:
            path = one["path"]
            yield (
                str(one.get("split", "train"))[:100],
                [str(each) for each in (path if isinstance(path, list) else [path])],
            )


def _matches(path: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern.removeprefix("./").replace("**", "*")) for pattern in patterns)


def _from_names(files: dict[str, RemoteFile]) -> dict[str, dict[str, list[RemoteFile]]]:
    """Configurations by folder, splits by the words in the names: `zh/train-00000-of-00002.parquet`."""
    found: dict[str, dict[str, list[RemoteFile]]] = {}
    for path, file in sorted(files.items()):
        folders = [one for one in PurePosixPath(path).parts[:-1] if one != "data" and one.lower() not in _SPLITS]
        config = "/".join(folders) or DEFAULT
        found.setdefault(config, {}).setdefault(_split_of(path), []).append(file)
    return found


def _split_of(path: str) -> str:
    """The split that the words of a path name; "train" where they name none."""
    words = [_SPLITS[word] for word in _WORD.split(path.lower()) if word in _SPLITS]
    return words[-1] if words else "train"
