"""A foreign adapter is compared with its base: here, or in a process of its own that a file made to fill the memory ends alone.

`python -m glm_core.runs.exchange.adapter_check` is that process: a JSON object with both folders comes in, what the adapter says of itself, or
why it is refused, goes out as JSON.
"""

import gc
import json
import sys
from pathlib import Path
from typing import Any

from glm_core import bounded
from glm_core.bounded import BoundExceeded, Bounds
from glm_core.errors import EasyError
from glm_core.machine.imports import importing
from glm_core.runs.files import RunError, string

MEMORY_BYTES, MEMORY_TIMES = 3_000_000_000, 4
"What the check may take beside the libraries and, as a multiple, the adapter's size."
PROCESSOR_SECONDS, SECONDS = 300, 600.0


def check(folder: Path, base: Path) -> dict[str, Any]:
    """Compare every tensor with the model of `base`, which is built without weights. Returns what the adapter says of itself."""
    from glm_core.adapters import files as adapters_files
    from glm_core.adapters import lora_io
    from glm_core.adapters.errors import AdapterError
    from glm_core.models import describe, loading, prefix_tuning
    from glm_core.models.errors import ModelError

    description = describe(base)
    info = adapters_files.read_info(folder)
    if (there := string(info.get("family"))) not in ("", description.family.name):
        raise AdapterError("adapters.error.family", there=there, here=description.family.name)
    if info["method"] == "lora":
        found = lora_io.read(folder, description.family, description.settings)
        if not found.magnitude and not (found.alpha and any(b.any() for b in found.b.values())):
            raise AdapterError("adapters.error.all_zero")
        lora_io.check_shapes(found, loading.build(description.family.architecture, description.settings))
        return info | {"rank": found.rank}
    tensors = adapters_files.read_prefix(folder)
    length = tensors["embedding.weight"].shape[0] if "embedding.weight" in tensors else 0
    try:
        prefix_tuning.from_state(description.family, description.settings, length, tensors)
    except ModelError as error:
        raise AdapterError("adapters.error.prefix", folder=adapters_files.PREFIX_WEIGHTS, reason=str(error)) from error
    return info | {"length": length, "projection": "trans.0.weight" in tensors}


def check_isolated(folder: Path, base: Path) -> dict[str, Any]:
    """As `check`, in a process of its own.

    Raises:
        RunError: it took more memory or time than an adapter of this size may.
    """
    asked = json.dumps({"folder": str(folder), "base": str(base)}).encode()
    try:
        found = json.loads(bounded.run(__name__, [], asked, Bounds(0, PROCESSOR_SECONDS, SECONDS)))
    except BoundExceeded as error:
        raise RunError("imports.too_heavy") from error
    if "error" in found:
        kinds = {kind.__name__: kind for kind in _error_kinds()}
        kind = kinds.get(found["kind"], RunError)
        raise kind.from_record(found["error"]) or RunError("imports.too_heavy")
    return found["info"]


def _error_kinds() -> tuple[type[EasyError], ...]:
    from glm_core.adapters.errors import AdapterError
    from glm_core.models.errors import ModelError

    return AdapterError, ModelError, RunError


def _memory_now() -> int:
    """Bytes of addresses that this process has; libraries alone take gigabytes of them."""
    import psutil

    return psutil.Process().memory_info().vms


def main() -> None:
    """Check what standard input names and write what was found."""
    asked = json.load(sys.stdin)
    folder, base = Path(asked["folder"]), Path(asked["base"])
    with importing():  # before the bound, which counts what comes on top
        import glm_core.models.loading  # noqa: F401

    gc.freeze()  # nor is it walked when the process ends, which would take longer than the check
    size = sum(path.stat().st_size for path in folder.iterdir())
    bounded.limit_this_process(Bounds(_memory_now() + MEMORY_BYTES + MEMORY_TIMES * size, PROCESSOR_SECONDS, SECONDS))
    try:
        found: dict[str, Any] = {"info": check(folder, base)}
    except EasyError as error:
        found = {"error": error.as_record(), "kind": type(error).__name__}
    except (MemoryError, RuntimeError):  # torch says that it has no memory in a RuntimeError
        sys.exit(1)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
