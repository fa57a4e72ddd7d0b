"""Every architecture answers in mixed batches as alone: Glm (ChatGLM2/3, GLM-4), Glm4 and BLOOM beside ChatGLM-6B."""

from pathlib import Path

import pytest
import torch
from transformers import BloomConfig, BloomForCausalLM, Glm4Config, Glm4ForCausalLM, GlmConfig, GlmForCausalLM

from glm_core.adapters import attach
from glm_core.models import LoadedModel
from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig
from glm_core.models.architectures.chatglm.modeling import ChatGLMForConditionalGeneration
from glm_core.models.tokenizers.sentencepiece_model import V3_CONTROLS
from glm_core.models.tokenizers.tokenizer import Tokenizer
from glm_core.serving.base import LoadedBase
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session
from glm_core.training.settings import TrainingSettings
from tests.families import family_named
from tests.tiny import randomize

QUESTIONS = ("你好", "short", "一个长得多的问题，好让各行的填充不一样，而且还要再长一点。")
SIZES = {"vocab_size": 288, "hidden_size": 64, "pad_token_id": 3, "eos_token_id": 2, "bos_token_id": 1}
GLM = {
    **SIZES,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
CHATGLM = {
    **SIZES,
    "num_layers": 3,
    "num_attention_heads": 4,
    "inner_hidden_size": 96,
    "gmask_token_id": 266 + V3_CONTROLS.index("[gMASK]"),
    "mask_token_id": 266 + V3_CONTROLS.index("[MASK]"),
    "bos_token_id": 266 + V3_CONTROLS.index("sop"),
}
MODELS = {
    "chatglm": lambda: ChatGLMForConditionalGeneration(ChatGLMConfig(**CHATGLM)),
    "chatglm2": lambda: GlmForCausalLM(GlmConfig(**GLM)),
    "chatglm3": lambda: GlmForCausalLM(GlmConfig(**GLM)),
    "glm4": lambda: Glm4ForCausalLM(Glm4Config(**GLM)),
    "bloom": lambda: BloomForCausalLM(BloomConfig(**SIZES, n_layer=3, n_head=4)),
}


class Bytes(Tokenizer):
    """Ids 10 to 265 are the bytes; the controls of ChatGLM3 follow."""

    controls = {name: 266 + number for number, name in enumerate(V3_CONTROLS)}
    pad_token_id, eos_token_id, vocab_size = 3, 2, 288

    def encode(self, text):
        return [10 + byte for byte in text.encode()]

    def piece_bytes(self, token):
        return bytes([token - 10]) if 10 <= token < 266 else b""


def load(name: str) -> LoadedModel:
    model = MODELS[name]()
    randomize(model, 2)
    return LoadedModel(model.eval(), Bytes(), family_named(name), Path("nowhere"), name)


def adapt(name: str, folder) -> list[ServedModel]:
    """The base, two LoRA and a prefix with random weights."""
    choices = [ServedModel(name, name, folder)]
    targets = "query_key_value" if name == "bloom" else ""
    several = {
        "lora": TrainingSettings(lora_rank=4, lora_targets=targets),
        "lora-all": TrainingSettings(lora_rank=8, lora_targets="all-linear"),
        "prefix": TrainingSettings(method="ptuning", prefix_length=5, learning_rate=2e-2),
    }
    for number, (slot, settings) in enumerate(several.items()):
        loaded = load(name)
        attach.attach(loaded, settings, slot)
        torch.manual_seed(number)
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.data += (0.9 if slot == "prefix" and name == "chatglm" else 0.3) * torch.randn_like(parameter)
        attach.save(loaded, folder / slot, {"step": 1}, slot)
        choices.append(ServedModel(slot, slot, folder, folder / slot, 1))
    return choices


def begin(session, choice, question, tokens=16):
    handle = RequestHandle(
        Request([{"role": "user", "content": question}], choice.name, max_new_tokens=tokens, temperature=0.0), choice
    )
    session.begin(handle)
    return handle


def finish(session):
    while session.rows:
        session.step()


@pytest.mark.parametrize("name", list(MODELS))
def test_mixed_rows_answer_as_if_alone(name, tmp_path):
    session = Session(load(name), LoadedBase(name, tmp_path, name, 512, {}, 0.0))
    choices = adapt(name, tmp_path)
    alone = {}
    for choice in choices:
        for question in QUESTIONS:
            alone[choice.name, question] = begin(session, choice, question)
            finish(session)
    texts = {key: handle.text for key, handle in alone.items()}
    assert len(set(texts.values())) > 3 * len(texts) // 4, "answers must depend on the adapter and on the question"
    together = {}
    for choice in choices:
        for question in QUESTIONS:
            together[choice.name, question] = begin(session, choice, question)
            session.step()
            session.step()
    finish(session)
    assert {key: handle.text for key, handle in together.items()} == texts


@pytest.mark.parametrize("name", list(MODELS))
def test_prompts_computed_in_one_forward_answer_as_if_alone(name, tmp_path):
    session = Session(load(name), LoadedBase(name, tmp_path, name, 512, {}, 0.0))
    choices, handles, alone = adapt(name, tmp_path), [], []
    for choice in choices:
        for question in QUESTIONS:
            alone.append(begin(session, choice, question))
            finish(session)
    begin(session, choices[1], "already running", 40)
    for limit in (16, 1):  # an answer of one token ends in the forward that the others go on from
        for choice in choices:
            for question in QUESTIONS:
                messages = [{"role": "user", "content": question}]
                handles.append(
                    RequestHandle(Request(messages, choice.name, max_new_tokens=limit, temperature=0.0), choice)
                )
    for handle in handles:
        session.prepare(handle)
    session.join(session.prepared)
    finish(session)
    assert [handle.text for handle in handles[: len(alone)]] == [handle.text for handle in alone]
    assert {handle.completion_tokens for handle in handles[len(alone) :]} == {1}


@pytest.mark.parametrize("name", list(MODELS))
def test_a_prefix_acts_at_every_strength_beside_other_rows(name, tmp_path):
    session = Session(load(name), LoadedBase(name, tmp_path, name, 512, {}, 0.0))
    base, lora, _, prefix = adapt(name, tmp_path)

    def begin_at(choice, strength, question):
        messages = [{"role": "user", "content": question}]
        handle = RequestHandle(
            Request(messages, choice.name, max_new_tokens=16, temperature=0.0, strength=strength), choice
        )
        session.begin(handle)
        return handle

    wanted = [
        (choice, strength, q)
        for choice, strength in ((prefix, 0.0), (prefix, 0.5), (prefix, 1.0), (base, 1.0), (lora, 0.5))
        for q in QUESTIONS
    ]
    alone = []
    for one in wanted:
        alone.append(begin_at(*one))
        finish(session)
    texts = [[handle.text for handle in alone[start : start + 3]] for start in range(0, 15, 3)]
    assert texts[0] == texts[3] and texts[1] not in (texts[0], texts[2]) and texts[2] != texts[0]
    together = []
    for one in wanted:
        together.append(begin_at(*one))
        session.step()
    finish(session)
    assert [handle.text for handle in together] == [handle.text for handle in alone]


def test_prompts_of_like_length_are_computed_together(tmp_path):
    session = Session(load("chatglm3"), LoadedBase("chatglm3", tmp_path, "chatglm3", 8192, {}, 0.0))
    choice, widths = ServedModel("chatglm3", "chatglm3", tmp_path), (3, 400, 4, 5, 420, 1500)
    for width in widths:
        session.prepare(RequestHandle(Request([{"role": "user", "content": "x" * width}], max_new_tokens=1), choice))
    rows, groups = session.prepared, []
    while group := session.next_group():
        groups.append(sorted(rows.index(row) for row in group))
        session.join(group)
    assert sorted(groups) == [[0, 2, 3], [1, 4], [5]]


@pytest.mark.parametrize("name", list(MODELS))
def test_one_answer_is_that_of_generate(name, tmp_path):
    loaded = load(name)
    session = Session(loaded, LoadedBase(name, tmp_path, name, 512, {}, 0.0))
    for question in QUESTIONS:
        handle = begin(session, ServedModel(name, name, tmp_path), question)
        finish(session)
        ids = loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": question}])
        with torch.inference_mode():
            output = loaded.model.generate(
                torch.tensor([ids]),
                max_new_tokens=16,
                do_sample=False,
                eos_token_id=loaded.family.stop_ids(loaded.tokenizer),
                pad_token_id=3,
            )[0, len(ids) :].tolist()
        assert handle.text == loaded.family.clean(loaded.tokenizer.decode(output))


@pytest.mark.parametrize("name", list(MODELS))
def test_an_answer_goes_on_from_its_beginning_as_the_model_itself_would(name, tmp_path):
    loaded = load(name)
    session = Session(loaded, LoadedBase(name, tmp_path, name, 512, {}, 0.0))
    messages, beginning = [{"role": "user", "content": "你好"}], "Well, then"
    handles = []
    for start in (beginning, ""):
        request = Request(messages, name, max_new_tokens=16, temperature=0.0, beginning=start)
        handles.append(RequestHandle(request, ServedModel(name, name, tmp_path)))
        session.begin(handles[-1])  # side by side with one that begins anew
    finish(session)
    learned = loaded.family.encode_example(
        loaded.tokenizer, [*messages, {"role": "assistant", "content": beginning}], 512, 512
    )
    ids = torch.tensor([learned[0][:-1]])
    stops = loaded.family.stop_ids(loaded.tokenizer)
    with torch.inference_mode():
        whole = loaded.model.generate(ids, max_new_tokens=16, do_sample=False, eos_token_id=stops, pad_token_id=3)[0]
    going_on = loaded.tokenizer.decode(whole[ids.shape[1] :].tolist())
    assert handles[0].text == loaded.family.clean(beginning + going_on)
    assert not handles[1].text.startswith(beginning) and handles[0].text.startswith(beginning)
    assert handles[0].prompt_tokens > handles[1].prompt_tokens + len(beginning) - 1
