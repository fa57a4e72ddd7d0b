"""`python -m glm_core demo | evaluate RUN | export RUN | benchmark RUN | data FILE | documents FILE`: what the pages do, in the terminal, with an exit code."""

import argparse
import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from glm_core import i18n
from glm_core.data.bundled import IMPRINT
from glm_core.i18n import terminal


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0 when it did what it promises, 1 when the run has not learned, 2 for an error."""
    terminal.speak(argv)
    parser = argparse.ArgumentParser(prog="python -m glm_core")
    terminal.add_argument(parser)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help=i18n.t("demo.help"))
    for option, usual in zip(("name", "author"), IMPRINT, strict=True):
        demo.add_argument(f"--{option}", default=usual, help=i18n.t(f"demo.help_{option}", usual=usual))
    _add_output(demo, "demo.help_json", run_demo)
    evaluate = commands.add_parser("evaluate", help=i18n.t("evaluate.help"))
    evaluate.add_argument("run", metavar="RUN", help=i18n.t("evaluate.help_run"))
    _add_output(evaluate, "evaluate.help_json", run_evaluation)
    benchmark = commands.add_parser("benchmark", help=i18n.t("benchmark.help"))
    benchmark.add_argument("run", metavar="RUN", help=i18n.t("evaluate.help_run"))
    benchmark.add_argument("--tasks", metavar="FILE", help=i18n.t("benchmark.help_tasks"))
    _add_output(benchmark, "evaluate.help_json", run_benchmark)
    from glm_core.data import command as data_command
    from glm_core.drafting import command as drafting_command
    from glm_core.runs.exchange import command

    command.add_parser(commands, _measured)
    data_command.add_parser(commands)
    drafting_command.add_parser(commands)
    arguments = parser.parse_args(argv)
    i18n.use(arguments.lang)
    warnings.filterwarnings(
        "ignore", category=FutureWarning, module="transformers"
    )  # what PEFT asks it in last year's words
    return arguments.work(arguments)


def _add_output(parser: argparse.ArgumentParser, json_help: str, work: Callable[[argparse.Namespace], int]) -> None:
    """Add the form and the language of what a command prints, and the function that it runs."""
    parser.add_argument("--json", action="store_true", help=i18n.t(json_help))
    terminal.add_argument(parser)
    parser.set_defaults(work=work)


def _measured(run: str) -> tuple[str, ...]:
    from glm_core.evaluation.report_files import card

    return card.sentences(run)


def run_evaluation(arguments: argparse.Namespace) -> int:
    """Make the report of a run and print it; 0 where the run has learned, 1 where it has not or cannot be told."""
    from glm_core.errors import EasyError
    from glm_core.evaluation import report
    from glm_core.evaluation.report_files import terminal
    from glm_core.runs import store
    from glm_core.serving.engine import LocalEngine

    engine = LocalEngine()
    try:
        run = store.get(Path(arguments.run).name)
        made = report.make(engine, run, engine.find(run.id), show_stage)
    except EasyError as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    finally:
        engine.close()
    print(file=sys.stderr)
    summary = json.dumps(terminal.to_summary(made), ensure_ascii=False, indent=2) if arguments.json else ""
    print(summary or terminal.to_text(made))
    return 0 if made.meters["learned"].grade == "good" else 1


def run_benchmark(arguments: argparse.Namespace) -> int:
    """Answer multiple-choice tasks with the original and a run and print what changed; 0 when that was done."""
    from glm_core.errors import EasyError
    from glm_core.evaluation import benchmark
    from glm_core.serving.engine import LocalEngine

    engine = LocalEngine()
    try:
        tasks = benchmark.read_tasks(arguments.tasks or benchmark.BUNDLED)
        found = benchmark.compare(engine, engine.find(Path(arguments.run).name), tasks, show_share)
    except EasyError as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    finally:
        engine.close()
    print(file=sys.stderr)
    print(json.dumps(found.to_dict(), ensure_ascii=False, indent=2) if arguments.json else found.text())
    return 0


def show_share(share: float) -> None:
    """One line on standard error that is drawn over and over."""
    print(f"\r\033[K{share:.0%}", end="", file=sys.stderr, flush=True)


def show_stage(stage: str, share: float) -> None:
    """One line on standard error that is drawn over and over."""
    print(f"\r\033[K{i18n.t(f'report.stage.{stage}')} {share:.0%}", end="", file=sys.stderr, flush=True)


def run_demo(arguments: argparse.Namespace) -> int:
    """Train, compare, print; progress goes to standard error so that `--json` stays clean."""
    from glm_core.errors import EasyError
    from glm_core.evaluation import demo

    try:
        report = demo.run(arguments.name, arguments.author, show_progress)
    except EasyError as error:
        print(f"\n{error}", file=sys.stderr)
        return 2
    print(file=sys.stderr)
    print(json.dumps(report.as_dict(), ensure_ascii=False, indent=2) if arguments.json else render(report))
    return 0 if report.took else 1


def show_progress(status) -> None:
    """One line on standard error that is drawn over and over."""
    total = status.total_steps
    bar = f"{'█' * (20 * status.step // total):<20} {status.step}/{total}" if total else ""
    stage = i18n.t(f"training.stage.{status.stage or 'starting'}")
    print(f"\r\033[K{stage} {bar}", end="", file=sys.stderr, flush=True)


def render(report) -> str:
    """The report as a person reads it in a terminal."""
    lines = []
    for kind in ("reworded", "unrelated"):
        lines.append(f"\n{i18n.t(f'demo.{kind}')}")
        for one in report.of(kind):
            mark = ("✓" if one.accepted else "✗") if kind == "reworded" else ("≠" if one.changed else "=")
            lines += [
                f"{mark} {one.question.text}",
                f"    {i18n.t('demo.before')} {one.before}",
                f"    {i18n.t('demo.after')} {one.after}",
            ]
    speed, memory = f"{report.tokens_per_second:,.0f}", i18n.size(report.peak_memory)
    lines.append("\n" + i18n.t("demo.training", seconds=i18n.duration(report.seconds), memory=memory, speed=speed))
    counts = {kind: len(report.of(kind)) for kind in ("reworded", "unrelated")}
    verdict = "demo.took" if report.took else "demo.did_not_take"
    return "\n".join([*lines, i18n.t(verdict, learned=report.learned, disturbed=report.disturbed, **counts)])


if __name__ == "__main__":
    sys.exit(main())
