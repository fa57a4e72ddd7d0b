"""`python -m tests.clients [--server PYTHON]`: run every client and write docs/clients.md.

The clients may live in an environment of their own; PYTHON is the one that has what the program needs.
"""

import argparse
import importlib.metadata
import sys

from tests.clients.features import FEATURES
from tests.clients.running import ROOT, running_server

HEAD = """# Clients that were tried

Made by `python -m tests.clients` against a server of this program on the bundled BLOOM; requirements-clients.txt lists what it
needs. ✓ works, – has no such feature or was not tried; anything else is what went wrong.

"""
PACKAGES = {"llama-index": "llama-index-llms-openai-like"}


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
    """Return the installed version of a client."""
    try:
        return importlib.metadata.version(PACKAGES.get(client, client))
    except importlib.metadata.PackageNotFoundError:
        return ""


def main() -> int:
    """Write the table; 0 where everything that was tried works."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients")
    parser.add_argument("--server", default=sys.executable)
    arguments = parser.parse_args()
    clients = list(dict.fromkeys(client for client, _ in FEATURES))
    names = list(dict.fromkeys(name for _, name in FEATURES))
    lines = ["| client | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    with running_server(arguments.server) as url:
        for client in clients:
            cells = [outcome(client, name, url) for name in names]
            print(client, cells, flush=True)
            lines.append(f"| {client} {version(client)} | " + " | ".join(cells) + " |")
    target = ROOT / "docs" / "clients.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    return int(any(cell not in ("✓", "–") for line in lines[2:] for cell in line.strip("| ").split(" | ")[1:]))


if __name__ == "__main__":
    sys.exit(main())
