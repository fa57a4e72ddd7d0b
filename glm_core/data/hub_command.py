"""`python -m glm_core data OWNER/NAME --from modelscope`: a data set of a hub by its name, as the upload page brings it in.

Covers the look at what is there and the slice; what is read of it is reported as of any file (`command`).
"""

import argparse
import os
import sys
import time
from collections.abc import Callable

from glm_core import i18n
from glm_core.data import remote
from glm_core.data.examples import ReadResult
from glm_core.hub.remote_datasets import RemoteDataset
from glm_core.hub.sources import KINDS, Source

TOKEN = "HF_TOKEN"
USUAL_ROWS = 10_000
_TICK = 0.2  # seconds between two lines of progress
_CELL = 80  # characters of a cell of the look


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say which rows of which data set are wanted."""
    parser.add_argument("--from", dest="hub", choices=KINDS, help=i18n.t("data.command.hub"))
    parser.add_argument("--endpoint", default="", metavar="URL", help=i18n.t("data.command.endpoint"))
    parser.add_argument("--look", action="store_true", help=i18n.t("data.command.look"))
    parser.add_argument("--config", default="", help=i18n.t("datasets.hub_config"))
    parser.add_argument("--split", default="", help=i18n.t("datasets.hub_split"))
    parser.add_argument("--start", type=int, default=1, metavar="ROW", help=i18n.t("datasets.hub_start"))
    parser.add_argument("--count", type=int, default=USUAL_ROWS, metavar="ROWS", help=i18n.t("datasets.hub_count"))


def look(arguments: argparse.Namespace) -> int:
    """Print licence, configurations, splits and the first rows; 0.

    Raises:
        HubError, DataError: as `remote.find` and `remote.first_rows`.
    """
    found, config, split = _find(arguments)
    key = "datasets.hub_licence" if found.licence else "datasets.hub_licence_unknown"
    print(f"{found.source.repo}: {i18n.t(key, licence=found.licence)}")
    for name, splits in found.splits.items():
        for one, files in splits.items():
            print(f"  --config {name} --split {one}  {i18n.size(sum(file.size for file in files))}")
    for row in remote.first_rows(found, config, split, _token()):
        print("  " + " | ".join(f"{name}: {str(value)[:_CELL]!r}" for name, value in row.items()))
    return 0


def read(arguments: argparse.Namespace, reader: Callable[..., ReadResult]) -> ReadResult:
    """Bring in the slice that the arguments ask for, and read it with `reader(content, file, arguments)`.

    Raises:
        HubError, DataError: the hub refuses, there is no such split, or no row in the slice.
    """
    found, config, split = _find(arguments)
    download = remote.start(found, remote.Slice(config, split, arguments.start - 1, arguments.count), _token())
    try:
        while download.state == "running":
            now = download.progress()
            size = f"{i18n.size(now.done)} / {i18n.size(now.total)}"
            print(f"\r{i18n.t('datasets.hub_rows', rows=f'{download.rows:,}', size=size)}", end="", file=sys.stderr)
            time.sleep(_TICK)
    except KeyboardInterrupt:
        remote.discard(download)
        raise
    finally:
        print(file=sys.stderr)
    return reader(remote.take(download), download.name, arguments)


def _find(arguments: argparse.Namespace) -> tuple[RemoteDataset, str, str]:
    """The data set, and the configuration and split that are meant: the first ones where none are named."""
    endpoint = arguments.endpoint or (os.environ.get("HF_ENDPOINT", "") if arguments.hub == "huggingface" else "")
    found = remote.find(Source(arguments.hub, arguments.file, endpoint, holds="datasets"), _token())
    config = arguments.config or next(iter(found.splits))
    splits = found.splits.get(config, {})
    return found, config, arguments.split or ("train" if "train" in splits else next(iter(splits), ""))


def _token() -> str:
    """The access token, which is never an argument: those are seen by every process."""
    return os.environ.get(TOKEN, "")
