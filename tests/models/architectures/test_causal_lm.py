"""Dense decoders of transformers' table: sizes, logits, batches, prefixes and adapters equal the library's own."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, DynamicCache

from glm_core import models
from glm_core.adapters import attach, merge
from glm_core.adapters.targets import choose_targets
from glm_core.generation.greedy import greedy
from glm_core.models import ModelError, quantization
from glm_core.models.architectures import decoder_step
from glm_core.models.architectures.causal_lm_kinds import KINDS
from glm_core.serving.base import LoadedBase
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel
from glm_core.serving.session import Session
from glm_core.training.settings import PRESETS, TrainingSettings, preset
from glm_core.training.steps.loss import AnswerLoss
from tests.closeness import gap
from tests.families import family_named
from tests.models.decoders import EXTRA, SIZES, TEMPLATE, write_decoder

SLIDING = ("gemma3_text", "mistral")
ALIKE = ("arcee", "cwm", "gemma", "helium", "hyperclovax", "internlm3", "iquestcoder", "jais2", "ministral", "olmo3")
"Kinds that mix nothing which another does not, for a test of seconds each."
everywhere = pytest.mark.parametrize("kind", list(KINDS))
QUESTIONS = ("hello", "你好，很高兴见到你吗？", "hello hello world hello")


@pytest.fixture(scope="module")
def written():
    """Folders of checkpoints by kind, for those who only read them."""
    return {}


@pytest.fixture
def base(kind, written, tmp_path_factory):
    if kind not in written:
        written[kind] = write_decoder(tmp_path_factory.mktemp(kind) / kind, kind)
    return written[kind]


def rows(loaded) -> list[list[int]]:
    return [loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": q}]) for q in QUESTIONS]


@everywhere
def test_sizes_are_what_the_network_has(kind, base):
    found, loaded = models.describe(base), models.load(base)
    assert found.family.name == kind and found.context_length == 256
    assert found.parameters == sum(weight.numel() for weight in loaded.model.parameters())
    dims = loaded.family.architecture.dimensions(found.settings)
    layer = {
        name.rpartition(".")[2]: (module.in_features, module.out_features)
        for name, module in quantization.block_linears(loaded.model).items()
    }
    assert layer == dict(dims.linears)
    assert all(set(names) <= layer.keys() for names in dims.groups.values())


@everywhere
def test_sizes_follow_the_librarys_defaults_where_a_file_is_silent(kind):
    spoken = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 32}
    spoken |= {"model_type": kind, "vocab_size": 320, "num_hidden_layers": 2}
    spoken |= {"pad_token_id": None} | ({"head_dim": 16} if kind in ("hunyuan_v1_dense", "helium", "ministral") else {})
    found = models.describe_config(spoken, "x")
    with torch.device("meta"):
        published = AutoConfig.for_model(kind, **{k: v for k, v in spoken.items() if k != "model_type"})
        model = AutoModelForCausalLM.from_config(published)
    assert found.parameters == sum(weight.numel() for weight in model.parameters())


@everywhere
def test_the_kernels_of_a_gpu_serve_only_layers_that_they_compute(kind, base):
    found, loaded = models.describe(base), models.load(base)
    fusable = loaded.family.architecture.dimensions(found.settings).fusable
    assert (decoder_step.rotation_of(loaded.model) is not None) == fusable
    assert fusable == (kind in ("llama", "qwen2", "qwen3", "ernie4_5", "internlm3", "iquestcoder", "seed_oss"))


@pytest.mark.parametrize("name", list(PRESETS))
@everywhere
def test_every_preset_finds_its_targets(kind, name):
    dims = family_named(kind).architecture.dimensions(SIZES | EXTRA.get(kind, {}))
    for parameters in (10**7, 10**10):
        chosen = choose_targets(preset(name, parameters, "lora").lora_targets, dims.groups, dims.linears)
        assert chosen and set(chosen) <= dims.linears.keys()


@everywhere
def test_logits_are_the_librarys_own_and_depend_on_the_context(kind, base):
    loaded, plain = models.load(base), AutoModelForCausalLM.from_pretrained(base).eval()
    ids = torch.tensor([rows(loaded)[2]])
    other = ids.clone()
    other[0, 4] += 1
    with torch.no_grad():
        expected = plain(ids).logits
        torch.testing.assert_close(loaded.model(ids).logits, expected, atol=2e-4, rtol=1e-4)
        assert (plain(other).logits[0, -1] - expected[0, -1]).abs().max() > 1e-2


@everywhere
def test_a_padded_batch_answers_as_generate_does_alone(kind, base):
    loaded, plain = models.load(base), AutoModelForCausalLM.from_pretrained(base).eval()
    found = greedy(loaded, [[{"role": "user", "content": question}] for question in QUESTIONS], 16)
    options = {"max_new_tokens": 16, "do_sample": False, "pad_token_id": 0, "eos_token_id": [4]}
    for answer, ids in zip(found, rows(loaded), strict=True):
        with torch.no_grad():
            cached = plain.generate(torch.tensor([ids]), **options)[0]
        assert answer == loaded.tokenizer.decode(cached[len(ids) :].tolist()).strip()
    with torch.no_grad():
        uncached = plain.generate(torch.tensor([ids]), use_cache=False, **options)[0]
    assert torch.equal(cached, uncached), "the library's cache is right, at least for the longest"
    assert len(set(found)) == len(QUESTIONS)


@everywhere
def test_a_prefix_is_what_a_cache_ahead_of_the_text_would_be(kind, base):
    loaded, plain = models.load(base), AutoModelForCausalLM.from_pretrained(base).eval()
    attach.attach(loaded, TrainingSettings(method="ptuning", prefix_length=3, prefix_projection=False))
    states = loaded.model.eval().prefixes.states("trained", torch.float32)
    with torch.no_grad():
        for weight in loaded.model.prefixes.parameters():
            weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)))
        states = loaded.model.prefixes.states("trained", torch.float32)
        cache, ids = DynamicCache(), torch.tensor([rows(loaded)[0][:3]])  # within every window
        for number, (key, value) in enumerate(states):
            cache.update(key, value, number)
        expected = plain(ids, past_key_values=cache, position_ids=torch.arange(3)[None]).logits
        found = loaded.model(ids).logits
        bare = plain(ids).logits
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-4)
    assert (bare - expected).abs().max() > 1e-2


@pytest.mark.parametrize("method", ["lora", "ptuning"])
@everywhere
def test_loss_and_gradients_are_the_networks_own(kind, base, method):
    loaded = models.load(base)
    attach.attach(loaded, TrainingSettings(method=method, lora_rank=4, lora_targets="all-linear", prefix_length=4))
    with torch.no_grad():
        for weight in loaded.model.parameters():
            if weight.requires_grad:
                weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)) * 0.1)
    loaded.model.eval()
    ids = torch.tensor([rows(loaded)[2], [*rows(loaded)[0], *[0] * 40][: len(rows(loaded)[2])]])
    mask = (ids != 0).long()
    batch = {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}
    found, expected = {}, {}
    for kept, loss in (
        (expected, lambda: loaded.model(**batch, use_cache=False).loss),
        (found, lambda: AnswerLoss(loaded.model, loaded.family.architecture)(**batch)["loss"]),
    ):
        loaded.model.zero_grad()
        kept["loss"] = loss()
        kept["loss"].backward()
        kept |= {name: weight.grad for name, weight in loaded.model.named_parameters() if weight.requires_grad}
    assert abs(found["loss"] - expected["loss"]) < 1e-4 * max(1, abs(expected["loss"]))
    assert max(expected[name].abs().max() for name in expected) > 1e-4
    for name in expected.keys() - {"loss"}:
        assert gap(found[name], expected[name]) < 1e-3, name


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ALIKE])
def test_a_mixed_batch_answers_as_each_row_alone_and_a_merge_opens(kind, base, tmp_path):
    choices = [ServedModel("base", "base", base)]
    several = {"lora": TrainingSettings(lora_rank=4, lora_targets="attention, mlp"), "prefix": None}
    several["prefix"] = TrainingSettings(method="ptuning", prefix_length=4, prefix_projection=False)
    for name, settings in several.items():
        own = models.load(base)
        attach.attach(own, settings, name)
        torch.manual_seed(4)
        for weight in own.model.parameters():
            if weight.requires_grad:
                weight.data += (2.0 if name == "prefix" else 0.3) * torch.randn_like(weight)
        attach.save(own, tmp_path / name, {"step": 1}, name)
        choices.append(ServedModel(name, name, base, tmp_path / name, 1))
    session = Session(models.load(base), LoadedBase("base", base, kind, 256))

    def begin(choice, question):
        request = Request([{"role": "user", "content": question}], choice.name, max_new_tokens=10, temperature=0.0)
        session.begin(handle := RequestHandle(request, choice))
        return handle

    def finish():
        while session.rows:
            session.step()

    alone = []
    for question in QUESTIONS[:2]:
        for choice in choices:
            alone.append(begin(choice, question))
            finish()
    together = [begin(choice, question) for question in QUESTIONS[:2] for choice in choices]
    finish()
    assert [handle.text for handle in together] == [handle.text for handle in alone]
    assert len({handle.text for handle in alone}) >= len(choices)
    merged = models.load(merge.merge(base, tmp_path / "lora", tmp_path / "merged", dtype="float32"))
    said = greedy(merged, [[{"role": "user", "content": QUESTIONS[0]}]], 10)
    assert said == [alone[1].text.strip()]
    assert (tmp_path / "merged" / "chat_template.jinja").read_text(encoding="utf-8") == TEMPLATE


@pytest.mark.parametrize(
    "config, key",
    [
        ({"model_type": "qwen3_moe", "num_experts": 64}, "experts"),
        ({"model_type": "deepseek_v3", "n_routed_experts": 256}, "experts"),
        ({"model_type": "qwen3_next", "layer_types": ["linear_attention", "full_attention"]}, "linear"),
        ({"model_type": "glm4v", "vision_config": {}, "text_config": {}}, "vision"),
        ({"model_type": "internlm2", "auto_map": {"AutoModel": "modeling.InternLM2"}}, "remote"),
        ({"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}, "quantized"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(config, key):
    with pytest.raises(ModelError) as caught:
        models.describe_config(config, "stranger")
    assert caught.value.key == f"models.refused.{key}" and "stranger" in str(caught.value)


def test_layers_of_another_kind_are_refused(tmp_path):
    config = {**SIZES, "model_type": "llama", "layer_types": ["chunked_attention"] * 3}
    with pytest.raises(ModelError, match="layer_types"):
        models.describe_config(json.loads(json.dumps(config)), str(Path("x")))


@pytest.mark.parametrize("kind", ["qwen3", "phi3", "gemma2", "cohere", "phi", "starcoder2", "apertus", "olmo"])
def test_dora_merges_into_what_it_answers(kind, base, tmp_path):
    own = models.load(base)
    attach.attach(own, TrainingSettings(lora_rank=4, lora_targets="all-linear", lora_dropout=0.0, dora=True), "dora")
    torch.manual_seed(4)
    for weight in own.model.parameters():
        if weight.requires_grad:
            weight.data += 0.2 * torch.randn_like(weight)
    attach.save(own, tmp_path / "dora", {"step": 1}, "dora")
    own.model.eval()
    ids = torch.tensor([rows(own)[2]])
    merged = models.load(merge.merge(base, tmp_path / "dora", tmp_path / "merged", dtype="float32"))
    with torch.no_grad():
        expected = own.model(ids).logits
        torch.testing.assert_close(merged.model(ids).logits, expected, atol=2e-3, rtol=1e-3)
        assert (models.load(base).model(ids).logits - expected).abs().max() > 1e-2


@pytest.mark.parametrize("kind", ["gemma2", "vaultgemma", "nanochat"])
def test_the_bound_of_logits_counts_in_the_loss(kind, base):
    """Softer bounds change the loss as they change the library's."""
    losses = []
    for bound in (2.0, 30.0):
        loaded = models.load(base)
        loaded.model.config.final_logit_softcapping = bound
        ids = torch.tensor([rows(loaded)[2]])
        batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}
        with torch.no_grad():
            found = AnswerLoss(loaded.model, loaded.family.architecture)(**batch)["loss"]
            torch.testing.assert_close(found, loaded.model(input_ids=ids, labels=ids).loss, atol=1e-4, rtol=1e-4)
        losses.append(found.item())
    assert abs(losses[0] - losses[1]) > 0.1


@pytest.mark.parametrize("kind", ["phi3", "gemma2", "cohere2", "phi", "starcoder2", "apertus", "nanochat", "stablelm"])
def test_int8_layers_answer_nearly_as_the_model(kind, base):
    plain, packed = models.load(base), models.load(base, quantization="int8")
    ids = torch.tensor([rows(plain)[2]])
    with torch.no_grad():
        expected, found = plain.model(ids).logits, packed.model(ids).logits
    assert (found - expected).abs().mean() < 0.15 * expected.abs().mean() and not torch.equal(found, expected)


def test_a_rotation_that_looks_at_how_long_the_text_is_loads(tmp_path):
    folder = write_decoder(tmp_path / "llama", "llama")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["rope_parameters"] = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    assert models.load(folder).model.config.rope_parameters["rope_type"] == "dynamic"


@pytest.mark.parametrize("changes", [{"residual_dropout": -1}, {"attention_dropout": 1.5}])
def test_what_only_a_step_would_notice_is_refused_at_loading(tmp_path, changes):
    folder = write_decoder(tmp_path / "starcoder2", "starcoder2")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changes), "utf-8")
    for _ in range(2):
        with pytest.raises(ModelError):
            models.load(folder)
