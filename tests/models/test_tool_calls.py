"""Tools: rendered as the library renders them, learned where the assistant speaks, read from answers; refused where a template has none."""

import json
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from glm_core.models import ModelError, load_tokenizer
from glm_core.models.call_formats import Call
from glm_core.models.chat_templates import ChatTemplate
from glm_core.models.template_format import template_calls
from glm_core.models.tool_calls import CallReader
from glm_core.models.tool_messages import with_tools
from tests.families import family_named
from tests.models.bytelevel import write_tokenizer

TEMPLATES = Path(__file__).with_name("templates")
SPECIAL = {
    "qwen3": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
    "llama31": ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    "mistral": ["<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"]
    + ["[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"],
    "glm4-0414": ["<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"],
    "granite": ["<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>", "<|tool_call|>"],
}
GRANITE = (
    "{%- if tools %}<|start_of_role|>tools<|end_of_role|>{{ tools | tojson(indent=4) }}<|end_of_text|>\n{% endif %}"
    "{%- for m in messages %}<|start_of_role|>{{ m.role }}<|end_of_role|>{{ m.content }}"
    "{%- if m.tool_calls %}<|tool_call|>[{% for c in m.tool_calls %}{{ c.function | tojson }}"
    "{% if not loop.last %}, {% endif %}{% endfor %}]{% endif %}<|end_of_text|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"
)
STARTS = {"llama31": "<|begin_of_text|>", "mistral": "<s>"}
ENDS = {"qwen3": "<|im_end|>", "llama31": "<|eot_id|>", "mistral": "</s>", "granite": "<|end_of_text|>"}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "天气", "parameters": PARAMETERS}},
    {"type": "function", "function": {"name": "clock", "description": "time", "parameters": {"type": "object"}}},
]
CALLED = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "北京"}}}
TURNS = [
    {"role": "user", "content": "hello 北京?"},
    {"role": "assistant", "content": "", "tool_calls": [CALLED]},
    {"role": "tool", "content": "sunny 30"},
    {"role": "assistant", "content": "hello world"},
]
ROW = with_tools(TURNS, TOOLS)
NAMES = {"get_weather": PARAMETERS, "clock": {"type": "object"}}
everywhere = pytest.mark.parametrize("name", list(SPECIAL))


def source_of(name):
    return GRANITE if name == "granite" else (TEMPLATES / f"{name}.jinja").read_text("utf-8").rstrip("\n")


@pytest.fixture
def tokenizer(name, tmp_path):
    """A tokenizer with the control tokens and the template of one model."""
    folder = write_tokenizer(tmp_path / name, SPECIAL[name], ENDS.get(name, "<|endoftext|>"), SPECIAL[name][0])
    (folder / "chat_template.jinja").write_text(source_of(name), encoding="utf-8")
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    settings |= {"bos_token": STARTS[name]} if name in STARTS else {}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return load_tokenizer(folder)


@pytest.fixture
def theirs(name, tmp_path, tokenizer):
    tokens = {"bos_token": STARTS.get(name), "eos_token": ENDS.get(name, "<|endoftext|>")}
    found = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / name / "tokenizer.json"), **tokens)
    found.chat_template = source_of(name)
    return found


def in_form_of(name, messages):
    """Messages as a user of the library has to write them for this template."""
    if name != "glm4-0414":
        spelled = []
        for one in messages:
            if one.get("tool_calls"):
                one = one | {"tool_calls": [one["tool_calls"][0] | {"id": "call00001"}]}
            spelled.append(one | {"tool_call_id": "call00001"} if one["role"] == "tool" else one)
        return spelled
    call = {"role": "assistant", "metadata": "get_weather", "content": '{"city": "北京"}'}
    return [messages[0], call, {"role": "observation", "content": "sunny 30"}, *messages[3:]]


@everywhere
def test_a_prompt_with_tools_is_that_of_apply_chat_template(name, tokenizer, theirs):
    family = family_named("glm4" if name == "glm4-0414" else "llama")
    for length in (1, 3):
        asked = with_tools(TURNS[:length], TOOLS)
        expected = theirs.apply_chat_template(
            in_form_of(name, TURNS)[:length], tools=TOOLS, add_generation_prompt=True, tokenize=False
        )
        ids = theirs(expected, add_special_tokens=False)["input_ids"]
        assert family.prompt(tokenizer, asked) == ids
        assert "get_weather" in expected and tokenizer.decode(ids)


@everywhere
def test_calls_and_answers_are_learned_and_nothing_else(name, tokenizer):
    family = family_named("glm4" if name == "glm4-0414" else "llama")
    learned = []
    for upto in (2, 4):  # each answer on its own, which holds for templates that think too
        ids, labels, cut = family.encode_example(tokenizer, ROW[:upto], 4000, 4000)
        assert not cut
        runs, before = [], False
        for token, label in zip(ids, labels, strict=True):
            assert label in (-100, token)
            if label != -100:
                runs = [*runs, []] if not before else runs
                runs[-1].append(token)
            before = label != -100
        learned.append([tokenizer.decode(run).strip() for run in runs])
        assert ids[-1] in family.stop_ids(tokenizer)
    call, answer = learned[0][-1], learned[-1][-1]
    assert template_calls(tokenizer).read(call, NAMES) == [Call("get_weather", '{"city": "北京"}')]
    if name == "glm4-0414":  # no end of its own: the next role tells where to stop
        ids, labels, _ = family.encode_example(tokenizer, ROW, 4000, 4000)
        assert tokenizer.controls["<|observation|>"] in labels
    assert answer.endswith("hello world") and "sunny" not in "".join(learned[-1]) and "天气" not in "".join(learned[-1])
    if name != "qwen3":
        assert learned[-1] == [call, answer]


@everywhere
@pytest.mark.parametrize("size", [1, 7])
def test_calls_are_read_from_a_growing_answer(name, tokenizer, size):
    ids, labels, _ = family_named("llama").encode_example(tokenizer, ROW[:2], 4000, 4000)
    written = tokenizer.decode([one for one in labels if one != -100])
    for before in ("", "Let me look.\n") if template_calls(tokenizer).opening else ("",):
        reader, text = CallReader(template_calls(tokenizer), NAMES), before + written
        shown = "".join([reader.push(text[at : at + size]) for at in range(0, len(text), size)]) + reader.finish()
        assert reader.calls == [Call("get_weather", '{"city": "北京"}')]
        assert shown.replace("<think>\n\n</think>", "").strip() == before.strip()


@everywhere
@pytest.mark.parametrize("text", ["hello world", "get_weather is a tool", '{"a": 1}', "[1, 2]", "<tool_call>\n{broken"])
def test_an_answer_that_is_no_call_is_shown_whole(name, tokenizer, text):
    reader = CallReader(template_calls(tokenizer), NAMES)
    shown = "".join([reader.push(letter) for letter in text]) + reader.finish()
    assert shown == text and reader.calls == []


@pytest.mark.parametrize("family, call", [("chatglm3", "python"), ("glm4-original", "json")])
def test_glm_writes_tools_by_its_own_roles(family, call):
    names = ["[gMASK]", "sop", "<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]

    class Letters:
        controls = {name: 1000 + place for place, name in enumerate(names)}
        chat_template, eos_token_id, gmask_token_id, bos_token_id = None, 999, 1000, 1001

        def encode(self, text):
            return [ord(letter) for letter in text]

    def written(ids):
        spelled = {number: name for name, number in Letters.controls.items()} | {999: "<end>"}
        return "".join(spelled.get(one) or chr(one) for one in ids if one != -100)

    kind = family_named(family)
    body = "```python\ntool_call(city='北京')\n```" if call == "python" else '{"city": "北京"}'
    text = written(kind.prompt(Letters(), ROW[:3]))
    assert text.endswith(f"<|user|>\nhello 北京?<|assistant|>get_weather\n{body}<|observation|>\nsunny 30<|assistant|>")
    assert text.startswith("[gMASK]sop<|system|>\n") and '"name": "get_weather"' in text
    _, labels, _ = kind.encode_example(Letters(), ROW, 4000, 4000)
    assert written(labels) == f"get_weather\n{body}<|observation|>\nhello world<end>"
    reader = CallReader(kind.call_format(Letters()), NAMES)
    assert reader.push(f"get_weather\n{body}") + reader.finish() == ""
    assert reader.calls == [Call("get_weather", '{"city": "北京"}')]


@pytest.mark.parametrize("name", ["gemma2", "smollm3"])
def test_a_template_without_tools_refuses_them_by_name(name):
    template = ChatTemplate(source_of(name), {"bos_token": "<s>"})
    with pytest.raises(ModelError) as caught:
        template.prompt(ROW[:1])
    assert caught.value.key == "models.template_no_tools" and template.tool_style is None


TAGGED = {
    "glm-4.5": ("\n<tool_call>", "\n<arg_key>{0}</arg_key>\n<arg_value>{1}</arg_value>", "\n</tool_call>", ""),
    "glm-4.7": ("<tool_call>", "<arg_key>{0}</arg_key><arg_value>{1}</arg_value>", "</tool_call>", ""),
    "qwen3-coder": (
        "\n<tool_call>\n<function=",
        "<parameter={0}>\n{1}\n</parameter>\n",
        "</function>\n</tool_call>",
        ">\n",
    ),
}
"Of each model what stands before a name, around an argument, behind all of them, and behind the name."
TYPED = {
    "get_weather": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "zip": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "units": {"type": "array", "items": {"type": "string"}},
            "hourly": {"type": "boolean"},
        },
    },
    "clock": {"type": "object", "properties": {}},
}


def tagged_template(name):
    before, argument, behind, named = TAGGED[name]
    value = "' + (v if v is string else v | tojson) + '"
    written = argument.format("' + k + '", value).replace("\n", "\\n")
    call = f"{{{{ '{before}' + c.function.name + '{named}' }}}}".replace("\n", "\\n")
    each = "{% for k, v in c.function.arguments.items() %}{{ '" + written + "' }}{% endfor %}"
    end = "{{ '" + behind.replace("\n", "\\n") + "' }}"
    return (
        "{% for t in tools or [] %}{{ t | tojson }}{% endfor %}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
        "{% for c in m.tool_calls or [] %}" + call + each + end + "{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )


def tagged_call(name, function, **arguments):
    before, argument, behind, named = TAGGED[name]
    return before + function + named + "".join(argument.format(*one) for one in arguments.items()) + behind


@pytest.mark.parametrize("size", [1, 9, 400])
@pytest.mark.parametrize("name", list(TAGGED))
def test_arguments_between_tags_are_read_by_their_schema_and_told_one_by_one(name, size):
    format = ChatTemplate(tagged_template(name), {}).tool_style.format
    given = {"city": '北"京\n</x>', "days": "3", "zip": "10", "units": '["C", "F"]', "hourly": "True"}
    text = "Let me look." + tagged_call(name, "get_weather", **given) + tagged_call(name, "clock")
    reader, told = CallReader(format, TYPED), []
    shown = ""
    for at in range(0, len(text), size):
        shown += reader.push(text[at : at + size])
        told.append(reader.told[0].arguments if reader.told else "")
    assert shown + reader.finish() == "Let me look."
    wanted = {"city": given["city"], "days": 3, "zip": "10", "units": ["C", "F"], "hourly": True}
    assert [(one.name, json.loads(one.arguments)) for one in reader.calls] == [("get_weather", wanted), ("clock", {})]
    assert reader.told == reader.calls
    assert all(after.startswith(before) for before, after in zip(told, told[1:], strict=False))
    assert size > 1 or len(set(told)) > len(given)


@pytest.mark.parametrize("name", list(TAGGED))
def test_a_call_between_tags_that_is_cut_is_text(name):
    format = ChatTemplate(tagged_template(name), {}).tool_style.format
    text = tagged_call(name, "get_weather", city="北京").strip()[:-3]
    reader = CallReader(format, TYPED)
    assert reader.push(text) + reader.finish() == text and reader.calls == []


@everywhere
def test_arguments_of_json_are_told_as_they_grow(name, tokenizer):
    ids, labels, _ = family_named("llama").encode_example(tokenizer, ROW[:2], 4000, 4000)
    written = tokenizer.decode([one for one in labels if one != -100])
    reader, told = CallReader(template_calls(tokenizer), NAMES), []
    for letter in written:
        reader.push(letter)
        told += [one.arguments for one in reader.told]
    reader.finish()
    assert all(after.startswith(before) for before, after in zip(told, told[1:], strict=False))
    assert len(set(told)) > 10 and json.loads(reader.told[0].arguments) == {"city": "北京"}
