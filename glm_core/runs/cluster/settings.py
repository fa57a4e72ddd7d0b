"""Where the cluster is: `cluster.json` of the workspace, readable by its owner only because of the token."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from glm_core import workspace
from glm_core.errors import EasyError
from glm_core.permissions import needs

KIND = "ray"


class ClusterError(EasyError):
    """The cluster cannot be used as it is set up, or does not answer."""


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster.

    Attributes:
        address: of its dashboard, such as http://10.0.0.5:8265.
        token: sent as a bearer token where the cluster asks for one.
        here, there: what a path on this computer begins with, and what the same path begins with on the nodes; empty where equal.
    """

    address: str
    token: str = ""
    here: str = ""
    there: str = ""

    def on_node(self, path: Path | str) -> str:
        """Return `path` of this computer as the nodes see it."""
        path = str(path)
        here = self.here.rstrip("/")
        if here and (path == here or path.startswith(f"{here}/")):
            return self.there.rstrip("/") + path[len(here) :]
        return path


def _file() -> Path:
    return workspace.home() / "cluster.json"


def read() -> Cluster | None:
    """The cluster of this workspace, None where there is none or its record makes no sense."""
    try:
        return checked(Cluster(**workspace.read_json(_file())))
    except (OSError, ValueError, TypeError, ClusterError):
        return None


@needs("administrator")
def write(cluster: Cluster) -> None:
    """Keep `cluster` for this workspace.

    Raises:
        ClusterError: its address is none, or only half of the pair of prefixes is given.
    """
    checked(cluster)
    with workspace.explain_os_error(
        ClusterError, _file(), full="workspace.disk_full", unwritable="workspace.unwritable"
    ):
        workspace.write_json(_file(), asdict(cluster))
        os.chmod(_file(), 0o600)


@needs("administrator")
def forget() -> None:
    """Train on this computer only."""
    _file().unlink(missing_ok=True)


def checked(cluster: Cluster) -> Cluster:
    """Return `cluster`, whose entries make sense.

    Raises:
        ClusterError: they do not.
    """
    values = (cluster.address, cluster.token, cluster.here, cluster.there)
    if not all(isinstance(value, str) and value.isprintable() for value in values):
        raise ClusterError("cluster.bad_address", address=repr(cluster.address)[:80])
    try:
        parts = urlsplit(cluster.address)
        sound = parts.scheme in ("http", "https") and parts.hostname and not parts.username and (parts.port or 1)
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise ClusterError("cluster.bad_address", address=cluster.address[:80])
    if bool(cluster.here) != bool(cluster.there) or not all(
        os.path.isabs(path) for path in (cluster.here, cluster.there) if path
    ):
        raise ClusterError("cluster.bad_prefix", here=cluster.here[:80], there=cluster.there[:80])
    return cluster
