"""`python -m glm_core data FILE`: read a file as the pages do, say what became of it, and write it as jsonl, csv or xlsx.

The arguments that say how a file is read are shared with `python -m glm_core.training --data`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.data import export, hub_command, library
from glm_core.data.analysis import statistics
from glm_core.data.examples import DataError, Example, ReadResult
from glm_core.data.hygiene import check, describe, mend
from glm_core.data.hygiene.check import ACTIONS, Finding
from glm_core.data.readers.opened_file import READINGS, SPEAKER_ROLES, ReadOptions
from glm_core.data.readers.read import read, read_bytes
from glm_core.data.readers.templates.task_template import TEMPLATES
from glm_core.errors import EasyError
from glm_core.i18n import terminal

LISTED = 20  # problems in the terminal


def add_parser(commands) -> None:
    """Add the command `data` to the subcommands of `python -m glm_core`."""
    parser = commands.add_parser("data", help=i18n.t("data.command.help"))
    parser.add_argument("file", metavar="FILE", help=i18n.t("data.command.file"))
    hub_command.add_arguments(parser)
    add_arguments(parser)
    parser.add_argument("--out", metavar="FILE", help=i18n.t("data.command.out"))
    parser.add_argument("--keep", nargs="?", const="", metavar="NAME", help=i18n.t("data.command.keep"))
    parser.add_argument("--mend", action="append", default=[], choices=list(ACTIONS), help=i18n.t("data.command.mend"))
    parser.add_argument("--fill", action="append", default=[], metavar="MARK=TEXT", help=i18n.t("data.command.fill"))
    parser.add_argument("--json", action="store_true", help=i18n.t("data.command.json"))
    terminal.add_argument(parser)
    parser.set_defaults(work=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how a file is read."""
    parser.add_argument("--map", action="append", default=[], metavar="ROLE=COLUMN", help=i18n.t("data.command.map"))
    parser.add_argument("--sheet", action="append", default=[], help=i18n.t("data.command.sheet"))
    parser.add_argument("--template", choices=list(TEMPLATES), help=i18n.t("data.command.template"))
    parser.add_argument("--reading", choices=READINGS, default="", help=i18n.t("data.command.reading"))
    parser.add_argument("--assistant", default="", metavar="NAME", help=i18n.t("data.command.assistant"))
    parser.add_argument(
        "--speaker", action="append", default=[], metavar="NAME=ROLE", help=i18n.t("data.command.speaker")
    )
    parser.add_argument("--encoding", default="", metavar="NAME", help=i18n.t("data.command.encoding"))
    parser.add_argument("--header", choices=("names", "data"), help=i18n.t("data.command.header"))


def read_file(file: str, arguments: argparse.Namespace) -> ReadResult:
    """Read `file` as the arguments of `add_arguments` say.

    Raises:
        DataError: as `read`, or a mapping without an equals sign.
    """
    mapping, options = _choices(arguments)
    return read(file, arguments.template, mapping=mapping, options=options)


def read_content(content: bytes, file: str, arguments: argparse.Namespace) -> ReadResult:
    """As `read_file`, of what a hub has sent under the name `file`."""
    mapping, options = _choices(arguments)
    return read_bytes(content, file, arguments.template, mapping=mapping, options=options)


def _choices(arguments: argparse.Namespace) -> tuple[dict[str, str] | None, ReadOptions]:
    if wrong := next((one for one in arguments.map if "=" not in one), None):
        raise DataError("data.command.bad_map", given=wrong)
    mapping = dict(one.split("=", 1) for one in arguments.map)
    header = {"names": True, "data": False}.get(arguments.header)
    return mapping or None, ReadOptions(
        arguments.reading,
        tuple(arguments.sheet),
        header,
        reasoning=True,
        assistant=arguments.assistant,
        roles=tuple(map(_role, arguments.speaker)),
        encoding=arguments.encoding,
    )


def _role(given: str) -> tuple[str, str]:
    """Name and role of an argument such as 主管=assistant.

    Raises:
        DataError: no equals sign, or no role.
    """
    name, _, role = given.rpartition("=")
    if not name or role not in SPEAKER_ROLES:
        raise DataError("data.command.bad_speaker", given=given, roles=", ".join(SPEAKER_ROLES))
    return name, role


def print_losses(result: ReadResult) -> None:
    """Say on standard error which rows are problems and what is not used."""
    for problem in result.problems[:LISTED]:
        print(problem, file=sys.stderr)
    if len(result.problems) > LISTED:
        more = f"{len(result.problems):,}"
        print(i18n.t("datasets.first_problems", shown=LISTED, all=more), file=sys.stderr)
    for notice in result.notices:
        print(notice.message, file=sys.stderr)


def run(arguments: argparse.Namespace) -> int:
    """Read, report, convert; 0 where rows can be learned, 1 where none can, 2 for an error."""
    try:
        if arguments.hub and arguments.look:
            return hub_command.look(arguments)
        result = hub_command.read(arguments, read_content) if arguments.hub else read_file(arguments.file, arguments)
        if arguments.mend or arguments.fill:
            result = replace(result, examples=_mended(result.examples, arguments))
        findings = check.check(result.examples) if result.examples else []
        if arguments.out and result.examples:
            _write(result, Path(arguments.out))
        if arguments.keep is not None and result.examples:
            name = arguments.keep or Path(result.file).stem
            kept = library.add(name[: library.MAX_NAME], result.examples, source=result.file, notices=result.notices)
            print(i18n.t("data.command.kept", name=kept.name, id=kept.id), file=sys.stderr)
    except (EasyError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if arguments.json:
        print(json.dumps(_record(result, findings), ensure_ascii=False, indent=2))
    else:
        print_losses(result)
        _print_summary(result)
        for finding in findings:
            print(describe.sentence(finding))
            print(f"  {describe.row_numbers(finding)}")
    return 0 if result.examples else 1


def _write(result: ReadResult, target: Path) -> None:
    format = target.suffix.lstrip(".").lower()
    workspace.write_atomic(target, export.export(result.examples, format))


def _mended(examples: Sequence[Example], arguments: argparse.Namespace) -> Sequence[Example]:
    """`examples` after every act that the arguments ask for, each on what the one before has left.

    Raises:
        DataError: as `mend.mend`, or a --fill without an equals sign.
    """
    if wrong := next((one for one in arguments.fill if "=" not in one), None):
        raise DataError("data.command.bad_fill", given=wrong)
    values = dict(one.split("=", 1) for one in arguments.fill)
    for kind in dict.fromkeys([*arguments.mend, *(["placeholders"] if values else [])]):
        found = next((one for one in check.check(examples) if one.kind == kind), None)
        examples = mend.mend(examples, found, values) if found else examples
    return examples


def _record(result: ReadResult, findings: Sequence[Finding]) -> dict:
    return {
        "file": result.file,
        "layout": result.layout,
        "columns": list(result.columns),
        "sheets": list(result.sheets),
        "rows": len(result.examples),
        "problems": [{"line": one.line, "field": one.field, "message": one.message} for one in result.problems],
        "notices": [
            {"kind": one.kind, "count": one.count, "message": one.message, "other": one.other} for one in result.notices
        ],
        "findings": [
            {"kind": one.kind, "rows": [row + 1 for row in one.rows], "counts": one.counts} for one in findings
        ],
        "sample": [example.messages for example in result.examples[:3]],
    }


def _print_summary(result: ReadResult) -> None:
    kind = "template" if result.layout in TEMPLATES else "layout"
    good, bad = f"{len(result.examples):,}", f"{len(result.problems):,}"
    print(i18n.t("data.command.found", layout=i18n.t(f"data.{kind}.{result.layout}"), good=good, bad=bad))
    if not result.examples:
        return
    counts = statistics(result.examples)
    print(i18n.t("train.answers", count=f"{counts.targets:,}", rows=f"{counts.rows:,}"))
    for message in result.examples[0].messages:
        print(f"  {message['role']}: {message['content'][:200]}")
