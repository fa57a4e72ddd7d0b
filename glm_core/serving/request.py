"""A request to an engine: the conversation or prompt, the model's name, sampling, what the answer has to match.

No torch here, so that pages and routes import it freely.
"""

from dataclasses import dataclass

from glm_core.serving.errors import RequestError

RANGES = {
    "max_new_tokens": (1, 32768),
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "top_k": (0, 1000),
    "min_p": (0.0, 1.0),
    "repetition_penalty": (0.5, 2.0),
    "presence_penalty": (-2.0, 2.0),
    "frequency_penalty": (-2.0, 2.0),
    "strength": (0.0, 1.5),
    "seed": (-(2**63), 2**63 - 1),
}
ROLES = ("system", "user", "assistant", "tool")
STOP_LIMIT = 16
BIAS_LIMIT = 100.0
MOST_LOGPROBS = 20


@dataclass(frozen=True)
class Request:
    """One question. Sampling fields left None take the family's official defaults.

    Raises:
        RequestError: a field has the wrong type or is out of range.
    """

    messages: tuple[dict, ...]
    "The conversation, each `{role, content}`; the last one is the user's, or a tool's result. Calls are `tool_calls`."
    model: str = ""
    "A name of `Engine.catalogue()`; empty = the first base."
    max_new_tokens: int = 512
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    min_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: tuple[tuple[int, float], ...] = ()
    "(token id, what is added to its logit)."
    logprobs: int | None = None
    "How many of the likeliest tokens `RequestHandle.logprobs` has beside each token; None = it stays empty."
    grammar: str = ""
    "What the answer has to match, as `serving.batching.grammar` returns it; empty = nothing."
    grammar_field: str = "response_format"
    "The field of the API's request that it came in."
    prompt: str | tuple[int, ...] | None = None
    "A text or token ids to go on from, instead of `messages` in the model's chat format."
    echo: bool = False
    "With `logprobs`, also of the tokens of `prompt`."
    seed: int | None = None
    stop: tuple[str, ...] = ()
    strength: float = 1.0
    "How strongly the adapter acts: 0 = not at all, 1 = as trained."
    owner: str = ""
    "Whose request it is: the queue is fair between owners."
    timeout: float | None = None
    "Seconds after which the answer is broken off, counted from `submit`."
    beginning: str = ""
    "What there already is of the answer, which goes on from there; `RequestHandle.text` has it too."
    thinking: bool | None = None
    "Think first, or answer at once, where the model thinks; None = its default."
    thought: str = ""
    "What was thought before `beginning`."
    tools: tuple[dict, ...] = ()
    "Functions that may be called, as OpenAI's; a model whose chat format has tools is told in it, `grammar` serves the others."
    must_call: bool = False
    "The answer is a call, as `grammar` says."

    def __post_init__(self):
        object.__setattr__(self, "messages", tuple(self.messages))
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop))
        _check_messages(self.messages)
        for name, (low, high) in RANGES.items():
            _check_number(name, getattr(self, name), low, high)
        if len(self.stop) > STOP_LIMIT or not all(isinstance(stop, str) and stop for stop in self.stop):
            raise RequestError("serving.bad_stop", "stop", limit=STOP_LIMIT)


def _check_messages(messages: tuple) -> None:
    if not messages:
        raise RequestError("serving.no_messages")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise RequestError("serving.bad_role", f"messages[{number}].role")
        if not isinstance(message.get("content"), str):
            raise RequestError("serving.bad_content", f"messages[{number}].content")
    if messages[-1]["role"] == "assistant":
        raise RequestError("serving.no_question", f"messages[{len(messages) - 1}]")


def _check_number(name: str, value, low, high) -> None:
    if value is None and name not in ("max_new_tokens", "strength"):
        return
    whole = isinstance(low, int)
    right = isinstance(value, int) if whole else isinstance(value, int | float)
    if isinstance(value, bool) or not right or not low <= value <= high:
        raise RequestError("serving.out_of_range", name, low=low, high=high, value=repr(value))
