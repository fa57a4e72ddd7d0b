"""The published families of models as data: architecture, chat format, sampling defaults, licence.

Adding a family is one `Family` and a test; from outside this file it is `register`. Not here: how a network differs from
others (architectures/), the prompts themselves (chat_formats.py). Imports no torch.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from glm_core.models import chat_formats, template_format
from glm_core.models.architectures.base import Architecture
from glm_core.models.architectures.bloom.architecture import Bloom
from glm_core.models.architectures.causal_lm import CausalLM
from glm_core.models.architectures.chatglm.architecture import ChatGLM
from glm_core.models.architectures.glm import FusedGlm, Glm, Glm4
from glm_core.models.call_formats import CallFormat, NamedCalls, PythonCalls
from glm_core.models.template_format import RoleTools
from glm_core.models.thinking import ThoughtReader, is_open
from glm_core.models.tokenizers.tokenizer import Tokenizer
from glm_core.models.tool_messages import as_glm3, as_glm4, use_tools

TAIL = 16
"Tokens at the end of a prompt that hold the mark of an open thought."


@dataclass(frozen=True)
class Family:
    """A family of models: architecture, chat format, sampling defaults, licence."""

    name: str
    title: str
    architecture: Architecture
    """The network that its checkpoints load into."""
    encode_prompt: Callable[[Tokenizer, list[dict]], list[int]]
    """(tokenizer, messages) -> ids up to where the answer begins, control tokens included."""
    encode_example: Callable[[Tokenizer, list[dict], int, int], chat_formats.Example]
    """(tokenizer, messages, max_source, max_target) -> ids, labels (-100 outside answers), whether it was cut."""
    separate_answers: bool = False
    """True where an encoded example has one answer to learn, because its prompt ends with the question of that answer."""
    stops: tuple[str, ...] = ()
    """Control tokens that end an answer, besides the tokenizer's end token."""
    templated: bool = False
    """True where prompts are what the template of the tokenizer makes."""
    endings: Callable[[Tokenizer], list[int]] | None = None
    """Ids that end an answer, where the tokenizer's files say it."""
    clean: Callable[[str], str] = chat_formats.clean
    """Tidies a finished answer."""
    sampling: dict = field(default_factory=dict)
    """The published defaults: temperature, top_p, ..."""
    distinguish: Callable[[dict], bool] = field(default=lambda config: True)
    """Tell whether a `config.json` of the architecture is of this family and of no other; `_name_or_path` may be the folder."""
    context: int | None = None
    """Context length where the published file is wrong about it."""
    commercial: bool = False
    """True where the licence permits commercial use without asking."""
    separate_prefix_width: bool = False
    """True where a projected prefix stores its full width (ChatGLM2 and 3) instead of the hidden size (ChatGLM-6B)."""
    system: bool = False
    """True where it was trained with a system message of its own; the others read it as the head of the first question."""
    tools: RoleTools | None = None
    """How it takes tools, where no template says so."""
    licence: str = ""
    """Text key: the licence's name and what it permits."""

    def __str__(self) -> str:
        return self.title

    def recognize(self, config: dict) -> bool:
        """Return whether a parsed `config.json` is of this family."""
        return self.architecture.recognizes(config) and self.distinguish(config)

    def context_length(self, config: dict) -> int:
        """Most tokens that a prompt and its answer may have together."""
        return self.context or self.architecture.context_length(config)

    def thinks(self, tokenizer: Tokenizer) -> bool:
        """Return whether it can write a thought before its answer."""
        return self.templated and tokenizer.chat_template is not None and tokenizer.chat_template.thinks

    def separates(self, tokenizer: Tokenizer) -> bool:
        """Return whether an encoded example has one answer to learn: earlier ones are written without their thoughts."""
        return self.separate_answers or self.thinks(tokenizer)

    def prompt(self, tokenizer: Tokenizer, messages: list[dict], thinking: bool | None = None) -> list[int]:
        """Ids up to where the answer begins, as `encode_prompt`.

        Args:
            thinking: think first, or answer at once, where the model thinks; None = its default.
        """
        if self.thinks(tokenizer):
            return template_format.encode_prompt(tokenizer, messages, thinking)
        return self.encode_prompt(tokenizer, messages)

    def call_format(self, tokenizer: Tokenizer) -> CallFormat | None:
        """Return how it writes calls of tools; None where it takes none."""
        known = template_format.template_calls(tokenizer) if self.templated or self.tools else None
        return known or (self.tools.format if self.tools else None)

    def takes(self, tokenizer: Tokenizer, messages: list[dict]) -> bool:
        """Return whether it can be asked or taught these messages: tools where it knows of none are refused."""
        if not use_tools(messages) or self.tools is not None:
            return True
        template = tokenizer.chat_template if self.templated else None
        return template is not None and template.tool_style is not None

    def thought_reader(self, tokenizer: Tokenizer, prompt: list[int]) -> ThoughtReader | None:
        """Return what splits the answer to `prompt` into thought and answer; None where the model does not think."""
        if not self.thinks(tokenizer):
            return None
        return ThoughtReader(is_open(tokenizer.decode(prompt[-TAIL:])))

    def answer_text(self, tokenizer: Tokenizer, prompt: list[int], ids: list[int]) -> str:
        """Return the finished answer `ids` to `prompt` as text, tidied, without a thought."""
        text, reader = tokenizer.decode(ids), self.thought_reader(tokenizer, prompt)
        if reader is not None:
            text = reader.push(text)[1] + reader.finish()[1]
        ends = [text.find(one) for one in self.stop_texts(tokenizer) if one in text]
        return self.clean(text[: min(ends, default=len(text))])

    def has_ended(self, tokenizer: Tokenizer, ids: list[int]) -> bool:
        """Return whether a text that ends answers is in `ids`."""
        stops = self.stop_texts(tokenizer)
        return bool(stops) and any(one in tokenizer.decode(ids) for one in stops)

    def stop_texts(self, tokenizer: Tokenizer) -> tuple[str, ...]:
        """Texts that end an answer, beside the ids."""
        return template_format.ending_texts(tokenizer) if self.templated else ()

    def stop_ids(self, tokenizer: Tokenizer) -> list[int]:
        """Ids that end an answer."""
        named = [tokenizer.controls[name] for name in self.stops if name in tokenizer.controls]
        read = self.endings(tokenizer) if self.endings else []
        return list(dict.fromkeys([tokenizer.eos_token_id, *named, *read]))


def _origin(config: dict) -> str:
    return str(config.get("_name_or_path") or "").lower().replace("_", "-")


def _is_original_glm4(config: dict) -> bool:
    """By name, or by what only GLM-4 has: several end tokens, a vocabulary beyond 100,000."""
    vocabulary = config.get("padded_vocab_size")
    large = isinstance(vocabulary, int) and vocabulary > 100_000
    named = any(name in _origin(config) for name in ("glm-4", "glm4"))
    return named or large or isinstance(config.get("eos_token_id"), list)


def _is_chatglm3(config: dict) -> bool:
    """By name; without one, by the library version in the published file, then by its shorter context."""
    if _is_original_glm4(config):
        return False
    if "chatglm3" in _origin(config) or "chatglm2" in _origin(config):
        return "chatglm3" in _origin(config)
    version = str(config.get("transformers_version"))
    if version in ("4.30.2", "4.27.1"):
        return version == "4.30.2"
    return config.get("seq_length") == 8192


def _is_chatglm2(config: dict) -> bool:
    return not _is_original_glm4(config) and not _is_chatglm3(config)


def _is_named(*names: str) -> Callable[[dict], bool]:
    return lambda config: any(name in _origin(config) for name in names)


_chatglm2_prompts = chat_formats.text_family(
    chat_formats.chatglm2_text, chat_formats.frame_chatglm2, lambda source, target: (max(source - 2, 0), target)
)


def _bloom(name: str, title: str, compose: Callable, sampling: dict, **changes) -> Family:
    prompt, example = chat_formats.text_family(
        compose, chat_formats.frame_nothing, lambda source, target: (source, max(target - 1, 0))
    )
    return Family(
        name=name,
        title=title,
        architecture=Bloom(),
        encode_prompt=prompt,
        encode_example=example,
        separate_answers=True,
        clean=str.strip,
        sampling=sampling,
        licence="families.licence.bloom",
        commercial=True,
        **changes,
    )


def _roles(
    name: str,
    title: str,
    architecture: Architecture,
    licence: str,
    default_system: str = "",
    tools: RoleTools | None = None,
    **changes,
) -> Family:
    encoders = chat_formats.encode_roles, chat_formats.encode_roles_example
    prompt, example = chat_formats.with_system(default_system) if default_system else encoders
    if tools is not None:
        prompt, example = tools.encoders(prompt, example)
    return Family(
        name=name,
        title=title,
        architecture=architecture,
        licence=licence,
        encode_prompt=prompt,
        encode_example=example,
        stops=("<|user|>", "<|observation|>"),
        sampling={"temperature": 0.8, "top_p": 0.8},
        system=True,
        tools=tools,
        **changes,
    )


def _templated(name: str, title: str, architecture: Architecture, licence: str, **changes) -> Family:
    """A family whose prompts are what the template of its tokenizer makes."""
    return Family(
        name=name,
        title=title,
        architecture=architecture,
        licence=licence,
        encode_prompt=template_format.encode_prompt,
        encode_example=template_format.encode_example,
        templated=True,
        endings=template_format.ending_ids,
        clean=str.strip,
        system=True,
        **changes,
    )


def _is_edge(config: dict) -> bool:
    """GLM-Edge turns whole heads and has no bias; GLM-4-9B-hf turns half of each and has one.

    Its prompt is its own template's, whatever that says; the published file itself is not at hand for a test.
    """
    rope = config.get("rope_parameters")
    part = (rope.get("partial_rotary_factor") if isinstance(rope, dict) else None) or config.get(
        "partial_rotary_factor"
    )
    return part == 1.0 and not config.get("attention_bias")


_CAUSAL = {
    "llama": "Llama",
    "mistral": "Mistral",
    "qwen2": "Qwen2",
    "qwen3": "Qwen3",
    "gemma3_text": "Gemma 3",
    "phi3": "Phi-3",
    "hunyuan_v1_dense": "Hunyuan",
    "ernie4_5": "ERNIE 4.5",
    "smollm3": "SmolLM3",
    "olmo2": "OLMo 2",
    "granite": "Granite",
    "apertus": "Apertus",
    "arcee": "Arcee",
    "cohere": "Cohere",
    "cohere2": "Cohere 2",
    "cwm": "CWM",
    "exaone4": "EXAONE 4",
    "gemma": "Gemma",
    "gemma2": "Gemma 2",
    "helium": "Helium",
    "hyperclovax": "HyperCLOVA X",
    "internlm3": "InternLM3",
    "iquestcoder": "IQuest-Coder",
    "jais2": "Jais 2",
    "ministral": "Ministral",
    "ministral3": "Ministral 3",
    "nanochat": "NanoChat",
    "olmo": "OLMo",
    "olmo3": "OLMo 3",
    "phi": "Phi",
    "seed_oss": "Seed-OSS",
    "stablelm": "StableLM",
    "starcoder2": "StarCoder2",
    "vaultgemma": "VaultGemma",
}

CODEGEEX_SYSTEM = (
    "你是一位智能编程助手，你叫CodeGeeX。你会为用户回答关于编程、代码、计算机方面的任何问题，"
    "并提供格式规范、可以执行、准确安全的代码，并在必要时提供详细的解释。"
)
"The system message that CodeGeeX4's model card gives; the published file itself is not at hand for a test."
_GLM3_TOOLS = RoleTools(as_glm3, PythonCalls())
_GLM4_TOOLS = RoleTools(as_glm4, NamedCalls("", "\n"))
_USUAL = {"temperature": 0.7, "top_p": 0.9}
_BELLE = {"temperature": 0.5, "top_p": 0.85, "top_k": 30, "repetition_penalty": 1.2}

FAMILIES = [
    Family(
        name="chatglm",
        title="ChatGLM-6B",
        architecture=ChatGLM(),
        encode_prompt=partial(chat_formats.encode_text, chat_formats.chatglm_text, chat_formats.frame_chatglm),
        encode_example=chat_formats.encode_chatglm_example,
        separate_answers=True,
        clean=chat_formats.clean_chatglm,
        sampling={"temperature": 0.95, "top_p": 0.7},
        licence="families.licence.chatglm",
    ),
    _roles(
        "codegeex4",
        "CodeGeeX4-9B",
        FusedGlm(),
        "families.licence.glm4",
        default_system=CODEGEEX_SYSTEM,
        distinguish=_is_named("codegeex4"),
        context=131072,
    ),
    _roles(
        "glm4-original",
        "GLM-4-9B",
        FusedGlm(),
        "families.licence.glm4",
        tools=_GLM4_TOOLS,
        distinguish=_is_original_glm4,
        context=131072,  # the file says 512
    ),
    _roles(
        "chatglm3",
        "ChatGLM3-6B",
        FusedGlm(),
        "families.licence.chatglm",
        tools=_GLM3_TOOLS,
        distinguish=_is_chatglm3,
        separate_prefix_width=True,
    ),
    Family(
        name="chatglm2",
        title="ChatGLM2-6B",
        architecture=FusedGlm(),
        distinguish=_is_chatglm2,
        encode_prompt=_chatglm2_prompts[0],
        encode_example=_chatglm2_prompts[1],
        separate_answers=True,
        sampling={"temperature": 0.8, "top_p": 0.8},
        separate_prefix_width=True,
        licence="families.licence.chatglm",
    ),
    _templated(
        "glm-edge",
        "GLM-Edge",
        Glm(),
        "families.licence.glm4",
        distinguish=_is_edge,
        sampling={"temperature": 0.8, "top_p": 0.8},
    ),
    _templated(
        "glm-z1",
        "GLM-Z1",
        Glm4(),
        "families.licence.mit",
        distinguish=_is_named("glm-z1"),
        commercial=True,
        sampling={"temperature": 0.6, "top_p": 0.95},
    ),
    _roles("glm", "GLM-4-9B-hf", Glm(), "families.licence.glm4", tools=_GLM4_TOOLS),
    _roles("glm4", "GLM-4-0414", Glm4(), "families.licence.mit", tools=_GLM4_TOOLS, commercial=True),
    _bloom("bloomz", "BLOOMZ", chat_formats.plain_text, _USUAL, distinguish=_is_named("bloomz")),
    _bloom("bloom-medical", "BLOOM (Huatuo)", chat_formats.medical_text, _BELLE, distinguish=_is_named("huatuo")),
    _bloom("belle", "BLOOM (BELLE)", chat_formats.human_text, _BELLE, distinguish=_is_named("belle")),
    _bloom("bloom", "BLOOM", chat_formats.human_text, _USUAL),
    *(
        _templated(kind, title, CausalLM(kind), "families.licence.own", sampling=_USUAL)
        for kind, title in _CAUSAL.items()
    ),
]


def register(family: Family) -> None:
    """Add `family` in front of the published ones, or put it in the place of one of its name."""
    FAMILIES[:] = [family, *(known for known in FAMILIES if known.name != family.name)]


def find(config: dict) -> Family | None:
    """Return the first family that recognizes `config`.

    An export in transformers' layout names the family it comes from in `easyaigc_family`: prompts and stops are that
    family's, the network is the one that the layout has.
    """
    found = next((family for family in FAMILIES if family.recognize(config)), None)
    named = next((family for family in FAMILIES if family.name == config.get("easyaigc_family")), None)
    return replace(named, architecture=found.architecture) if found and named else found
