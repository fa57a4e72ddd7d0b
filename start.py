"""Set up easyAIGC in a virtual environment of its own, then open it or test it. Needs Python 3.11 or newer and nothing else.

    python start.py              sets up, then opens the dashboard; what follows goes to streamlit: python start.py --server.port 8600
    python start.py test         sets up with what the tests need, then runs them; what follows goes to pytest
    python start.py install      sets up with what the tests need, and ends

PyTorch comes in the build that suits the GPU in this computer, or the small one for processors. The second start sets nothing up again.
The environment is `.venv` beside this file, or the folder in EASYAIGC_ENV.
"""

import hashlib
import os
import signal
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = Path(os.environ.get("EASYAIGC_ENV") or ROOT / ".venv")
STAMP = ENVIRONMENT / "easyaigc.txt"
OLDEST_PYTHON = (3, 11)
IMPATIENT = ("--retries", "1", "--timeout", "20")
"For an index that may not be reached: the ordinary one is asked next."


def python() -> str:
    """Return the interpreter of the environment."""
    return str(ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def set_up(*requirements: str) -> None:
    """Make the environment and install `requirements` (files beside this one), unless that has been done with the same files."""
    from glm_core.machine import pytorch_builds

    index = pytorch_builds.index_for(pytorch_builds.ask_driver(), sys.platform)
    least, wanted = stamp_of(index), stamp_of(index, *requirements)
    done = STAMP.read_text().split() if STAMP.exists() else []
    if wanted in done:
        return
    if not Path(python()).exists():
        print(f"easyAIGC: {ENVIRONMENT}", flush=True)
        venv.create(ENVIRONMENT, with_pip=True)
    install_torch(index)
    pip(*(option for name in ("requirements.txt", *requirements) for option in ("-r", str(ROOT / name))))
    STAMP.write_text("\n".join({*done, least, wanted}))


def stamp_of(index: str | None, *requirements: str) -> str:
    """Return what tells one state of the requirements from another, and the build of PyTorch with it."""
    content = b"".join((ROOT / name).read_bytes() for name in ("requirements.txt", *requirements))
    return hashlib.sha256(content + str(index).encode()).hexdigest()


def install_torch(index: str | None) -> None:
    """Install PyTorch from `index`; where that cannot be reached, the build of the ordinary package index follows with the rest.

    What it depends on comes with the rest in any case.
    """
    [torch] = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line.startswith("torch==")]
    if index and not pip(torch, "--no-deps", "--index-url", index, *IMPATIENT, must=False):
        print(f"easyAIGC: {index} does not answer, so PyTorch comes from the ordinary package index", flush=True)


def pip(*arguments: str, must: bool = True) -> bool:
    """Run `pip install`; return True where it succeeded.

    Raises:
        SystemExit: it did not, and `must` is set; pip has said why.
    """
    command = [python(), "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    code = subprocess.run(command, cwd=ROOT).returncode
    if code and must:
        raise SystemExit(code)
    return code == 0


def main(arguments: list[str]) -> int:
    """Return the exit status of the dashboard or of the tests."""
    if sys.version_info < OLDEST_PYTHON:
        raise SystemExit(f"easyAIGC needs Python 3.11 or newer, and this is {sys.version.split()[0]}: {sys.executable}")
    job = arguments[0] if arguments[:1] in (["test"], ["install"]) else "run"
    set_up(*(() if job == "run" else ("requirements-dev.txt",)))
    if job == "install":
        return 0
    command = ["pytest", *arguments[1:]] if job == "test" else ["streamlit", "run", "app.py", *arguments]
    browser = {} if job == "test" else {"EASYAIGC_OPEN": "1"}
    with subprocess.Popen([python(), "-m", *command], cwd=ROOT, env={**os.environ, **browser}) as program:
        signal.signal(signal.SIGTERM, lambda *_: program.terminate())
        while True:
            try:
                return program.wait()
            except KeyboardInterrupt:  # the terminal has sent it to the program too, which ends by itself
                continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
