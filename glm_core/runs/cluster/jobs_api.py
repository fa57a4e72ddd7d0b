"""Ray's Jobs API over HTTP: upload a package, submit, ask, stop, read the log (docs.ray.io, "Ray Jobs REST API")."""

from collections.abc import Mapping

import httpx

from glm_core import workspace
from glm_core.runs.cluster.settings import Cluster, ClusterError

SECONDS = 10.0
SUBMIT_SECONDS = 120.0
"A busy head node takes more than ten seconds to accept a job, and drops one whose sender has hung up."
LONGEST = 2_000_000
"Bytes of an answer that are read."
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")


class JobsApi:
    """One cluster's Jobs API.

    Args:
        cluster: where it is.
        transport: how to reach it; tests put a stand-in here.
    """

    def __init__(self, cluster: Cluster, transport: httpx.BaseTransport | None = None) -> None:
        self._address = cluster.address.rstrip("/")
        self._headers = {"authorization": f"Bearer {cluster.token}"} if cluster.token else {}
        self._transport = transport

    def version(self) -> str:
        """The cluster's version of Ray.

        Raises:
            ClusterError: it does not answer as a Ray cluster does.
        """
        return str(self._json("GET", "/api/version").get("ray_version", "?"))

    def upload(self, name: str, content: bytes) -> str:
        """Put a package into the cluster where it is not there yet; return its URI. Raises ClusterError."""
        path = f"/api/packages/gcs/{name}"
        if self._ask("GET", path, missing=True) is None:
            self._ask("PUT", path, seconds=SUBMIT_SECONDS, content=content)
        return f"gcs://{name}"

    def submit(self, job: str, entrypoint: str, package: str, variables: Mapping[str, str]) -> None:
        """Queue `entrypoint` (a shell command) as `job`; a job that is there already is left as it is. Raises ClusterError."""
        environment = {"working_dir": package, "env_vars": dict(variables)}
        body = {"submission_id": job, "entrypoint": entrypoint, "runtime_env": environment}
        if self.find(job) is None:
            self._ask("POST", "/api/jobs/", seconds=SUBMIT_SECONDS, json=body)

    def find(self, job: str) -> dict | None:
        """The cluster's record of `job` ("status", "message", "end_time" ...); None where it knows none. Raises ClusterError."""
        answer = self._ask("GET", f"/api/jobs/{job}", missing=True)
        return None if answer is None else _object(answer)

    def stop(self, job: str) -> None:
        """Ask the cluster to end `job`. Raises ClusterError."""
        self._ask("POST", f"/api/jobs/{job}/stop", missing=True)

    def log(self, job: str) -> str:
        """The output of the driver of `job`. Raises ClusterError."""
        answer = self._ask("GET", f"/api/jobs/{job}/logs", missing=True)
        return "" if answer is None else str(_object(answer).get("logs", ""))

    def _json(self, method: str, path: str) -> dict:
        return _object(self._ask(method, path) or b"")

    def _ask(self, method: str, path: str, missing: bool = False, seconds: float = SECONDS, **options) -> bytes | None:
        """The content of an answer; None where `missing` is allowed and there is nothing."""
        try:
            with (
                httpx.Client(transport=self._transport, timeout=seconds, trust_env=False) as client,
                client.stream(method, self._address + path, headers=self._headers, **options) as answer,
            ):
                content = b""
                for block in answer.iter_bytes():
                    content += block
                    if len(content) > LONGEST and "logs" not in path:
                        break
                    content = content[-LONGEST:]
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ClusterError("cluster.no_answer", address=self._address, reason=reason[:200]) from error
        if missing and answer.status_code == 404:
            return None
        if answer.status_code in (401, 403):
            raise ClusterError("cluster.token", address=self._address)
        if answer.is_error or answer.is_redirect:
            text = content[:200].decode("utf-8", "replace")
            raise ClusterError("cluster.refused", address=self._address, status=answer.status_code, reason=text)
        return content


def _object(content: bytes) -> dict:
    try:
        found = workspace.parse_json(content)
    except ValueError as error:
        raise ClusterError("cluster.no_ray") from error
    if not isinstance(found, dict):
        raise ClusterError("cluster.no_ray")
    return found
