"""Renders chat templates in a sandbox; runs as a process of its own: one line of JSON in, one out.

`python -m glm_core.models.rendering.worker SECONDS`: the processor time for one question; where the system has no such timer, twice as long
by the clock. In: [source, [values, ...]]. Out: [[text, ...], problem]. The sandbox keeps a template away from Python; what it takes of time and memory
only the system can bound, since every filter and every loop can be made to take any amount.
"""

import faulthandler
import json
import os
import signal
import sys
from datetime import datetime
from functools import lru_cache
from typing import Any

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from glm_core import bounded
from glm_core.bounded import Bounds

MEMORY_BYTES = 500_000_000
MOST_CHARACTERS = 20_000_000


class GenerationTag(Extension):
    """`{% generation %}` marks answers for other trainers; its body is rendered as it is."""

    tags = {"generation"}

    def parse(self, parser):
        """Read the tag and return what it encloses."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def main(seconds: float) -> None:
    """Answer until the input ends."""
    bounded.limit_this_process(Bounds(MEMORY_BYTES))
    for line in sys.stdin.buffer:
        _start_timer(seconds)
        answer = json.dumps(_answer(*json.loads(line))).encode()
        _stop_timer()
        sys.stdout.buffer.write(answer + b"\n")
        sys.stdout.buffer.flush()


def _answer(source: str, renderings: list[dict[str, Any]]) -> tuple[list[str], str]:
    """Return the texts and the problem, of which one is empty."""
    try:
        template = _compile(source)
        texts = [template.render(**given) for given in renderings]
    except MemoryError:
        os._exit(1)  # what else is in memory may be broken
    except Exception as error:  # of a stranger's template
        return [], (str(error) or type(error).__name__)[:200]
    long = sum(map(len, texts)) > MOST_CHARACTERS
    return ([], f"> {MOST_CHARACTERS} characters") if long else (texts, "")


def _start_timer(seconds: float) -> None:
    """End this process in a while, by the system: Python itself may be held up in one long step."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)
    else:
        faulthandler.dump_traceback_later(2 * seconds, exit=True)


def _stop_timer() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, 0)
    else:
        faulthandler.cancel_dump_traceback_later()


def _refuse(message: str):
    raise jinja2.TemplateRuntimeError(message)


def _to_json(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@lru_cache(maxsize=32)
def _compile(source: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals.update(raise_exception=_refuse, strftime_now=lambda form: datetime.now().strftime(form))
    return environment.from_string(source)


if __name__ == "__main__":
    main(float(sys.argv[1]))
