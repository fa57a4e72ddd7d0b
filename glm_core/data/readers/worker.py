"""`python -m glm_core.data.readers.worker`: read a foreign file within bounds; `isolated.read_bytes` starts it and reads its answer.

Standard input: one line of JSON (file, language, size of the bounds; template, mapping and options, or which records), then the file.
Standard error: a line of progress now and then. Standard output: a pickle of plain values and of the few classes that `isolated` lets in.
"""

import json
import pickle
import sys
from dataclasses import replace
from typing import Any

from glm_core import bounded, i18n
from glm_core.data.examples import ReadResult
from glm_core.data.readers import isolated
from glm_core.data.readers.opened_file import ReadOptions
from glm_core.data.readers.read import json_lines, read_bytes
from glm_core.errors import EasyError


def main() -> None:
    """Read what stands on standard input and write what it is."""
    asked = json.loads(sys.stdin.buffer.readline())
    bounded.limit_this_process(isolated.bounds(asked["size"]))
    i18n.use(asked["language"])
    content = sys.stdin.buffer.read()
    try:
        result = _records(asked, content) if "records" in asked else _rows(asked, content)
    except MemoryError:
        sys.exit(1)
    except EasyError as error:
        pickle.dump({"error": error.as_record()}, sys.stdout.buffer)
        return
    pickle.dump({"result": result}, sys.stdout.buffer)


def _rows(asked: dict[str, Any], content: bytes) -> ReadResult:
    options = ReadOptions(**{name: _tuple(value) for name, value in asked["options"].items()})
    file, template, mapping = asked["file"], asked["template"], asked["mapping"]
    return _plain(read_bytes(content, file, template, mapping=mapping, options=options, progress=_tell))


def _records(asked: dict[str, Any], content: bytes) -> tuple[list[bytes], int]:
    start, count = asked["records"]
    return json_lines(content, asked["file"], start, count, lambda: _tell("records", None))


def _tuple(value: Any) -> Any:
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def _tell(stage: str, fraction: float | None) -> None:
    print(f"{stage} {'' if fraction is None else fraction}", file=sys.stderr, flush=True)


def _plain(result: ReadResult) -> ReadResult:
    """The result, whose sample holds no other values than JSON has."""
    return replace(result, sample=[{str(name): _value(one) for name, one in row.items()} for row in result.sample])


def _value(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_value(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _value(one) for name, one in value.items()}
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


if __name__ == "__main__":
    main()
