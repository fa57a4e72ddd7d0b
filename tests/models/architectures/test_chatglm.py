"""The native ChatGLM-6B: equal to the written rules, with and without cache, padding, checkpointing, half precision."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import DynamicCache

from glm_core import models
from glm_core.models.architectures.chatglm import modeling
from glm_core.models.architectures.chatglm.attention import PromptError
from glm_core.models.architectures.chatglm.configuration import ChatGLMConfig
from glm_core.models.architectures.chatglm.modeling import ChatGLMForConditionalGeneration
from tests.models.architectures import reference
from tests.tiny import randomize, tiny_chatglm

BOS, GMASK, MASK, PAD = 94, 91, 90, 3
SIZES = dict(
    vocab_size=96,
    hidden_size=64,
    inner_hidden_size=128,
    num_layers=3,
    num_attention_heads=4,
    bos_token_id=BOS,
    eos_token_id=95,
    gmask_token_id=GMASK,
    mask_token_id=MASK,
    pad_token_id=PAD,
    max_sequence_length=128,
)


def make(**changes) -> ChatGLMForConditionalGeneration:
    model = ChatGLMForConditionalGeneration(ChatGLMConfig(**{**SIZES, **changes}))
    randomize(model, 1)
    return model.eval()


MODEL, ONE_AXIS = make(), make(position_encoding_2d=False)


def row(context: int, answer: int, seed: int = 0, mask: int = GMASK) -> list[int]:
    """`context` tokens of which the last is the mask, <sop>, `answer` tokens."""
    tokens = torch.randint(4, 88, (context + answer,), generator=torch.Generator().manual_seed(seed)).tolist()
    return [*tokens[: context - 1], mask, BOS, *tokens[context:]]


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Left-padded ids and their attention mask."""
    width = max(map(len, rows))
    gaps = [width - len(one) for one in rows]
    ids = [[PAD] * gap + one for gap, one in zip(gaps, rows, strict=True)]
    return torch.tensor(ids), torch.tensor([[0] * gap + [1] * (width - gap) for gap in gaps])


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 1000), st.sampled_from([GMASK, MASK]), st.booleans())
def test_logits_follow_the_rules(context, answer, seed, mask, two_axes):
    model, ids = MODEL if two_axes else ONE_AXIS, row(context, answer, seed, mask)
    with torch.no_grad():
        assert torch.allclose(model(torch.tensor([ids])).logits[0], reference.logits(model, ids), atol=2e-4)


def test_context_decides_the_output():
    ids = row(12, 8)
    other = [ids[0] + 1, *ids[1:]]
    with torch.no_grad():
        first, second = (MODEL(torch.tensor([one])).logits[0, -1] for one in (ids, other))
    assert (first - second).abs().max() > 0.1


def test_a_mixed_batch_equals_its_rows():
    rows = [row(5, 9, 1), row(9, 5, 2), row(3, 11, 3, MASK)]
    with torch.no_grad():
        together = MODEL(torch.tensor(rows)).logits
        for index, one in enumerate(rows):
            assert torch.allclose(together[index], MODEL(torch.tensor([one])).logits[0], atol=1e-4)


def test_gmask_is_preferred_to_mask():
    ids = [10, MASK, 11, GMASK, 12, BOS, 13]
    with torch.no_grad():
        assert torch.allclose(MODEL(torch.tensor([ids])).logits[0], reference.logits(MODEL, ids), atol=2e-4)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(2, 24), min_size=1, max_size=4), st.integers(0, 99), st.booleans())
def test_padded_generation_equals_single_generation(lengths, seed, two_axes):
    model = MODEL if two_axes else ONE_AXIS
    rows = [row(length, 0, seed + index) for index, length in enumerate(lengths)]
    ids, mask = padded(rows)
    together = model.generate(ids, attention_mask=mask, max_new_tokens=12, do_sample=False)[:, ids.shape[1] :]
    for index, one in enumerate(rows):
        single = model.generate(torch.tensor([one]), max_new_tokens=12, do_sample=False)[0, len(one) :].tolist()
        assert together[index, : len(single)].tolist() == single


def test_generation_infers_the_mask_from_padding():
    ids, mask = padded([row(4, 0, 1), row(9, 0, 2)])
    explicit = MODEL.generate(ids, attention_mask=mask, max_new_tokens=8, do_sample=False)
    assert torch.equal(MODEL.generate(ids, max_new_tokens=8, do_sample=False), explicit)


@pytest.mark.parametrize("kind", ["own", "given"])
def test_cached_steps_equal_one_pass(kind):
    ids, mask = padded([row(5, 6, 1), row(9, 6, 2)])
    cache = DynamicCache() if kind == "given" else None
    start = int((ids == BOS).int().argmax(1).max()) + 1
    with torch.no_grad():
        whole = MODEL(ids, attention_mask=mask).logits
        out = MODEL(ids[:, :start], attention_mask=mask[:, :start], past_key_values=cache, use_cache=True)
        for column in range(start, ids.shape[1]):
            out = MODEL(
                ids[:, column : column + 1], attention_mask=mask[:, : column + 1], past_key_values=out.past_key_values
            )
            assert torch.allclose(out.logits[:, 0], whole[:, column], atol=1e-4)


def test_several_cached_tokens_at_once_equal_one_pass():
    ids = torch.tensor([row(5, 9)])
    with torch.no_grad():
        whole = MODEL(ids).logits
        out = MODEL(ids[:, :7], use_cache=True)
        rest = MODEL(ids[:, 7:], past_key_values=out.past_key_values).logits
    assert torch.allclose(rest, whole[:, 7:], atol=1e-4)


def test_a_cached_step_without_prompt_or_positions_is_refused():
    cache = DynamicCache()
    cache.update(torch.zeros(1, 4, 5, 16), torch.zeros(1, 4, 5, 16), 0)
    with pytest.raises(PromptError, match="position_ids"):
        MODEL(torch.tensor([[5]]), past_key_values=cache)


def test_generation_reads_every_token_once(monkeypatch):
    read, forward = [], MODEL.transformer.forward
    monkeypatch.setattr(
        MODEL.transformer,
        "forward",
        lambda ids, *rest, **named: read.append(ids.shape[1]) or forward(ids, *rest, **named),
    )
    MODEL.generate(torch.tensor([row(9, 0, 2)]), max_new_tokens=5, min_new_tokens=5, do_sample=False)
    assert read[1:] == [1] * 4


def test_beams_may_reorder_rows():
    ids, mask = padded([row(4, 0, 1), row(9, 0, 2)])
    cached = MODEL.generate(ids, attention_mask=mask, max_new_tokens=6, num_beams=3, do_sample=False)
    uncached = MODEL.generate(ids, attention_mask=mask, max_new_tokens=6, num_beams=3, do_sample=False, use_cache=False)
    assert torch.equal(cached, uncached)


def test_padding_at_the_right_changes_nothing():
    short, long = row(5, 4, 1), row(7, 9, 2)
    gap = len(long) - len(short)
    ids = torch.tensor([short + [PAD] * gap, long])
    mask = torch.tensor([[1] * len(short) + [0] * gap, [1] * len(long)])
    with torch.no_grad():
        alone = MODEL(torch.tensor([short])).logits[0]
        for given_mask in (None, mask):
            assert torch.allclose(MODEL(ids, attention_mask=given_mask).logits[0, : len(short)], alone, atol=1e-4)


def test_no_mask_is_made_where_rows_agree(monkeypatch):
    def refuse(*args):
        raise AssertionError("a mask was materialised")

    monkeypatch.setattr(modeling, "visible_columns", refuse)
    with torch.no_grad():
        MODEL(torch.tensor([row(5, 9, 1), row(5, 9, 2)]))
        MODEL.generate(torch.tensor([row(5, 0)]), max_new_tokens=4, do_sample=False)
        with pytest.raises(AssertionError, match="materialised"):
            MODEL(torch.tensor([row(5, 9, 1), row(6, 8, 2)]))


@pytest.mark.parametrize("ids", [[5, 6, 7], [5, BOS, 7], [5, GMASK, 7]])
def test_a_prompt_without_control_tokens_is_refused(ids):
    with pytest.raises(PromptError, match="row 0"):
        MODEL(torch.tensor([ids]))


def test_checkpointed_gradients_are_equal():
    ids = torch.tensor([row(5, 9, 1), row(9, 5, 2)])
    labels = torch.where(torch.arange(ids.shape[1]) >= 10, ids, -100)
    gradients = []
    for checkpointing in (False, True):
        model = make().train()
        if checkpointing:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model(ids, labels=labels).loss.backward()
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
    assert all(torch.allclose(gradient, gradients[1][name], atol=1e-6) for name, gradient in gradients[0].items())


def test_loss_ignores_what_is_not_an_answer():
    ids = torch.tensor([row(5, 9)])
    labels = torch.full_like(ids, -100)
    labels[0, 8:] = ids[0, 8:]
    with torch.no_grad():
        output = MODEL(ids, labels=labels)
    wanted = torch.nn.functional.cross_entropy(output.logits[0, 7:-1], ids[0, 8:])
    assert torch.allclose(output.loss, wanted, atol=1e-5)


def test_logits_to_keep_gives_the_last_columns():
    ids = torch.tensor([row(5, 9)])
    with torch.no_grad():
        assert torch.allclose(MODEL(ids, logits_to_keep=3).logits, MODEL(ids).logits[:, -3:], atol=1e-5)


def test_positions_beyond_the_published_length_work():
    ids = row(150, 100, 3)
    with torch.no_grad():
        assert torch.allclose(MODEL(torch.tensor([ids])).logits[0], reference.logits(MODEL, ids), atol=5e-4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_stays_near(dtype):
    ids = torch.tensor([row(5, 9)])
    with torch.no_grad():
        half = make().to(dtype)(ids).logits
        assert half.dtype == dtype
        difference = (half.float() - MODEL(ids).logits).abs().mean()
    assert difference < (0.02 if dtype == torch.float16 else 0.2)


def test_autocast_trains_float32_weights():
    model = make().train()
    ids = torch.tensor([row(5, 9)])
    with torch.autocast("cpu", torch.bfloat16):
        model(ids, labels=ids).loss.backward()
    assert model.transformer.layers[0].attention.query_key_value.weight.grad.isfinite().all()


def test_fresh_weights_start_near_uniform_predictions():
    torch.manual_seed(0)
    model = ChatGLMForConditionalGeneration(ChatGLMConfig(**SIZES))
    ids = torch.tensor([row(20, 40)])
    loss = model(ids, labels=ids).loss
    assert abs(loss - torch.log(torch.tensor(96.0))) < 1.0


def test_transformers_can_save_and_open_it(tmp_path):
    MODEL.save_pretrained(tmp_path)
    again = ChatGLMForConditionalGeneration.from_pretrained(tmp_path)
    ids = torch.tensor([row(5, 9)])
    with torch.no_grad():
        assert torch.equal(again(ids).logits, MODEL(ids).logits)
        assert torch.equal(models.load(tmp_path, device="cpu").model(ids).logits, MODEL(ids).logits)
    assert again.lm_head.weight is again.transformer.word_embeddings.weight


def test_the_tiny_model_answers_from_its_context(tmp_path):
    loaded = models.load(tiny_chatglm(tmp_path), device="cpu")
    answers = set()
    for question in ("你好", "你是谁？", "今天天气怎么样", "再见"):
        ids = loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": question}])
        output = loaded.model.generate(torch.tensor([ids]), max_new_tokens=8, do_sample=False)
        answers.add(tuple(output[0, len(ids) :].tolist()))
    assert len(answers) == 4
