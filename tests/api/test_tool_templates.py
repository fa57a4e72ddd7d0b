"""Tools through the API on a model whose chat template has them: told in it, and its own calls come back parsed."""

import json

import pytest
import torch
from openai import OpenAI
from safetensors.torch import save_file

from glm_core import models
from glm_core.models.tool_messages import with_tools
from tests.models.decoders import write_decoder

TOOL = {
    "type": "function",
    "function": {"name": "clock", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}},
}
CALLS = [
    {"type": "function", "function": {"name": "clock", "arguments": {"zone": zone}}} for zone in ("hello", "world")
]
TURNS = [
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "", "tool_calls": CALLS},
    {"role": "tool", "content": "12:00"},
    {"role": "tool", "content": "13:00"},
    {"role": "assistant", "content": "noon"},
]
TEMPLATE = (
    "{% for t in tools or [] %}{{ t.function.name }}{% endfor %}{% for m in messages %}<|im_start|>{{ m.role[0] }}"
    "{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}<|im_end|>"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>a{% endif %}"
)
GREEDY = {"model": "caller", "temperature": 0, "max_tokens": 180}


@pytest.fixture(scope="module")
def caller(tmp_path_factory):
    """A tiny model that has learned two calls and one answer by heart."""
    folder = write_decoder(tmp_path_factory.mktemp("bases") / "caller", "llama")
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")
    loaded = models.load(folder)
    ids, labels, _ = loaded.family.encode_example(loaded.tokenizer, with_tools(TURNS, [TOOL]), 400, 400)
    ids, labels = torch.tensor([ids]), torch.tensor([labels])
    torch.manual_seed(0)
    for weight in loaded.model.parameters():
        weight.data = torch.randn_like(weight) * 0.05 if weight.dim() > 1 else torch.ones_like(weight)
    optimizer = torch.optim.AdamW(loaded.model.train().parameters(), lr=5e-3)
    for _ in range(250):
        loss = loaded.model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss.item() < 0.002:
            break
    state = {name: tensor.detach().contiguous() for name, tensor in loaded.model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def client(caller, workspace, shared_engine, server):
    (workspace / "models").mkdir(parents=True)
    (workspace / "models" / "caller").symlink_to(caller)
    return OpenAI(base_url=f"{server}/v1", api_key="-", max_retries=0)


def test_calls_of_the_model_come_back_parsed(client):
    answer = client.chat.completions.create(messages=TURNS[:1], tools=[TOOL], **GREEDY).choices[0]
    assert answer.finish_reason == "tool_calls" and answer.message.content is None
    found = [(call.function.name, json.loads(call.function.arguments)) for call in answer.message.tool_calls]
    assert found == [("clock", {"zone": "hello"}), ("clock", {"zone": "world"})]
    assert len({call.id for call in answer.message.tool_calls}) == 2
    single = client.chat.completions.create(messages=TURNS[:1], tools=[TOOL], parallel_tool_calls=False, **GREEDY)
    assert len(single.choices[0].message.tool_calls) == 1


def test_streamed_calls_come_in_pieces_that_make_them_whole(client):
    named, arguments, text, pieces = {}, {}, "", 0
    for chunk in client.chat.completions.create(messages=TURNS[:1], tools=[TOOL], stream=True, **GREEDY):
        delta, reason = chunk.choices[0].delta, chunk.choices[0].finish_reason
        text += delta.content or ""
        for call in delta.tool_calls or []:
            named[call.index] = named.get(call.index) or call.function.name
            pieces += bool(call.function.arguments)
            arguments[call.index] = arguments.get(call.index, "") + (call.function.arguments or "")
    assert reason == "tool_calls" and text == "" and named == {0: "clock", 1: "clock"} and pieces > 6
    assert [json.loads(one) for one in arguments.values()] == [{"zone": "hello"}, {"zone": "world"}]


def test_the_results_are_told_in_the_template_and_answered(client):
    spelled = [
        {"id": f"c{place}", "type": "function", "function": {"name": "clock", "arguments": json.dumps(one)}}
        for place, one in enumerate([{"zone": "hello"}, {"zone": "world"}])
    ]
    messages = [TURNS[0], {"role": "assistant", "content": None, "tool_calls": spelled}]
    messages += [{**TURNS[2 + place], "tool_call_id": f"c{place}"} for place in range(2)]
    answer = client.chat.completions.create(messages=messages, tools=[TOOL], **GREEDY).choices[0]
    assert answer.message.content == "noon" and not answer.message.tool_calls and answer.finish_reason == "stop"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "clock"}}])
def test_a_call_can_be_forced_all_the_same(client, choice):
    asked = {"messages": [{"role": "user", "content": "noon"}], "tools": [TOOL], "tool_choice": choice}
    message = client.chat.completions.create(**asked, **GREEDY).choices[0].message
    assert message.tool_calls[0].function.name == "clock" and json.loads(message.tool_calls[0].function.arguments)


def test_without_tools_none_are_told(client):
    plain = client.chat.completions.create(messages=TURNS[:1], **GREEDY)
    told = client.chat.completions.create(messages=TURNS[:1], tools=[TOOL], tool_choice="none", **GREEDY)
    assert plain.usage.prompt_tokens == told.usage.prompt_tokens and not told.choices[0].message.tool_calls


FLAT = {"type": "function", **TOOL["function"]}
NEWER = {"model": "caller", "temperature": 0, "max_output_tokens": 180}


def test_calls_in_the_newer_form_are_items_and_their_results_are_answered(client):
    first = client.responses.create(input="hello", tools=[FLAT], **NEWER)
    assert [item.type for item in first.output] == ["function_call"] * 2 and first.status == "completed"
    assert [json.loads(item.arguments) for item in first.output] == [{"zone": "hello"}, {"zone": "world"}]
    assert len({item.call_id for item in first.output}) == 2
    single = client.responses.create(input="hello", tools=[FLAT], parallel_tool_calls=False, **NEWER)
    assert len(single.output) == 1
    told = [{"role": "user", "content": "hello"}, *first.output]
    for item, text in zip(first.output, ("12:00", "13:00"), strict=True):
        told.append({"type": "function_call_output", "call_id": item.call_id, "output": text})
    assert client.responses.create(input=told, tools=[FLAT], **NEWER).output_text == "noon"


def test_streamed_calls_in_the_newer_form_are_numbered_and_come_in_pieces(client):
    with client.responses.stream(input="hello", tools=[FLAT], **NEWER) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    added = [event for event in events if event.type == "response.output_item.added"]
    ended = [event for event in events if event.type == "response.output_item.done"]
    whole = [event for event in events if event.type == "response.function_call_arguments.done"]
    assert [event.output_index for event in (*added, *ended, *whole)] == [0, 1] * 3
    assert [event.item.arguments for event in added] == ["", ""]
    for index, item in enumerate(final.output):
        pieces = [
            event.delta
            for event in events
            if event.type == "response.function_call_arguments.delta" and event.output_index == index
        ]
        assert len(pieces) > 3 and "".join(pieces) == whole[index].arguments == item.arguments
        assert {whole[index].item_id, added[index].item.id, ended[index].item.id} == {item.id}
        assert ended[index].item.call_id == item.call_id and item.status == "completed"
    assert json.loads(final.output[1].arguments) == {"zone": "world"}


@pytest.mark.parametrize("most", range(20, 60, 8))
def test_a_call_that_is_cut_off_is_not_said_to_be_whole(client, most):
    *_, last = client.responses.create(input="hello", tools=[FLAT], stream=True, **NEWER | {"max_output_tokens": most})
    assert last.type == "response.incomplete"
    calls = [item for item in last.response.output if item.type == "function_call"]
    for item in calls:
        assert (item.status == "completed") is item.arguments.endswith("}")
    assert last.response.output[-1].status == "incomplete"
