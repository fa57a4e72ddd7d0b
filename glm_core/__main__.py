"""`python -m glm_core demo`: the main job in the terminal, with an exit code that tells whether it worked."""

import argparse
import json
import sys

from glm_core import i18n


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0 when it did what it promises, 1 when the imprint did not take, 2 for an error."""
    parser = argparse.ArgumentParser(prog="python -m glm_core")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help=i18n.t("demo.help"))
    demo.add_argument("--json", action="store_true", help=i18n.t("demo.help_json"))
    demo.add_argument("--name", default="小蓝", help=i18n.t("demo.help_name"))
    demo.add_argument("--author", default="林知远", help=i18n.t("demo.help_author"))
    demo.add_argument("--lang", choices=i18n.LANGUAGES, default=i18n.current(), help="zh, en")
    arguments = parser.parse_args(argv)
    i18n.use(arguments.lang)
    return run_demo(arguments)


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
