"""`python -m glm_core export RUN`: a run for other tools from the command line, checked after it is written."""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from glm_core.errors import EasyError
from glm_core.i18n import t, terminal
from glm_core.runs import store
from glm_core.runs.exchange import check, export
from glm_core.runs.exchange.exporter import FORMATS, ExportSource


def add_parser(commands, measured: Callable[[str], tuple[str, ...]]) -> None:
    """Add the command to argparse's `commands`; `measured` gives the sentences of a run's report by its id."""
    one = commands.add_parser("export", help=t("export.help"))
    one.add_argument("run", metavar="RUN", help=t("export.help_run"))
    one.add_argument(
        "--format", choices=FORMATS, default="merged", help=t("export.help_format", formats=", ".join(FORMATS))
    )
    one.add_argument("--type", dest="kind", help=t("export.help_type"))
    one.add_argument("--out", type=Path, required=True, metavar="FOLDER", help=t("export.help_out"))
    one.add_argument("--strength", type=float, default=1.0, help=t("export.help_strength"))
    one.add_argument("--no-check", action="store_true", help=t("export.help_check"))
    terminal.add_argument(one)
    one.set_defaults(work=partial(run, measured))


def run(measured: Callable[[str], tuple[str, ...]], arguments: argparse.Namespace) -> int:
    """Export, check, print. Returns 0; 1 where answers differ from the run's; 2 for an error."""
    try:
        found = store.get(Path(arguments.run).name)
        source = ExportSource(found, Path(found.model), arguments.strength, measured(found.id))
        artefact = export.write(source, arguments.format, arguments.out, arguments.kind, _show)
        print(f"\r\033[K{artefact}", file=sys.stderr)
        return 0 if arguments.no_check else _check(source, arguments)
    except EasyError as error:
        print(f"\n{error}", file=sys.stderr)
        return 2


def _check(source: ExportSource, arguments: argparse.Namespace) -> int:
    found = check.compare(source, arguments.format, arguments.out, _show)
    print("\r\033[K", end="", file=sys.stderr)
    for one in found:
        print(one.sentence)
        if one.differing is not None:
            question, expected, answered = one.differing
            print(t("export.differs", question=question, expected=expected, found=answered))
    return 0 if all(one.same == one.count for one in found) else 1


def _show(stage: str, fraction: float | None) -> None:
    share = "" if fraction is None else f" {fraction:.0%}"
    print(f"\r\033[K{t(stage)}{share}", end="", file=sys.stderr, flush=True)
