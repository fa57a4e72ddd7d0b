"""A request becomes a sequence: its prompt in the chat format of the model, fitted into the context, its sampling, its grammar."""

from dataclasses import replace

from glm_core import models
from glm_core.adapters.files import read_info
from glm_core.models import plain_formats
from glm_core.models.tool_messages import use_tools, with_tools
from glm_core.serving.base import LoadedBase
from glm_core.serving.batching.grammar import GrammarCompiler
from glm_core.serving.batching.sampling import resolve
from glm_core.serving.batching.sequence import Sequence, fit_prompt
from glm_core.serving.errors import PromptTooLong, RequestError
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import Provenance, ServedModel
from glm_core.serving.tool_prompts import flattened


class RequestEncoder:
    """Makes the sequences of requests to one base and the adapters on it."""

    def __init__(self, loaded: models.LoadedModel, info: LoadedBase):
        self.loaded, self.info = loaded, info
        self._grammars: GrammarCompiler | None = None
        self._formatted: dict[str, models.LoadedModel] = {}  # by chat format, where the base brings none

    def encode(self, handle: RequestHandle, slot: str | None) -> Sequence:
        """Return the sequence of `handle`, whose adapter is in `slot`; notes on the handle what was made of the request.

        Raises:
            PromptTooLong: even the last message alone leaves no room for an answer.
            RequestError: it names tokens that the model has not, or a bare prompt that the model cannot go on from.
        """
        request, context = handle.request, self.info.context_length
        loaded = self.as_trained(handle.choice)
        format = loaded.family.call_format(loaded.tokenizer) if _has_tools(request) else None
        handle.tells_calls = format is not None and bool(request.tools) and not request.must_call
        prompt = self._prompt(handle, loaded, format is not None)
        sampling = resolve(vars(request), self.info.sampling)
        handle.provenance = self._provenance(handle.choice, request, sampling.to_dict())
        if any(not 0 <= token < self._width for token, _bias in request.logit_bias):
            raise RequestError("serving.no_token", "logit_bias", size=self._width)
        limit = min(request.max_new_tokens, context - len(prompt))
        mask = None
        if request.grammar and not handle.tells_calls:
            mask = self._compiler().follow(request.grammar, request.grammar_field)
        return Sequence(handle, loaded, slot, prompt, sampling, limit, mask)

    def as_trained(self, model: ServedModel) -> models.LoadedModel:
        """Return the loaded model in the chat format that `model` was trained in, where the base brings none."""
        if not plain_formats.is_free(self.loaded):
            return self.loaded
        name = _trained_format(model)
        if name not in self._formatted:
            self._formatted[name] = plain_formats.formatted(self.loaded, name)
        return self._formatted[name]

    @property
    def marked(self) -> bool:
        """Return whether the network finds its context by marks, so that it cannot go on from bare tokens."""
        return bool(self.loaded.family.architecture.control_ids(self.loaded.model.config.to_dict()))

    def _prompt(self, handle: RequestHandle, loaded: models.LoadedModel, knows_tools: bool) -> list[int]:
        """The ids of the conversation, oldest turns left out, or of a bare prompt.

        Args:
            knows_tools: the model's chat format has tools.
        """
        if handle.request.prompt is None:
            return self._conversation(handle, loaded, knows_tools)
        return self._bare_prompt(handle)

    def _conversation(self, handle: RequestHandle, loaded: models.LoadedModel, knows_tools: bool) -> list[int]:
        request = handle.request
        held = request.grammar and not handle.tells_calls
        thinking = False if held else request.thinking  # a grammar holds from the first token on
        wanted, told = request.max_new_tokens, list(request.messages)
        if knows_tools:
            told = with_tools(told, request.tools)
        elif _has_tools(request):
            told = flattened(told, request.tools)
        ids, handle.dropped_turns = fit_prompt(
            loaded, told, self.info.context_length, wanted, request.beginning, thinking, request.thought
        )
        return ids

    def _bare_prompt(self, handle: RequestHandle) -> list[int]:
        prompt, context, tokenizer = handle.request.prompt, self.info.context_length, self.loaded.tokenizer
        if self.marked:
            raise RequestError("serving.no_bare_prompt", "prompt", name=self.info.name)
        ids = tokenizer.encode(prompt) if isinstance(prompt, str) else list(prompt or ())
        if not ids or any(not 0 <= token < self._width for token in ids):
            raise RequestError("serving.no_token", "prompt", size=self._width)
        if len(ids) >= context:
            raise PromptTooLong("serving.too_long", "prompt", tokens=len(ids), limit=context - 1, context=context)
        handle.prompt_text = tokenizer.decode(ids)
        return ids

    @property
    def _width(self) -> int:
        """Columns of the logits."""
        return self.loaded.model.get_output_embeddings().weight.shape[0]

    def _compiler(self) -> GrammarCompiler:
        if self._grammars is None:
            self._grammars = GrammarCompiler(self.loaded.family, self.loaded.tokenizer, self._width)
        return self._grammars

    def _provenance(self, choice: ServedModel, request: Request, sampling: dict) -> Provenance:
        thinks = self.loaded.family.thinks(self.loaded.tokenizer)
        base = Provenance(self.info.name, sampling=sampling, thinking=request.thinking if thinks else None)
        if not choice.tuned:
            return base
        tuned = replace(base, adapter=choice.name, adapter_title=choice.title)
        return replace(tuned, step=choice.step, strength=request.strength)


def _has_tools(request: Request) -> bool:
    return request.prompt is None and (bool(request.tools) or use_tools(request.messages))


def _trained_format(model: ServedModel) -> str:
    settings = read_info(model.adapter).get("settings") if model.adapter else None
    name = settings.get("chat_format") if isinstance(settings, dict) else None
    return name if name in plain_formats.FORMATS else plain_formats.DEFAULT
