"""Hubs: Hugging Face or any mirror of it by address, and ModelScope. What a repository holds, and which of it a model needs.

Only configuration, tokenizer, weights and licence are ever asked for: no code. Names from a hub are names of files in one
folder, nothing else. Not here: moving bytes (http_download.py), the job around it (download_job.py).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpx

from glm_core import workspace
from glm_core.hub.http_download import HubError, ProgressCallbacks, RemoteFile, opened, retry

KINDS = ("huggingface", "modelscope")
OFFICIAL = {"huggingface": "https://huggingface.co", "modelscope": "https://modelscope.cn"}
BRANCH = {"huggingface": "main", "modelscope": "master"}
LISTING_BYTES = 20_000_000
MOST_PAGES = 20
PAGE = 200  # entries of a page of a data set's listing at ModelScope
LARGEST = 200_000_000_000  # bytes of one file; what claims more is a mistake

_KEPT = re.compile(
    r"config\.json|generation_config\.json|special_tokens_map\.json|added_tokens\.json|vocab\.(json|txt)|merges\.txt"
    r"|tokenizer[\w.-]*\.(json|model)|ice_text\.model|(MODEL_)?LICENSE[\w.-]*|README\.md|adapter_config\.json",
    re.IGNORECASE,
)
_SAFETENSORS = re.compile(r"model(-\d+-of-\d+)?\.safetensors(\.index\.json)?")
_BIN = re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin(\.index\.json)?")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True)
class Source:
    """A repository at a hub.

    Raises:
        HubError: the address is no plain http or https one, or the repository or revision is no name.
    """

    kind: str
    repo: str
    endpoint: str = ""
    """Address of the hub or mirror; empty for the official one."""
    revision: str = ""
    """Branch, tag or commit; empty for the main branch."""
    holds: str = "models"
    """"models" or "datasets"."""

    def __post_init__(self):
        if self.kind not in KINDS:
            raise HubError("hub.kind", kind=str(self.kind)[:40])
        object.__setattr__(self, "endpoint", _clean_endpoint(self.endpoint or OFFICIAL[self.kind]))
        object.__setattr__(self, "revision", self.revision or BRANCH[self.kind])
        if not re.fullmatch(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", self.repo) or ".." in self.repo:
            raise HubError("hub.repo", repo=repr(self.repo)[:100])
        if not re.fullmatch(r"[\w-][\w./-]{0,99}", self.revision) or ".." in self.revision:
            raise HubError("hub.revision", revision=repr(self.revision)[:100])

    @property
    def official(self) -> bool:
        """Return whether it is the publisher's hub itself and no mirror."""
        return self.endpoint == OFFICIAL[self.kind]

    @property
    def name(self) -> str:
        """The repository's own name, without its owner."""
        return self.repo.rpartition("/")[2]

    def listing_url(self) -> str:
        """Return the address of the list of its files: names, sizes and digests."""
        revision = quote(self.revision, safe="")
        if self.kind == "modelscope":
            listing = "files" if self.holds == "models" else "tree"
            query = f"Revision={revision}&Recursive=true" + ("" if self.holds == "models" else f"&PageSize={PAGE}")
            return f"{self.endpoint}/api/v1/{self.holds}/{self.repo}/repo/{listing}?{query}"
        return f"{self.endpoint}/api/{self.holds}/{self.repo}/tree/{revision}?recursive=true"

    def file_url(self, name: str) -> str:
        """Return the address of the file `name`."""
        revision = quote(self.revision, safe="")
        if self.kind == "modelscope":
            path = quote(name, safe="")
            return f"{self.endpoint}/api/v1/{self.holds}/{self.repo}/repo?Revision={revision}&FilePath={path}"
        place = self.endpoint if self.holds == "models" else f"{self.endpoint}/datasets"
        return f"{place}/{self.repo}/resolve/{revision}/{quote(name)}"


def _clean_endpoint(endpoint: str) -> str:
    try:
        parts = urlsplit(endpoint.strip())
        plain = parts.scheme in ("http", "https") and parts.hostname and not (parts.query or parts.fragment)
        plain = plain and parts.username is None and parts.port != 0 and not re.search(r"[\s\\]", endpoint.strip())
    except ValueError:
        plain = False
    if not plain:
        raise HubError("hub.endpoint", endpoint=repr(endpoint)[:100])
    return endpoint.strip().rstrip("/")


def list_files(
    client: httpx.Client, source: Source, published: Mapping[str, dict], watch: ProgressCallbacks
) -> list[RemoteFile]:
    """The files that the model in `source` needs.

    Args:
        published: digests known here, file -> {"sha256", "size"}; a Hugging Face mirror that offers other files is refused.

    Raises:
        HubError: no such repository, no model in it, or an answer that makes no sense.
        Cancelled: stopped.
    """
    watch.stage("download.stage.listing")
    found: dict[str, tuple[int, str]] = {}
    for path, size, sha256 in entries(client, source, watch):
        if _is_wanted(path, source):
            found[path] = size, sha256
    if any(_SAFETENSORS.fullmatch(name) for name in found):
        found = {name: facts for name, facts in found.items() if not _BIN.fullmatch(name)}
    weights = [name for name in found if _is_weight(name)]
    if "config.json" not in found or not weights:
        raise HubError("hub.no_model", repo=source.repo)
    return [_to_file(source, name, *found[name], published) for name in sorted(found)]


def _is_weight(name: str) -> bool:
    return bool((_SAFETENSORS.fullmatch(name) or _BIN.fullmatch(name)) and not name.endswith(".json"))


def _is_wanted(path: str, source: Source) -> bool:
    """Return whether a model needs the file `path`. Files in subfolders are other formats of it.

    Raises:
        HubError: the path would lead out of the folder. No honest hub has such a file, so nothing of it is taken.
    """
    refuse_traversal(path, source)
    if "/" in path or not any(pattern.fullmatch(path) for pattern in (_KEPT, _SAFETENSORS, _BIN)):
        return False
    workspace.inside(workspace.home(), path)
    return True


def refuse_traversal(path: str, source: Source) -> None:
    """Refuse a path that leads out of its folder.

    Raises:
        HubError: it does.
    """
    if path.startswith("/") or "\\" in path or ".." in path.split("/") or "\0" in path:
        raise HubError("hub.traversal", host=urlsplit(source.endpoint).netloc, name=repr(path)[:100])


def _to_file(source: Source, name: str, size: int, sha256: str, published: Mapping[str, dict]) -> RemoteFile:
    known = published.get(name) if source.kind == "huggingface" else None
    if known is not None:
        if size != known["size"] or (sha256 and sha256.lower() != known["sha256"]):
            raise HubError("hub.other_file", host=urlsplit(source.endpoint).netloc, file=name)
        sha256 = known["sha256"]
    return RemoteFile(name, size, source.file_url(name), sha256, published=known is not None)


def entries(client: httpx.Client, source: Source, watch: ProgressCallbacks) -> Iterator[tuple[str, int, str]]:
    """Yield every file of the repository: path, bytes, sha256 or "".

    Raises:
        HubError: no such repository, or an answer that makes no sense.
    """
    url, pages = source.listing_url(), 0
    while url and pages < MOST_PAGES:
        content, following = _read_listing(client, url, watch)
        try:
            if source.kind == "modelscope":
                rows = [
                    (row["Path"], row["Size"], row.get("Sha256"))
                    for row in content["Data"]["Files"] or []
                    if row["Type"] != "tree"
                ]
            else:
                rows = [
                    (row["path"], row["size"], (row.get("lfs") or {}).get("oid"))
                    for row in content
                    if row["type"] == "file"
                ]
        except (KeyError, TypeError, AttributeError) as error:
            raise HubError("hub.bad_listing", host=urlsplit(url).netloc) from error
        yield from (_checked(row, url) for row in rows)
        url, pages = _same_host(url, following), pages + 1
        if source.kind == "modelscope" and source.holds == "datasets" and len(rows) == PAGE:
            url = f"{source.listing_url()}&PageNumber={pages + 1}"


def _checked(row: tuple, url: str) -> tuple[str, int, str]:
    path, size, sha256 = row
    if not isinstance(path, str) or type(size) is not int or not 0 <= size <= LARGEST:
        raise HubError("hub.bad_listing", host=urlsplit(url).netloc)
    return path, size, sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else ""


def _same_host(url: str, following: str | None) -> str | None:
    """The next page's address where it is at the same hub."""
    following = urljoin(url, following) if following else None
    return following if following and urlsplit(following)[:2] == urlsplit(url)[:2] else None


def _read_listing(client: httpx.Client, url: str, watch: ProgressCallbacks) -> tuple[Any, str | None]:
    """The JSON at `url`, and the address of the page after it."""
    host = urlsplit(url).netloc

    def attempt():
        with opened(client, url) as response:
            content = bytearray()
            for block in response.iter_bytes():
                watch.check()
                content += block
                if len(content) > LISTING_BYTES:
                    raise HubError("hub.bad_listing", host=host)
            return bytes(content), response.links.get("next", {}).get("url")

    content, following = retry(attempt, watch, lambda: 0, host)
    try:
        return json.loads(content), following
    except (ValueError, RecursionError) as error:
        raise HubError("hub.bad_listing", host=host) from error
