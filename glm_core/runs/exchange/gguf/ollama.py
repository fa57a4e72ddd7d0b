"""A Modelfile for Ollama, and the commands for llama.cpp, Ollama and LM Studio that a GGUF file's card has."""

from pathlib import Path

from glm_core import workspace
from glm_core.i18n import t
from glm_core.models import ModelError, describe, load_tokenizer
from glm_core.models.registry import CODEGEEX_SYSTEM
from glm_core.runs.exchange.gguf import turn_formats
from glm_core.runs.exchange.gguf.turn_formats import TurnFormat
from glm_core.runs.exchange.gguf.vocabulary import PLAIN_WORDS

ROLES = "[gMASK]<sop>{{ range .Messages }}<|{{ .Role }}|>\n%s{{ .Content }}{{ end }}<|assistant|>"
ROUNDS = TurnFormat(("[Round 1]\n\n问：", "\n\n答："), ("", "\n\n"), joint="\n", start="[gMASK]<sop>")
COUNTED = '{{ $rounds = print $rounds "1" }}[Round {{ len $rounds }}]'
HUMAN = TurnFormat(("Human: \n", "\n\nAssistant: \n"), ("", "\n\n"), joint="\n")
MEDICAL = "下面是一个问题，运用医学知识来正确回答提问.\n"
TEMPLATES = {  # by family; Ollama's templates are Go's, so the Jinja ones cannot be used
    "chatglm2": '{{ $rounds := "" }}' + ROUNDS.go_template().replace("[Round 1]", COUNTED),
    "chatglm3": ROLES % " ",
    "glm4-original": ROLES % "",
    "glm": ROLES % "",
    "glm4": ROLES % "",
    "codegeex4": ROLES % "",
    "belle": HUMAN.go_template(),
    "bloom": HUMAN.go_template(),
    "bloomz": TurnFormat(("", "\n"), ("", "\n"), joint="\n").go_template(),
    "bloom-medical": TurnFormat(("### 问题:\n", "\n### 回答:\n"), ("", "\n"), joint="\n", start=MEDICAL).go_template(),
}
FORMATS = {
    "question": "Question: {{ if .System }}{{ .System }}\n{{ end }}{{ .Prompt }}\nAnswer:{{ .Response }}\n",
    "chatml": "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}"
    "<|im_start|>user\n{{ .Prompt }}<|im_end|>\n<|im_start|>assistant\n{{ .Response }}<|im_end|>\n",
    "alpaca": "{{ if .System }}{{ .System }}\n\n{{ end }}### Instruction:\n{{ .Prompt }}\n\n### Response:\n{{ .Response }}\n\n",
    "human": "{{ if .System }}{{ .System }}\n\n{{ end }}Human: {{ .Prompt }}\n\nAssistant:\n{{ .Response }}\n\n",
}
"Of the chat formats that a model without one can be trained in."
OPTIONS = {"temperature": "temperature", "top_p": "top_p", "top_k": "top_k", "repetition_penalty": "repeat_penalty"}


def write(folder: Path, file: str, base: Path, chat_format: str = "question") -> None:
    """Write `Modelfile` for the GGUF `file` in `folder`; `chat_format` as of `modelfile`."""
    workspace.write_atomic(folder / "Modelfile", modelfile(file, base, chat_format))


def commands(file: str) -> str:
    """Return the commands that open the GGUF `file`, in Markdown."""
    return t("gguf.commands", file=file, name=Path(file).stem.lower())


def write_adapter(folder: Path, file: str, base: Path, chat_format: str) -> None:
    """Write `Modelfile` for the GGUF adapter `file` in `folder`; the base's own file is the user's."""
    lines = modelfile(_base_file(base), base, chat_format).splitlines()
    lines.insert(1, f"ADAPTER ./{file}")
    workspace.write_atomic(folder / "Modelfile", "\n".join(lines) + "\n")


def adapter_commands(file: str, base: Path) -> str:
    """Return the commands that open the GGUF adapter `file` with the file of its base, in Markdown."""
    return t("gguf.adapter_commands", file=file, base=_base_file(base), name=Path(file).stem.lower())


def _base_file(base: Path) -> str:
    return f"{base.name}-F16.gguf"


def modelfile(file: str, base: Path, chat_format: str = "question") -> str:
    """Return the Modelfile: the file, the family's prompt, its stops and sampling defaults.

    Args:
        chat_format: that a base without one was trained in.
    """
    family = describe(base).family
    template, system = _template(base, chat_format)
    lines = [f"FROM ./{file}", f'TEMPLATE """{template}"""' if template else f"# {t('gguf.no_template')}"]
    if system:
        lines.append(f'SYSTEM """{system}"""')
    lines += [f'PARAMETER stop "{stop}"' for stop in stops(base)]
    lines += [f"PARAMETER {OPTIONS[key]} {value:g}" for key, value in family.sampling.items() if key in OPTIONS]
    return "\n".join(lines) + "\n"


def _template(base: Path, chat_format: str) -> tuple[str, str]:
    """Return Ollama's template, empty where the base has one that none here stands for, and the system message of its own."""
    family = describe(base).family
    if family.name in TEMPLATES:
        return TEMPLATES[family.name], CODEGEEX_SYSTEM if family.name == "codegeex4" else ""
    try:
        tokenizer = load_tokenizer(base)
    except ModelError:
        return "", ""
    if tokenizer.chat_template is None:
        return FORMATS.get(chat_format, "") if family.templated else "", ""
    found = turn_formats.find(tokenizer)
    return (found[0].go_template(), found[1]) if found else ("", "")


def stops(base: Path) -> list[str]:
    """Return the control tokens that end an answer, as they are spelled in the file."""
    try:
        tokenizer = load_tokenizer(base)
    except ModelError:
        return []
    names = {index: PLAIN_WORDS.get(name, name) for name, index in tokenizer.controls.items()}
    return [names[index] for index in describe(base).family.stop_ids(tokenizer) if index in names]
