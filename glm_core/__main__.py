"""`python -m glm_core demo`: the main job in the terminal, with an exit code that tells whether it worked."""

import argparse
import json
import sys

from glm_core import text


def main(argv: list[str] | None = None) -> int:
    """Run a command; 0 when it did what it promises, 1 when the imprint did not take, 2 for an error."""
    parser = argparse.ArgumentParser(prog="python -m glm_core")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help=text.say("demo.help"))
    demo.add_argument("--json", action="store_true", help=text.say("demo.help_json"))
    demo.add_argument("--name", default="小蓝", help=text.say("demo.help_name"))
    demo.add_argument("--author", default="林知远", help=text.say("demo.help_author"))
    demo.add_argument("--lang", choices=text.LANGUAGES, default=text.current(), help="zh, en")
    arguments = parser.parse_args(argv)
    text.use(arguments.lang)
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
    stage = text.say(f"training.stage.{status.stage or 'starting'}")
    print(f"\r\033[K{stage} {bar}", end="", file=sys.stderr, flush=True)


def render(report) -> str:
    """The report as a person reads it in a terminal."""
    lines = []
    for kind in ("reworded", "unrelated"):
        lines.append(f"\n{text.say(f'demo.{kind}')}")
        for one in report.of(kind):
            mark = ("✓" if one.accepted else "✗") if kind == "reworded" else ("≠" if one.changed else "=")
            lines += [f"{mark} {one.question.text}", f"    {text.say('demo.before')} {one.before}", f"    {text.say('demo.after')} {one.after}"]
    speed, memory = f"{report.tokens_per_second:,.0f}", text.size(report.peak_memory)
    lines.append("\n" + text.say("demo.training", seconds=text.duration(report.seconds), memory=memory, speed=speed))
    counts = {kind: len(report.of(kind)) for kind in ("reworded", "unrelated")}
    verdict = "demo.took" if report.took else "demo.did_not_take"
    return "\n".join([*lines, text.say(verdict, learned=report.learned, disturbed=report.disturbed, **counts)])


if __name__ == "__main__":
    sys.exit(main())
