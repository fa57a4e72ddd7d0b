"""PiSSA begins at the base, learns what PEFT's learns, and leaves as a plain LoRA; the initial part never moves."""

import json

import pytest
import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM

from glm_core import i18n, models
from glm_core.adapters import attach, fused_lora, pissa, scale, start
from glm_core.adapters.errors import AdapterError
from glm_core.adapters.merge import merge
from glm_core.models import quantization
from glm_core.models.architectures import fused_layers
from glm_core.training.settings import SettingsError, TrainingSettings
from glm_core.training.steps.loss import AnswerLoss
from tests.closeness import gap
from tests.training.small import logits, prompts, small

RANK, CPU = 4, torch.device("cpu")
SETTINGS = TrainingSettings(lora_rank=RANK, lora_alpha=8, lora_dropout=0.0, lora_targets="all-linear", pissa=True)
KINDS = ("chatglm", "chatglm3", "glm", "glm4", "bloom")
SLOT = attach.slot(attach.NAME)


def begun(base, settings=SETTINGS, **how):
    """`base` with an adapter that begins with the principal part of each weight, computing as in a run."""
    loaded = models.load(base, **how)
    attach.attach(loaded, settings)
    attach.begin_pissa(loaded)
    fused_lora.fuse_lora_layers(loaded.model)
    fused_layers.fuse_layers(loaded.model)
    return loaded


def of_peft(base):
    """The same model as PEFT begins it, and its configuration."""
    loaded = models.load(base)
    targets = sorted({name.rpartition(".")[2] for name in quantization.block_linears(loaded.model)})
    config = LoraConfig(r=RANK, lora_alpha=8, target_modules=targets, init_lora_weights="pissa")
    loaded.model.requires_grad_(False)
    PeftModel(loaded.model, config)
    return loaded


def batch(loaded):
    ids = prompts(loaded)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}


def learn(loaded, decay=0.0):
    """Compute gradients; returns an optimizer that has not made its step."""
    weights = [weight for weight in loaded.model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=0.05, weight_decay=decay, eps=1e-2)  # no division by next to nothing
    loaded.model.train()
    AnswerLoss(loaded.model, loaded.family.architecture)(**batch(loaded))["loss"].backward()
    return optimizer


def factors(loaded):
    """A (r, in) and B (out, r) of every layer, with their gradients: what is trained of them."""
    found = []
    for module in loaded.model.modules():
        if isinstance(module, LoraLayer):
            (a,), (b,) = (one.values() for one in (module.lora_A, module.lora_B))
            found.append((a.weight[:RANK], a.weight.grad[:RANK], b.weight[:, :RANK], b.weight.grad[:, :RANK]))
    return found


@pytest.fixture(params=KINDS)
def base(request, tmp_path):
    return small(request.param, tmp_path / "base")


NF4 = pytest.param("nf4", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA card"))


@pytest.mark.parametrize("quantization", [None, "int8", NF4])
def test_training_begins_at_the_base(base, quantization):
    expected = logits(models.load(base, quantization=quantization))
    loaded = begun(base, quantization=quantization)
    most = 1e-4 if loaded.model.dtype is torch.float32 else 1e-2  # of the spread
    assert min(a.norm() for a, *_ in scale.factors(loaded, attach.NAME).values()) > 0.1
    assert gap(logits(loaded), expected) < most
    loaded.model.train()
    assert gap(loaded.model(input_ids=prompts(loaded)).logits, expected) < most


def test_gradients_and_the_first_update_with_decay_are_pefts(base):
    own, reference = begun(base), of_peft(base)
    optimizer, others = learn(own, 0.1), learn(reference, 0.1)
    pissa.hold_initial(optimizer, own.model, SLOT)
    for mine, its in zip(factors(own), factors(reference), strict=True):
        signs = (mine[0] * its[0]).sum(1).sign()  # (r,) either sign of a pair of vectors is right
        for one, other in zip(mine[:2], its[:2], strict=True):
            assert (
                gap(one, signs[:, None] * other) < 5e-3
            )  # vectors of singular values that lie near each other differ by more than these
        for one, other in zip(mine[2:], its[2:], strict=True):
            assert gap(one, signs * other) < 5e-3
    before = logits(own)
    optimizer.step(), others.step()
    after = logits(own)
    torch.testing.assert_close(after, logits(reference), atol=2e-3, rtol=1e-3)
    assert (after - before).abs().max() > 0.1


def test_gradients_asked_for_without_a_backward_are_masked_alike(base):
    """Recorded steps ask for them so."""
    loaded = begun(base)
    named = {name: weight for name, weight in loaded.model.named_parameters() if weight.requires_grad}
    loss = AnswerLoss(loaded.model, loaded.family.architecture)(**batch(loaded))["loss"]
    for name, gradient in zip(named, torch.autograd.grad(loss, list(named.values())), strict=True):
        first, second = gradient.split(RANK, 0 if ".lora_A." in name else 1)
        assert first.abs().max() > 0 and not second.any()


def test_the_initial_part_stays_while_the_rest_decays(tmp_path):
    loaded = begun(small("glm", tmp_path))
    held = [one.clone() for one in pissa.initial_halves(loaded.model, SLOT)]
    optimizer = learn(loaded, 5.0)
    pissa.hold_initial(optimizer, loaded.model, SLOT)
    for _ in range(3):
        optimizer.step()
    assert all(map(torch.equal, pissa.initial_halves(loaded.model, SLOT), held))
    left = [a[:RANK].norm() for a, *_ in scale.factors(loaded, attach.NAME).values()]
    assert all(one < 0.8 * half.norm() for one, half in zip(left, held[::2], strict=True))


def test_only_the_first_halves_count_as_trained(tmp_path):
    base = small("glm", tmp_path)
    counted = [attach.attach(models.load(base), SETTINGS.changed(pissa=pissa)) for pissa in (False, True)]
    assert counted[0] == counted[1]


@pytest.mark.parametrize("targets", ["", "mlp"])
def test_what_is_saved_is_a_plain_lora_that_peft_loads_and_merging_takes(tmp_path, targets):
    base = small("glm", tmp_path / "base")
    loaded = begun(base, SETTINGS.changed(lora_targets=targets), device=CPU)
    learn(loaded).step()
    expected = logits(loaded)
    attach.save(loaded, tmp_path / "adapter")
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["use_rslora"]) == (2 * RANK, 16, False)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    outside = PeftModel.from_pretrained(plain, tmp_path / "adapter").eval()
    with torch.no_grad():
        found = outside(input_ids=prompts(loaded)).logits
    assert (found - logits(models.load(base, device=CPU))).abs().max() > 0.1
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
    merged = models.load(merge(base, tmp_path / "adapter", tmp_path / "merged", dtype="float32"), device=CPU)
    torch.testing.assert_close(logits(merged), expected, atol=1e-4, rtol=1e-3)


def test_going_on_from_it_trains_a_plain_lora_of_twice_the_rank(tmp_path):
    base = small("glm", tmp_path / "base")
    attach.save(begun(base), tmp_path / "adapter")
    settings = SETTINGS.changed(**start.settings_of(tmp_path / "adapter", base))
    assert (settings.pissa, settings.lora_rank, settings.lora_alpha) == (False, 2 * RANK, 16)


def test_strength_acts_on_what_was_learned(tmp_path):
    base = small("glm", tmp_path / "base")
    loaded = begun(base)
    learn(loaded).step()
    scale.set_strength(loaded, attach.NAME, 0.0)
    most = 1e-5 if torch.cuda.is_available() else 0.0  # a card fuses what is trained
    assert gap(logits(loaded), logits(models.load(base))) <= most


def test_a_weight_has_the_same_principal_part_each_time_and_draws_no_random_number():
    weight = torch.randn(200, 120, generator=torch.Generator().manual_seed(1))
    weight @= torch.diag(0.9 ** torch.arange(120.0))
    state = torch.get_rng_state()
    found, again = pissa.principal_part(weight, 8), pissa.principal_part(weight, 8)
    assert torch.equal(torch.get_rng_state(), state) and all(map(torch.equal, found, again))
    left, sizes, right = found
    best = torch.linalg.svdvals(weight)
    torch.testing.assert_close(sizes, best[:8])
    rest = torch.linalg.matrix_norm(weight - left * sizes @ right.T, 2)
    torch.testing.assert_close(rest, best[8], rtol=1e-4, atol=0.0)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
@pytest.mark.parametrize("other", ["rslora", "dora"])
def test_what_it_cannot_be_trained_with_is_named(other, language):
    i18n.use(language)
    with pytest.raises(SettingsError, match=f"PiSSA.*{'rsLoRA' if other == 'rslora' else 'DoRA'}") as caught:
        TrainingSettings(pissa=True, **{other: True})
    assert caught.value.field == "pissa"
    assert TrainingSettings(method="ptuning", pissa=True, **{other: True}).pissa  # of the other method, and not used
    i18n.use("zh")


def test_a_rank_that_a_weight_does_not_have_is_refused(tmp_path):
    loaded = models.load(small("glm", tmp_path))
    attach.attach(loaded, SETTINGS.changed(lora_rank=40))
    with pytest.raises(AdapterError, match=r"40.*q_proj.*32"):
        attach.begin_pissa(loaded)
