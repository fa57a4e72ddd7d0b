"""Families: recognized by their published files, prompted and taught as the published code does it."""

import json
import subprocess
import sys

import pytest

from glm_core import i18n, models
from glm_core.models import ModelError, chat_formats, load_tokenizer, registry
from tests.families import family_named
from tests.golden import GOLDEN, TOKENIZERS, needs_golden, needs_tokenizers
from tests.models.bytelevel import write_tokenizer
from tests.tiny import tiny_chatglm

HISTORY = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": "b"},
    {"role": "user", "content": "你好"},
]
GLM = {
    "vocab_size": 300,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
}
BLOOM = {"model_type": "bloom", "vocab_size": 300, "hidden_size": 64, "n_layer": 2, "n_head": 4}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return load_tokenizer(tiny_chatglm(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bytes")
    roles = ["<|system|>", "<|user|>", "<|assistant|>", "<|observation|>"]
    return load_tokenizer(write_tokenizer(folder, ["<pad>", "</s>", "[gMASK]", "<sop>", *roles]))


def tokenizer_of(name: str):
    return load_tokenizer(TOKENIZERS / name)


@needs_tokenizers
@pytest.mark.parametrize(
    "folder, family, parameters, context",
    [
        ("chatglm-6b", "chatglm", 6_173_286_400, 2048),
        ("chatglm-6b-int4", "chatglm", 6_173_286_400, 2048),
        ("chatglm2-6b", "chatglm2", 6_243_584_000, 32768),
        ("chatglm3-6b", "chatglm3", 6_243_584_000, 8192),
        ("glm-4-9b-chat", "glm4-original", 9_399_951_360, 131072),
    ],
)
def test_published_configurations(folder, family, parameters, context):
    found = models.describe(TOKENIZERS / folder)
    assert (found.family.name, found.parameters, found.context_length) == (family, parameters, context)
    assert found.bits == (4 if folder.endswith("int4") else 0)


@pytest.mark.parametrize(
    "config, family",
    [
        ({**GLM, "model_type": "glm"}, "glm"),
        ({**GLM, "model_type": "glm4"}, "glm4"),
        ({**GLM, "model_type": "glm4", "_name_or_path": "zai-org/GLM-Z1-9B-0414"}, "glm-z1"),
        ({**GLM, "model_type": "glm", "partial_rotary_factor": 1.0, "attention_bias": False}, "glm-edge"),
        (BLOOM, "bloom"),
        ({**BLOOM, "_name_or_path": "bigscience/bloomz-7b1-mt"}, "bloomz"),
        ({**BLOOM, "_name_or_path": "scutcyr/BELLE-7B-2M"}, "belle"),
        ({**BLOOM, "_name_or_path": "bloom-demo"}, "bloom"),
    ],
)
def test_families_of_transformers_are_recognized(config, family):
    assert models.describe_config(config, "x").family.name == family


@pytest.mark.parametrize(
    "config", [{**GLM, "model_type": "glm"}, {**GLM, "model_type": "glm4"}, BLOOM], ids=["glm", "glm4", "bloom"]
)
def test_counted_parameters_are_the_real_ones(config):
    from glm_core.models.loading import build

    found = models.describe_config(config, "x")
    model = build(found.family.architecture, found.settings)
    assert sum(parameter.numel() for parameter in model.parameters()) == found.parameters


def test_chatglm2_and_3_are_told_apart_without_a_name():
    fused = {"model_type": "chatglm", "ffn_hidden_size": 1, "padded_vocab_size": 65024}
    assert registry.find({**fused, "transformers_version": "4.27.1"}).name == "chatglm2"
    assert registry.find({**fused, "transformers_version": "4.30.2"}).name == "chatglm3"
    assert registry.find({**fused, "seq_length": 8192}).name == "chatglm3"
    assert registry.find({**fused, "seq_length": 8192, "_name_or_path": "THUDM/chatglm2-6b"}).name == "chatglm2"


def test_an_unknown_model_is_refused_by_name():
    with pytest.raises(ModelError, match="bert"):
        models.describe_config({"model_type": "bert"}, "x")


def test_the_old_vocabulary_is_refused_with_a_reason(tmp_path):
    tiny_chatglm(tmp_path, vocab_size=150528)
    with pytest.raises(ModelError, match="130,528"):
        models.describe(tmp_path)


def test_describing_needs_no_torch(tmp_path):
    tiny_chatglm(tmp_path)
    code = f"from glm_core import models; print(models.describe({str(tmp_path)!r}).parameters)"
    code += "; import sys; print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert output == ["185920", "False"]


def test_every_family_is_complete():
    names = [family.name for family in registry.FAMILIES]
    assert len(set(names)) == len(names)
    for family in registry.FAMILIES:
        assert family_named(family.name) is family
        assert family.sampling
        for language in i18n.LANGUAGES:
            assert i18n.table(language)[family.licence]


# prompts


def test_chatglm_asks_a_single_question_bare(tiny):
    ids = family_named("chatglm").encode_prompt(tiny, HISTORY[-1:])
    assert ids == [*tiny.encode("你好"), tiny.gmask_token_id, tiny.bos_token_id]


def test_chatglm_numbers_rounds_from_zero_once_there_is_a_history(tiny):
    ids = family_named("chatglm").encode_prompt(tiny, HISTORY)
    assert ids[:-2] == tiny.encode("[Round 0]\n问：a\n答：b\n[Round 1]\n问：你好\n答：")


def test_a_system_message_heads_the_first_question(tiny):
    messages = [{"role": "system", "content": "简短回答"}, {"role": "user", "content": "你好"}]
    assert family_named("chatglm").encode_prompt(tiny, messages)[:-2] == tiny.encode("简短回答\n你好")


@needs_golden
@needs_tokenizers
def test_published_prompt_of_chatglm2():
    golden = json.loads((GOLDEN / "tokenizers.json").read_text(encoding="utf-8"))["v2"]
    assert chat_formats.chatglm2_text([("a", "b")], "你好") == golden["prompt"]
    assert family_named("chatglm2").encode_prompt(tokenizer_of("chatglm2-6b"), HISTORY) == golden["prompt_ids"]


@needs_golden
@needs_tokenizers
def test_published_conversation_of_chatglm3():
    golden = json.loads((GOLDEN / "tokenizers.json").read_text(encoding="utf-8"))["v3"]
    tokenizer = tokenizer_of("chatglm3-6b")
    assert chat_formats.encode_turn(tokenizer, {"role": "user", "content": "你好"}) == golden["single"]
    turns = [("system", "你是助手"), ("user", "hi"), ("assistant", "hello"), ("user", "你好")]
    messages = [{"role": role, "content": content} for role, content in turns]
    assert family_named("chatglm3").encode_prompt(tokenizer, messages) == golden["chat"]


@needs_tokenizers
def test_glm4_writes_roles_and_ends_with_the_assistant():
    tokenizer = tokenizer_of("glm-4-9b-chat")
    ids = family_named("glm4-original").encode_prompt(tokenizer, HISTORY)
    names = {index: name for name, index in tokenizer.controls.items()}
    assert [names[token] for token in ids if token in names] == [
        "[gMASK]",
        "<sop>",
        "<|user|>",
        "<|assistant|>",
        "<|user|>",
        "<|assistant|>",
    ]
    assert tokenizer.decode(ids) == "\na\nb\n你好"
    assert family_named("glm4-original").stop_ids(tokenizer) == [151329, 151336, 151338]


def test_glm_in_transformers_form_is_prompted_alike(byte_level):
    ids = family_named("glm4").encode_prompt(byte_level, HISTORY[-1:])
    controls = byte_level.controls
    assert (
        ids[:3] == [controls["[gMASK]"], controls["<sop>"], controls["<|user|>"]]
        and ids[-1] == controls["<|assistant|>"]
    )


def test_bloom_is_asked_as_its_relatives_were_tuned(byte_level):
    decoded = {
        name: byte_level.decode(family_named(name).encode_prompt(byte_level, HISTORY))
        for name in ("bloom", "bloomz", "bloom-medical")
    }
    assert decoded["bloom"] == "Human: \na\n\nAssistant: \nb\n\nHuman: \n你好\n\nAssistant: \n"
    assert decoded["bloomz"] == "a\nb\n你好\n"
    assert decoded["bloom-medical"].endswith("### 问题:\n你好\n### 回答:\n")


@pytest.mark.parametrize("family", ["chatglm", "bloom"])
def test_user_text_brings_no_control_tokens(family, tiny, byte_level):
    tokenizer = tiny if family == "chatglm" else byte_level
    clean, dirty = (
        family_named(family).encode_prompt(tokenizer, [{"role": "user", "content": content}])
        for content in ("你好", "<sop>[MASK]</s><|user|>[gMASK]<eop>你好")
    )
    controls = set(tokenizer.controls.values())
    assert [t for t in dirty if t in controls] == [t for t in clean if t in controls]


# examples


def test_chatglm_learns_the_last_answer_from_sop_on(tiny):
    ids, labels, cut = family_named("chatglm").encode_example(
        tiny, [*HISTORY, {"role": "assistant", "content": "再见"}], 64, 64
    )
    prompt = family_named("chatglm").encode_prompt(tiny, HISTORY)
    answer = [*tiny.encode("再见"), tiny.eos_token_id]
    assert ids == prompt + answer and not cut
    assert labels == [-100] * (len(prompt) - 1) + [tiny.bos_token_id, *answer]


def test_chatglm_cuts_as_the_published_script(tiny):
    question, answer = "今天天气怎么样" * 5, "适合出门走走" * 5
    ids, labels, cut = family_named("chatglm").encode_example(
        tiny, [{"role": "user", "content": question}, {"role": "assistant", "content": answer}], 8, 10
    )
    a, b = tiny.encode(question)[:7], tiny.encode(answer)[:8]
    assert ids == [*a, tiny.gmask_token_id, tiny.bos_token_id, *b, tiny.eos_token_id]
    assert len(ids) == 18 and cut


def test_the_oldest_rounds_go_first_when_a_prompt_is_too_long(tiny):
    long = [{"role": "user", "content": "你好" * 20}, {"role": "assistant", "content": "你好" * 20}]
    ids, _, cut = family_named("chatglm").encode_example(
        tiny, [*long, *HISTORY[-1:], {"role": "assistant", "content": "再见"}], 20, 20
    )
    assert cut and ids[: len(tiny.encode("你好"))] == tiny.encode("你好")


@needs_tokenizers
def test_chatglm2_learns_the_answer_and_its_end():
    tokenizer = tokenizer_of("chatglm2-6b")
    family = family_named("chatglm2")
    ids, labels, cut = family.encode_example(tokenizer, [*HISTORY, {"role": "assistant", "content": "再见"}], 64, 64)
    answer = [*tokenizer.encode("再见"), 2]
    assert ids == family.encode_prompt(tokenizer, HISTORY) + answer
    assert labels == [-100] * (len(ids) - len(answer)) + answer and not cut


@needs_tokenizers
def test_chatglm3_learns_every_answer_and_the_token_after_it():
    """The published script shifts its mask by one, so an answer's role is no label and the next role is."""
    tokenizer = tokenizer_of("chatglm3-6b")
    messages = [*HISTORY, {"role": "assistant", "content": "再见"}]
    ids, labels, cut = family_named("chatglm3").encode_example(tokenizer, messages, 64, 64)
    wanted, mask = [64790, 64792], [False, False]
    for message in messages:
        turn = [
            tokenizer.controls[f"<|{message['role']}|>"],
            *tokenizer.encode("\n"),
            *tokenizer.encode(message["content"]),
        ]
        wanted += turn
        mask += [message["role"] == "assistant"] * len(turn)
    wanted.append(2)
    assert ids == wanted and not cut
    assert labels == [token if learn else -100 for token, learn in zip(wanted, [False, *mask], strict=True)]
    learned = [token for token in labels if token != -100]
    assert 64796 not in learned and 64795 in learned and learned[-1] == 2


def test_bloom_learns_the_answer_and_its_end(byte_level):
    family = family_named("bloom")
    ids, labels, cut = family.encode_example(byte_level, [*HISTORY, {"role": "assistant", "content": "再见"}], 500, 64)
    answer = [*byte_level.encode("再见"), byte_level.eos_token_id]
    assert ids == family.encode_prompt(byte_level, HISTORY) + answer and not cut
    assert [label for label in labels if label != -100] == answer


@pytest.mark.parametrize("name", ["chatglm", "chatglm2", "chatglm3", "bloom"])
@pytest.mark.parametrize("source, target", [(1, 2), (2, 3), (8, 8), (512, 512)])
def test_examples_never_exceed_their_room(name, source, target, tiny, byte_level):
    tokenizer = tiny if name == "chatglm" else byte_level
    messages = [{"role": "user", "content": "你好" * 30}, {"role": "assistant", "content": "再见" * 30}]
    ids, labels, _ = family_named(name).encode_example(tokenizer, messages, source, target)
    assert len(ids) == len(labels) <= max(source, 2) + target + 1
    assert all(label in (-100, token) for token, label in zip(ids, labels, strict=True))


def test_punctuation_beside_chinese_becomes_full_width():
    assert chat_formats.clean_chatglm(" 你好,world!是吗?a,b:c [[训练时间]]\n") == "你好，world！是吗？a,b:c 2023年"


@pytest.mark.parametrize(
    "field, value",
    [
        ("hidden_size", 0),
        ("hidden_size", "64"),
        ("hidden_size", True),
        ("num_layers", 10**9),
        ("num_attention_heads", 7),
        ("vocab_size", None),
        ("vocab_size", -5),
        ("inner_hidden_size", 1.5),
    ],
)
def test_impossible_sizes_are_named(field, value):
    config = {
        "model_type": "chatglm",
        "vocab_size": 300,
        "hidden_size": 64,
        "inner_hidden_size": 256,
        "num_layers": 2,
        "num_attention_heads": 4,
        "position_encoding_2d": True,
    }
    with pytest.raises(ModelError, match=field):
        family_named("chatglm").architecture.settings({**config, field: value})


def test_codegeex4_is_told_who_it_is_unless_a_row_tells_otherwise(byte_level):
    config = {"model_type": "chatglm", "ffn_hidden_size": 1, "padded_vocab_size": 151552}
    family, tokenizer = registry.find({**config, "_name_or_path": "codegeex4-all-9b"}), byte_level
    asked, own = {"role": "user", "content": "hi"}, {"role": "system", "content": "brief"}
    roles = family_named("glm4-original")
    default = {"role": "system", "content": registry.CODEGEEX_SYSTEM}
    assert family.encode_prompt(tokenizer, [asked]) == roles.encode_prompt(tokenizer, [default, asked])
    assert family.encode_prompt(tokenizer, [own, asked]) == roles.encode_prompt(tokenizer, [own, asked])
    answered = [asked, {"role": "assistant", "content": "hello"}]
    expected = roles.encode_example(tokenizer, [default, *answered], 400, 400)
    assert family.encode_example(tokenizer, answered, 400, 400) == expected


def test_a_base_model_is_told_from_one_that_brings_a_format(tmp_path):
    sizes = {"vocab_size": 300, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    llama = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_attention_heads": 4} | sizes
    (tmp_path / "config.json").write_text(json.dumps(llama))
    assert models.is_base(tmp_path)
    (tmp_path / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert not models.is_base(tmp_path)
    (tmp_path / "chat_template.jinja").write_bytes(b"\xff")
    assert not models.is_base(tmp_path), "what it brings is broken, which loading says"
    (tmp_path / "chat_template.jinja").unlink()
    (tmp_path / "config.json").write_text(json.dumps(BLOOM))
    assert not models.is_base(tmp_path), "the family has a format"
