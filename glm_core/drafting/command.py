"""`python -m glm_core documents FILE ...`: questions and answers from documents, written by a model to a jsonl file.

Each line holds `messages` and the `source` of the row, so that a person can look through it before it is trained on.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from glm_core import i18n, workspace
from glm_core.data.documents import extract
from glm_core.data.documents.passages import LEAST_TOKENS, MOST_TOKENS, USUAL_TOKENS, Passage
from glm_core.data.examples import DataError, pair
from glm_core.drafting import drafts, jobs, make, writing
from glm_core.drafting.drafts import Draft
from glm_core.errors import EasyError
from glm_core.i18n import terminal


def add_parser(commands) -> None:
    """Add the command `documents` to the subcommands of `python -m glm_core`."""
    parser = commands.add_parser("documents", help=i18n.t("drafting.command.help"))
    parser.add_argument("files", metavar="FILE", nargs="+", help=i18n.t("drafting.upload"))
    parser.add_argument("--passages", action="store_true", help=i18n.t("drafting.command.passages"))
    parser.add_argument("--tokens", type=int, default=USUAL_TOKENS, help=i18n.t("drafting.tokens"))
    parser.add_argument("--count", type=int, default=3, help=i18n.t("drafting.count.questions"))
    parser.add_argument("--model", default="", help=i18n.t("drafting.model"))
    parser.add_argument("--server", default="", metavar="URL", help=i18n.t("drafting.command.server"))
    parser.add_argument("--instruction", metavar="FILE", help=i18n.t("drafting.instruction"))
    parser.add_argument("--anyway", action="store_true", help=i18n.t("drafting.command.anyway"))
    parser.add_argument("--out", metavar="FILE", help=i18n.t("drafting.command.out"))
    terminal.add_argument(parser)
    parser.set_defaults(work=run)


def run(arguments: argparse.Namespace) -> int:
    """Write and print; 0 where pairs were written, 1 where the sample shows that the model cannot, 2 for an error."""
    engine = None
    try:
        _check(arguments)
        if not arguments.passages:
            engine = _engine(arguments)
        good = [_write_one(Path(file), arguments, engine) for file in arguments.files]
    except (EasyError, OSError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    finally:
        if engine is not None:
            engine.close()
    return 0 if all(good) else 1


def _check(arguments: argparse.Namespace) -> None:
    for name, (least, most) in {"tokens": (LEAST_TOKENS, MOST_TOKENS), "count": make.COUNTS}.items():
        if not least <= getattr(arguments, name) <= most:
            raise DataError("drafting.command.range", name=f"--{name}", least=least, most=most)


def _engine(arguments: argparse.Namespace):
    """The models of this program, or the server whose address is given; its key is in EASYAIGC_DRAFT_KEY."""
    if arguments.server:
        from glm_core.serving.remote import RemoteEngine

        return RemoteEngine(make.checked_address(arguments.server), os.environ.get("EASYAIGC_DRAFT_KEY", ""))
    from glm_core.serving.engine import LocalEngine

    return LocalEngine()


def _write_one(file: Path, arguments: argparse.Namespace, engine) -> bool:
    """Cut one document, ask about it, write the pairs; False where the sample shows that the model cannot."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError("data.unreadable", file=str(file), reason=error.strerror or error) from error
    document = extract(content, file.name)
    for notice in document.notices:
        print(notice.message, file=sys.stderr)
    folder = engine.find(arguments.model).base if engine is not None and engine.local else None
    found = make.passages(document, arguments.tokens, folder)
    print(i18n.t("drafting.command.passages_of", file=file.name, count=f"{len(found):,}"), file=sys.stderr)
    if engine is None:
        print(*(json.dumps(one.as_record(), ensure_ascii=False) for one in found), sep="\n")
        return True
    draft = _begin(document.name, found, arguments, engine)
    try:
        return _ask(draft, arguments, engine, Path(arguments.out) if arguments.out else file.with_suffix(".rows.jsonl"))
    finally:
        drafts.remove(draft)


def _begin(name: str, found: list[Passage], arguments: argparse.Namespace, engine) -> Draft:
    usual = writing.usual_instruction("questions", found[0].text)
    instruction = Path(arguments.instruction).read_text(encoding="utf-8") if arguments.instruction else usual
    settings = {"owner": "local", "model": engine.find(arguments.model).name, "count": arguments.count}
    return make.from_passages(found, source=name, instruction=instruction, **settings)


def _ask(draft: Draft, arguments: argparse.Namespace, engine, target: Path) -> bool:
    """Ask for the sample, and where it is good for the rest; then write the pairs."""
    jobs.write(draft, engine, jobs.missing(draft), count=lambda: _show(draft))
    result = jobs.sample_result(draft)
    key = "good" if result.good else "bad"
    print("\n" + i18n.t(f"drafting.sample_{key}", usable=result.usable, tried=result.tried), file=sys.stderr)
    if result.good or arguments.anyway:
        draft = drafts.change(draft, stage="all")
        jobs.write(draft, engine, jobs.missing(draft), count=lambda: _show(draft))
    items = {item.number: item for item in drafts.items(draft)}
    lines = []
    for one in drafts.pairs(draft):
        item = items[one.item]
        source = {"document": draft.source, "heading": item.heading, "page": item.page, "passage": item.text}
        doubt = i18n.t(one.doubt) if one.doubt else ""
        record = {"messages": pair(one.question, one.answer).messages, "source": source, "doubt": doubt}
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    workspace.write_atomic(target, "".join(lines))
    print("\n" + i18n.t("drafting.command.written", count=f"{len(lines):,}", file=target), file=sys.stderr)
    return result.good


def _show(draft: Draft) -> None:
    """One line on standard error that is drawn over and over."""
    print(f"\r\033[K{len(drafts.answers(draft))}/{draft.items}", end="", file=sys.stderr, flush=True)
