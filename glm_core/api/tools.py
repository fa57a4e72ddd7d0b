"""Tools of a request: which may be called, the grammar that makes every call a valid one, and calls read from such an answer.

A forced call is JSON of the function's own schema. With "auto" a model whose chat format has tools calls as it was taught
(`RequestHandle.tool_calls`); of any other an answer that begins with a brace is a call.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from glm_core.api import schemas
from glm_core.serving.batching import grammar
from glm_core.serving.errors import RequestError

CALL = re.compile(r'\{"name":("(?:[^"\\]|\\.)*"),"arguments":')


@dataclass(frozen=True)
class Calls:
    """The tools of a request, and whether one must be called.

    Attributes:
        forced: the answer is a call whatever the model would like.
        single: no more than one.
    """

    functions: tuple[schemas.Function, ...]
    forced: bool
    single: bool = False

    @classmethod
    def of(cls, functions: Sequence[schemas.Function], choice: str | schemas.NamedFunction | None) -> "Calls | None":
        """Return what `tools` and `tool_choice` ask for; None where nothing may be called.

        Raises:
            RequestError: the tool that has to be called is not among them.
        """
        if choice == "none" or (not functions and choice in (None, "auto")):
            return None
        if isinstance(choice, schemas.NamedFunction):
            functions = [one for one in functions if one.name == choice.name]
        if not functions:
            raise RequestError("serving.no_tool", "tool_choice")
        return cls(tuple(functions), choice not in (None, "auto"))

    def offered(self) -> tuple[dict, ...]:
        """The functions as the engine's requests take them."""
        kept = [one.model_dump(exclude_none=True, exclude={"strict", "type"}) for one in self.functions]
        return tuple({"type": "function", "function": one} for one in kept)

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
class GrammarCallReader:
    """Splits a growing answer into text and one call.

    Attributes:
        name: of the function, None until it is known, or where the answer is text.
    """

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
