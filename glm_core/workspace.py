"""Where the program's files are, and the only ways it writes them: whole and atomically, or line by line."""

import json
import os
import re
import secrets
import tempfile
import time
from pathlib import Path

from glm_core.errors import EasyError

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"
DEMO_MODEL = ASSETS / "models" / "chatglm-demo"


class WorkspaceError(EasyError):
    """A name or path that does not belong in the workspace."""


def home() -> Path:
    """The folder everything is written under: EASYAIGC_HOME, or `workspace/` beside app.py."""
    return Path(os.environ.get("EASYAIGC_HOME") or ROOT / "workspace").expanduser().resolve()


def new_id() -> str:
    """A sortable, unique folder name such as `20261124-153012-a1b2`."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def inside(folder: Path, name: str) -> Path:
    """`folder / name`, where `name` is one plain component that cannot leave `folder`.

    Raises:
        WorkspaceError: the name is empty, hidden, has a separator or control character, or is too long.
    """
    if not re.fullmatch(r"[^\x00-\x1f/\\:]{1,120}", name or "") or name.startswith("."):
        raise WorkspaceError("workspace.bad_name", name=repr(name))
    return folder / name


def folder_size(folder: Path) -> int:
    """Bytes of the files directly in `folder`."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` so that a reader, or a crash, sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, record: object) -> None:
    """`write_atomic` of `record` as readable UTF-8 JSON."""
    write_atomic(path, json.dumps(record, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path, default=None):
    """The JSON in `path`; `default` where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return default


def append_line(path: Path, record: dict) -> None:
    """Add one JSON line to `path` in a single write, so that readers see whole lines."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")


def read_lines(path: Path, offset: int = 0) -> tuple[list[dict], int]:
    """The whole JSON lines of `path` from byte `offset`, and the offset to go on from.

    A last line without its newline is still being written and is left for the next call.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    whole = content[: content.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines() if line.strip()], offset + len(whole)
