"""Tools on models that were never taught them: the prompt lists them, and a grammar makes every call a valid one.

A forced call is JSON of the function's own schema; with "auto" an answer that begins with a brace is a call, any other is
text.
"""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from glm_core.api import schemas
from glm_core.serving import grammar
from glm_core.serving.request import RequestError

INSTRUCTIONS = '你可以调用下面的工具。要调用时只写一行 JSON：{{"name": 工具名, "arguments": 参数}}。\n{tools}'
CALL = re.compile(r'\{"name":("(?:[^"\\]|\\.)*"),"arguments":')


@dataclass(frozen=True)
class Calls:
    """The tools of a request, and whether one must be called.

    Attributes:
        forced: the answer is a call whatever the model would like.
    """

    functions: tuple[schemas.Function, ...]
    forced: bool

    @classmethod
    def of(cls, tools: Sequence[schemas.Tool], choice: object) -> "Calls | None":
        """Return what `tools` and `tool_choice` ask for; None where nothing may be called.

        Raises:
            RequestError: the tool that has to be called is not among them.
        """
        if choice == "none" or (not tools and choice in (None, "auto")):
            return None
        functions = tuple(tool.function for tool in tools)
        if isinstance(choice, schemas.NamedTool):
            functions = tuple(one for one in functions if one.name == choice.function.name)
        if not functions:
            raise RequestError("serving.no_tool", "tool_choice")
        return cls(functions, choice not in (None, "auto"))

    def instructions(self) -> dict:
        """The system message that tells the model of them."""
        listed = [
            json.dumps(one.model_dump(exclude_none=True, exclude={"strict"}), ensure_ascii=False)
            for one in self.functions
        ]
        return {"role": "system", "content": INSTRUCTIONS.format(tools="\n".join(listed))}

    def grammar(self) -> str:
        """Return what the answer has to match.

        Raises:
            RequestError: the schema of a function's parameters cannot be followed.
        """
        schema = {"anyOf": [self._call(one) for one in self.functions]}
        if self.forced:
            return grammar.json_schema(schema, "tools")
        return grammar.text_or_json(schema, "tools")

    @staticmethod
    def _call(function: schemas.Function) -> dict:
        parameters = function.parameters or {"type": "object", "properties": {}, "additionalProperties": False}
        return {
            "type": "object",
            "properties": {"name": {"const": function.name}, "arguments": parameters},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }


@dataclass
class CallReader:
    """Splits a growing answer into text and one call.

    Attributes:
        name: of the function, None until it is known, or where the answer is text.
    """

    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")
    name: str | None = None
    _held: str = ""
    _text: bool = False

    def push(self, piece: str, ended: bool = False) -> tuple[str, str]:
        """Return the text and the arguments that `piece` adds; the brace that closes the call itself is left out."""
        self._held += piece
        if self._text or (self.name is None and self._held and not self._held.startswith("{")):
            self._text = True
            text, self._held = self._held, ""
            return text, ""
        if self.name is None:
            begun = CALL.match(self._held)
            if begun is None:
                text = self._held if ended else ""
                return text, ""
            self.name, self._held = json.loads(begun[1]), self._held[begun.end() :]
        whole = self._held.removesuffix("}") if ended else self._held[:-1]
        self._held = self._held[len(whole) :]
        return "", whole


def result(name: str, text: str) -> str:
    """A tool's result as a message that every model reads."""
    return f"工具 {name} 的结果：\n{text}" if name else f"工具的结果：\n{text}"


def written(function: schemas.CalledFunction) -> str:
    """A call of the history as the model would have written it."""
    return f'{{"name":{json.dumps(function.name, ensure_ascii=False)},"arguments":{function.arguments}}}'
