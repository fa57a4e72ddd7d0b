"""The lines of docs/clients.md, run as they stand there against a server of ours: only its address and model are changed."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.clients.running import ROOT

DOCUMENT = ROOT / "docs" / "clients.md"
NODE = Path(__file__).parent / "node"
BLOCK = re.compile(r"^## (\S+)\n(?:(?!^## ).*\n)*?```(\w+)\n((?:(?!```).*\n)+)```", re.MULTILINE)
MODEL = "bloom-demo"
COMMANDS = {"curl": "curl", "lm-eval": "lm_eval", "evalscope": "evalscope"}
RUNNERS = {"python": [sys.executable], "js": ["node"], "bash": ["bash", "-eu"]}
CAPTURED = {"capture_output": True, "text": True, "timeout": 300, "check": False}


def blocks() -> dict[str, tuple[str, str]]:
    """Return of every client its language and its lines."""
    return {name: (language, text) for name, language, text in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))}


def text_for(client: str, url: str) -> str:
    """Return the lines of `client`, for the server at `url` and the bundled model."""
    text = blocks()[client][1].replace("http://localhost:8501/v1", url).replace("chatglm-demo", MODEL)
    return text.replace("assets/", f"{ROOT}/assets/")


def run_lines(client: str, url: str) -> None:
    """Run the lines of `client`. Raises as `run_script`."""
    language = blocks()[client][0]
    with tempfile.TemporaryDirectory(dir=node_folder() if language == "js" else None) as folder:
        run_script(language, text_for(client, url), folder, COMMANDS.get(client, ""))


def run_script(language: str, text: str, folder: str, command: str = "") -> None:
    """Run `text` in `folder`.

    Args:
        command: a program that it needs.

    Raises:
        ImportError: something that it needs is not installed.
        AssertionError: it failed or printed nothing.
    """
    if command:
        find_program(command)
    script = Path(folder) / f"lines.{'mjs' if language == 'js' else language}"
    script.write_text(text, encoding="utf-8")
    done = subprocess.run([*RUNNERS[language], str(script)], cwd=folder, env=environment(), **CAPTURED)
    if "ModuleNotFoundError" in done.stderr or "ERR_MODULE_NOT_FOUND" in done.stderr:
        raise ImportError(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, (done.stderr or done.stdout)[-400:]
    assert done.stdout.strip()


def node_folder() -> Path:
    """Return the folder in which Node finds its packages.

    Raises:
        ImportError: they are not installed.
    """
    if shutil.which("node") is None or not (NODE / "node_modules").is_dir():
        raise ImportError("node, or `npm install` in tests/clients/node")
    return NODE


def find_program(name: str) -> str:
    """Return the path of a command beside this Python, or in the path.

    Raises:
        ImportError: it is not installed.
    """
    found = shutil.which(name, path=environment()["PATH"])
    if found is None:
        raise ImportError(name)
    return found


def environment() -> dict[str, str]:
    """Without hubs, whose data nobody fetches here; with the commands of this Python's environment."""
    extra = os.environ.get("EASYAIGC_CLIENTS_PATH", "")
    path = os.pathsep.join([str(Path(sys.executable).parent), extra, os.environ["PATH"]])
    return {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"}
