"""`python -m tests.clients [--server PYTHON] [--only CLIENT ...]`: run every client and write the table of docs/clients.md.

The clients may live in an environment of their own; PYTHON is the one that has what the program needs. Commands of clients that need an
environment of their own again (evalscope) are looked for in EASYAIGC_CLIENTS_PATH too.
"""

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys

from tests.clients import lines
from tests.clients.programs import FEATURES
from tests.clients.running import running_server

PACKAGES = {"llama-index": "llama-index-llms-openai-like", "lm-eval": "lm_eval"}
NODE_PACKAGES = {"openai-node": "openai", "ai-sdk": "ai"}
TABLE = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end -->)", re.DOTALL)


def outcome(client: str, name: str, url: str) -> str:
    """Return the cell of one client and feature."""
    if (client, name) not in FEATURES:
        return "–"
    try:
        FEATURES[client, name](url)
    except ImportError:
        return "not installed"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:80]}".replace("|", "/").replace("\n", " ")
    return "✓"


def version(client: str) -> str:
    """Return the installed version of a client; empty where it has none or it is in another environment."""
    try:
        if client in NODE_PACKAGES:
            record = lines.node_folder() / "node_modules" / NODE_PACKAGES[client] / "package.json"
            return json.loads(record.read_text(encoding="utf-8"))["version"]
        if client in lines.COMMANDS and client != "lm-eval":
            return _said_version(lines.find_program(lines.COMMANDS[client]))
        return importlib.metadata.version(PACKAGES.get(client, client))
    except (ImportError, OSError):
        return ""


def _said_version(program: str) -> str:
    said = subprocess.run([program, "--version"], env=lines.environment(), **lines.CAPTURED)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found[0] if found else ""


def main() -> int:
    """Write the table; 0 where everything that was tried works."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients")
    parser.add_argument("--server", default=sys.executable)
    parser.add_argument("--only", nargs="*", help="clients; nothing is written then")
    arguments = parser.parse_args()
    clients = arguments.only or list(dict.fromkeys(client for client, _ in FEATURES))
    names = sorted(
        {name for _, name in FEATURES}, key="lines answer stream schema tools logprobs responses".split().index
    )
    rows = ["| client | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    with running_server(arguments.server) as url:
        for client in clients:
            cells = [outcome(client, name, url) for name in names]
            print(client, cells, flush=True)
            rows.append(f"| {client} {version(client)}".rstrip() + " | " + " | ".join(cells) + " |")
    if not arguments.only:
        text = lines.DOCUMENT.read_text(encoding="utf-8")
        lines.DOCUMENT.write_text(TABLE.sub(lambda _: "\n".join(rows) + "\n", text), encoding="utf-8")
    return int(any(cell not in ("✓", "–") for line in rows[2:] for cell in line.strip("| ").split(" | ")[1:]))


if __name__ == "__main__":
    sys.exit(main())
