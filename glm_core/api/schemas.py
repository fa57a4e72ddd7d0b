"""The bodies that the API takes, as pydantic models: what checks a request is what describes it (`openapi.py`).

Fields that would change the answer and that this engine cannot honour are refused by name, never ignored. Fields that only
label a request (`user`, `metadata` ...) are taken and do nothing. Ranges are those of `serving.request`.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.config import JsonDict

from glm_core.serving.request import BIAS_LIMIT, MOST_LOGPROBS, RANGES, STOP_LIMIT

DEFAULT_TOKENS = 2048
"The longest answer when the client sets none, as ChatGLM-6B's `max_length`; the context may end it earlier."
LEGACY_TOKENS = 16
"The same for /v1/completions, where OpenAI's default is this."
CHOICES = 8
"Answers one prompt may have."
PROMPTS = 64
"Prompts one call may have, and answers all in all."
LEGACY_LOGPROBS = 5


def _whole(value: object) -> object:
    """5.0 as 5: JSON does not tell them apart, and some clients write the former."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _bounds(name: str) -> dict:
    low, high = RANGES[name]
    return {"ge": low, "le": high}


Whole = BeforeValidator(_whole)
Text = Annotated[str, StringConstraints(min_length=1)]
Anything = Any
Tokens = Annotated[int, Field(**_bounds("max_new_tokens")), Whole]
Count = Annotated[int, Field(ge=0), Whole]
TokenIds = Annotated[list[Count], Field(min_length=1)]
BiasKey = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,9}$")]
Bias = Annotated[float, Field(ge=-BIAS_LIMIT, le=BIAS_LIMIT)]
Zero = Annotated[float, Field(ge=0, le=0)]
One = Annotated[float, Field(ge=1, le=1)]
Nothing = Annotated[list, Field(max_length=0)]
SchemaText = Annotated[
    str | dict[str, Any], WithJsonSchema({"type": "object", "description": "Or the same as JSON text."})
]
MUST_CALL: JsonDict = {
    "if": {
        "properties": {"tool_choice": {"anyOf": [{"const": "required"}, {"type": "object"}]}},
        "required": ["tool_choice"],
    },
    "then": {"properties": {"tools": {"type": "array", "minItems": 1}}, "required": ["tools"]},
}
"A tool that has to be called is one of `tools`."
NEEDS_STREAM: JsonDict = {
    "if": {"properties": {"stream_options": {"type": "object"}}, "required": ["stream_options"]},
    "then": {"properties": {"stream": {"const": True}}, "required": ["stream"]},
}


class Part(BaseModel):
    """Base of everything below: no other fields, no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TextPart(Part):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class CalledFunction(Part):
    """Name of the called function, its arguments as JSON."""

    name: Text
    arguments: str = "{}"


class ToolCall(Part):
    """A call in an answer of the history."""

    id: str = ""
    type: Literal["function"] = "function"
    function: CalledFunction
    index: Count | None = None


class Message(Part):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[TextPart] | None = None
    name: str | None = None
    tool_call_id: str | None = None
    tool_calls: list[ToolCall] | None = None
    refusal: Anything = None
    audio: None = None
    annotations: Anything = None
    function_call: CalledFunction | None = None
    reasoning_content: Anything = None


class Function(Part):
    """A function that the model may call."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Anything] | None = None
    strict: bool | None = None


class Tool(Part):
    """A tool; only functions are served."""

    type: Literal["function"]
    function: Function


class NamedFunction(Part):
    name: Text


class NamedTool(Part):
    """The tool that has to be called."""

    type: Literal["function"]
    function: NamedFunction


class PlainFormat(Part):
    """Free text, or any JSON object."""

    type: Literal["text", "json_object"]


class Schema(Part):
    """A JSON schema by OpenAI's wrapping."""

    name: str = ""
    description: str | None = None
    schema_: dict[str, Anything] = Field(alias="schema")
    strict: bool | None = None


class SchemaFormat(Part):
    """JSON that matches a schema."""

    type: Literal["json_schema"]
    json_schema: Schema


class StructuredOutputs(Part):
    """The form that the answer has to match, in vLLM's words; exactly one of them."""

    json_: SchemaText | None = Field(default=None, alias="json")
    regex: Text | None = None
    choice: Annotated[list[Text], Field(min_length=1)] | None = None
    json_object: Literal[True] | None = None


class StreamOptions(Part):
    """Only while streaming."""

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None
    continuous_usage_stats: Literal[False] | None = None


class Sampled(Part):
    """The fields that every request has."""

    model: Text = Field(description="A base's name or a run's.")
    temperature: Annotated[float, Field(**_bounds("temperature"))] | None = None
    top_p: Annotated[float, Field(**_bounds("top_p"))] | None = None
    stream: bool | None = None
    user: Anything = None
    metadata: Anything = None
    store: Anything = None
    service_tier: Anything = None
    safety_identifier: Anything = None
    prompt_cache_key: Anything = None
    prompt_cache_retention: Anything = None


class Generation(Sampled):
    """The fields that chat and plain completions have; below `stop` those that are taken where they change nothing."""

    model_config = ConfigDict(json_schema_extra={"allOf": [NEEDS_STREAM]})

    max_tokens: Tokens | None = None
    top_k: Annotated[int, Field(ge=-1, le=RANGES["top_k"][1]), Whole] | None = Field(
        default=None, description="0 or -1: all."
    )
    min_p: Annotated[float, Field(**_bounds("min_p"))] | None = None
    repetition_penalty: Annotated[float, Field(**_bounds("repetition_penalty"))] | None = None
    presence_penalty: Annotated[float, Field(**_bounds("presence_penalty"))] | None = None
    frequency_penalty: Annotated[float, Field(**_bounds("frequency_penalty"))] | None = None
    logit_bias: dict[BiasKey, Bias] | None = None
    seed: Annotated[int, Field(**_bounds("seed")), Whole] | None = None
    strength: Annotated[float, Field(**_bounds("strength"))] | None = None
    n: Annotated[int, Field(ge=1, le=CHOICES), Whole] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=STOP_LIMIT)] | None = None
    stream_options: StreamOptions | None = None
    guided_json: SchemaText | None = None
    guided_regex: Text | None = None
    guided_choice: Annotated[list[Text], Field(min_length=1)] | None = None
    structured_outputs: StructuredOutputs | None = None
    min_tokens: Zero | None = None
    ignore_eos: Literal[False] | None = None
    include_stop_str_in_output: Literal[False] | None = None
    skip_special_tokens: Literal[True] | None = None
    spaces_between_special_tokens: Literal[True] | None = None
    stop_token_ids: Nothing | None = None
    bad_words: Nothing | None = None
    use_beam_search: Literal[False] | None = None
    length_penalty: One | None = None


class TemplateOptions(Part):
    """Options of the model's chat template, in vLLM's words."""

    enable_thinking: bool | None = Field(
        default=None, description="Think before the answer, where the model can; without it the model's default."
    )


class ChatRequest(Generation):
    """POST /v1/chat/completions."""

    model_config = ConfigDict(json_schema_extra={"allOf": [NEEDS_STREAM, MUST_CALL]})

    messages: Annotated[list[Message], Field(min_length=1)] = Field(
        description="Where the last one is the assistant's, the answer goes on from it."
    )
    max_completion_tokens: Tokens | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=MOST_LOGPROBS), Whole] | None = None
    response_format: PlainFormat | SchemaFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    functions: Nothing | None = None
    function_call: Literal["none"] | None = None
    modalities: list[Literal["text"]] | None = None
    audio: None = None
    add_generation_prompt: bool | None = None
    continue_final_message: bool | None = None
    chat_template_kwargs: TemplateOptions | None = None
    separate_reasoning: Literal[True] | None = None
    include_reasoning: Literal[True] | None = None


class TextRequest(Generation):
    """POST /v1/completions: a text is asked as one question; token ids, and texts with `echo`, are gone on from as they are."""

    prompt: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=PROMPTS)]
        | TokenIds
        | Annotated[list[TokenIds], Field(min_length=1, max_length=PROMPTS)]
    )
    echo: bool | None = None
    logprobs: Annotated[int, Field(ge=0, le=LEGACY_LOGPROBS), Whole] | None = None
    suffix: Literal[""] | None = None
    best_of: One | None = None


class InputText(Part):
    """A piece of an item of /v1/responses."""

    type: Literal["input_text", "output_text", "text"]
    text: str
    annotations: Anything = None
    logprobs: Anything = None


class InputItem(Part):
    """A message of /v1/responses."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[InputText]
    id: Anything = None
    status: Anything = None


class InputCall(Part):
    """A call in an answer of the history, as /v1/responses writes it."""

    type: Literal["function_call"]
    call_id: Text
    name: Text
    arguments: str
    id: Anything = None
    status: Anything = None


class InputCallOutput(Part):
    """The result of a called function."""

    type: Literal["function_call_output"]
    call_id: Text
    output: str | list[InputText]
    id: Anything = None
    status: Anything = None


class InputReasoning(Part):
    """The thought before an answer of the history; not told again."""

    type: Literal["reasoning"]
    summary: Anything = None
    content: Anything = None
    encrypted_content: Anything = None
    id: Anything = None
    status: Anything = None


Item = InputItem | InputCall | InputCallOutput | InputReasoning


class FlatTool(Function):
    """A tool of /v1/responses; only functions are served."""

    type: Literal["function"]


class FlatNamedTool(NamedFunction):
    """The tool that has to be called, as /v1/responses writes it."""

    type: Literal["function"]


class FlatSchemaFormat(Part):
    """JSON that matches a schema, as /v1/responses writes it."""

    type: Literal["json_schema"]
    name: str = ""
    description: str | None = None
    schema_: dict[str, Anything] = Field(alias="schema")
    strict: bool | None = None


class TextSettings(Part):
    """The form of the answer."""

    format: PlainFormat | FlatSchemaFormat | None = None
    verbosity: Literal["medium"] | None = None


class ResponsesRequest(Sampled):
    """POST /v1/responses: text and calls of tools; nothing is stored."""

    model_config = ConfigDict(json_schema_extra={"allOf": [MUST_CALL]})

    input: Text | Annotated[list[Item], Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: Tokens | None = None
    text: TextSettings | None = None
    tools: list[FlatTool] | None = None
    tool_choice: Literal["none", "auto", "required"] | FlatNamedTool | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["auto", "disabled"] | None = None
    include: Nothing | None = None
    background: Literal[False] | None = None
    stream_options: Anything = None
    top_logprobs: Zero | None = None
