"""The estimate against the floors and measured peaks of reference/performance.md, in decimal GB."""

import json
import subprocess
import sys

import pytest

from benchmarks.shapes import SHAPES
from glm_core import workspace
from glm_core.errors import EasyError
from glm_core.training.memory.memory_advice import (
    CONSUMER_GPUS,
    advise,
    fit,
    gpus_that_fit,
    largest_micro_batch,
)
from glm_core.training.memory.memory_estimate import SELECTIVE_SHARE, answering_bytes, estimate
from glm_core.training.memory.model_dims import read_shape
from glm_core.training.settings import TrainingSettings
from tests.paths import ROOT, SHARED

CHATGLM = {
    "model_type": "chatglm",
    "hidden_size": 4096,
    "inner_hidden_size": 16384,
    "num_layers": 28,
    "num_attention_heads": 32,
    "position_encoding_2d": True,
    "vocab_size": 130528,
}
CHATGLM3 = {
    "model_type": "chatglm",
    "hidden_size": 4096,
    "ffn_hidden_size": 13696,
    "num_layers": 28,
    "num_attention_heads": 32,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "kv_channels": 128,
    "padded_vocab_size": 65024,
}
GLM4 = {
    "model_type": "glm4",
    "hidden_size": 4096,
    "intermediate_size": 13696,
    "num_hidden_layers": 40,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "vocab_size": 151552,
}
BLOOM = {"model_type": "bloom", "hidden_size": 4096, "n_layer": 30, "n_head": 32, "vocab_size": 250880}


def card_run(**changes):
    """One row of 64 + 64 tokens on a GPU in bfloat16, nothing recomputed."""
    base = {
        "micro_batch": 1,
        "max_source_length": 64,
        "max_target_length": 64,
        "precision": "bfloat16",
        "gradient_checkpointing": "off",
    }
    return TrainingSettings(**base | changes)


LONG = {"micro_batch": 4, "max_source_length": 256, "max_target_length": 256, "gradient_checkpointing": "on"}


@pytest.mark.parametrize(
    ("changes", "floor"),
    [
        ({"gradient_checkpointing": "on"}, 12.5),
        ({}, 12.8),
        ({"quantization": "int8"}, 7.3),
        ({"quantization": "nf4"}, 4.6),
        (LONG, 13.4),
        (LONG | {"quantization": "int8"}, 7.9),
        (LONG | {"quantization": "nf4"}, 5.2),
        ({"method": "ptuning"}, 13.0),
        ({"method": "ptuning", "quantization": "int8"}, 7.5),
        ({"method": "ptuning", "quantization": "nf4"}, 4.8),
    ],
)
def test_chatglm_6b_is_within_a_tenth_of_the_floor_beside_context(changes, floor):
    found = estimate(CHATGLM, card_run(**changes))
    assert (found.peak_bytes - found.parts["context"]) / 1e9 == pytest.approx(floor, rel=0.1)


@pytest.mark.parametrize(("rows", "measured"), [(1, 14.06), (16, 17.42)])
def test_chatglm3_is_near_what_a_card_was_seen_to_take(rows, measured):
    """Measured on an H200 by benchmarks.speed: all that the driver counts, in decimal GB."""
    assert estimate(CHATGLM3, card_run(micro_batch=rows)).peak_bytes / 1e9 == pytest.approx(measured, rel=0.05)


@pytest.mark.parametrize(
    ("shape", "changes", "measured"),
    [
        ("qwen3-8b", {"lora_targets": "qkv"}, 23.05),
        ("qwen3-8b", {"lora_targets": "qkv", "micro_batch": 1}, 18.05),
        ("llama-3.1-8b", {"lora_targets": "qkv"}, 21.85),
        ("glm-z1-9b", {"lora_targets": "qkv"}, 26.16),
        ("glm-z1-9b", {"method": "ptuning"}, 25.99),
    ],
)
def test_other_decoders_are_near_what_a_card_was_seen_to_take(shape, changes, measured):
    """The same, 16 rows of 128 tokens where not said; GLM-Z1-9B has the sizes of GLM-4-9B-0414."""
    one = SHAPES[shape]
    config = one.sized(one.hidden, one.layers)
    settings = card_run(**{"micro_batch": 16} | changes)
    assert estimate(config, settings).peak_bytes / 1e9 == pytest.approx(measured, rel=0.05)


def test_a_rank_that_no_weight_has_is_refused_before_anything_starts():
    small = CHATGLM | {"hidden_size": 384, "inner_hidden_size": 1536, "num_attention_heads": 12}
    assert estimate(small, card_run(pissa=True, lora_rank=384)).trainable
    with pytest.raises(EasyError) as refused:
        estimate(small, card_run(pissa=True, lora_rank=385))
    assert "384" in str(refused.value) and "385" in str(refused.value)


def test_longer_rows_never_take_less():
    one = SHAPES["llama-3.1-8b"]
    config, settings = one.sized(one.hidden, one.layers), card_run(micro_batch=1, max_source_length=2048)
    peaks = [estimate(config, settings, longest=longest).peak_bytes for longest in range(900, 1600, 20)]
    assert peaks == sorted(peaks)


@pytest.mark.parametrize("changes", [{"head_dim": 80}, {"hidden_act": "gelu"}])
def test_layers_that_the_kernels_do_not_serve_keep_what_the_library_keeps(changes):
    one = SHAPES["llama-3.1-8b"]
    config, settings = one.sized(one.hidden, one.layers), card_run(micro_batch=16)
    kept = [estimate(shape, settings).parts["activations"] for shape in (config, config | changes)]
    assert kept[1] > 1.5 * kept[0]


def test_a_network_that_drops_at_random_computes_nothing_again():
    one = SHAPES["llama-3.1-8b"]
    config, settings = one.sized(one.hidden, one.layers), card_run(micro_batch=16)
    kept = [estimate(shape, settings).parts["activations"] for shape in (config, config | {"attention_dropout": 0.1})]
    assert kept[1] > 1.2 * kept[0]


def test_parameters_are_counted_exactly():
    assert read_shape(CHATGLM).dims.parameters() == 6_173_286_400
    assert read_shape(CHATGLM3).dims.parameters() == 6_243_584_000
    assert estimate(CHATGLM, card_run()).trainable == 3_670_016
    assert estimate(CHATGLM, card_run(method="ptuning")).trainable == 29_360_128
    assert estimate(CHATGLM, card_run(method="ptuning", prefix_projection=True)).trainable == 957_059_072
    assert estimate(CHATGLM3, card_run(method="ptuning")).trainable == 1_835_008


def test_pissa_is_trained_at_its_rank_and_takes_twice_the_memory():
    plain, principal = (estimate(CHATGLM, card_run(pissa=pissa)) for pissa in (False, True))
    assert principal.trainable == plain.trainable
    assert principal.parts["adapter"] == 2 * plain.parts["adapter"]
    assert principal.parts["activations"] > plain.parts["activations"]
    prefix = card_run(method="ptuning")
    assert estimate(CHATGLM, prefix.changed(pissa=True)).parts == estimate(CHATGLM, prefix).parts


@pytest.mark.parametrize(("config", "parameters"), [(GLM4, 9.4e9), (BLOOM, 7.07e9)])
def test_other_families_have_their_published_size(config, parameters):
    assert read_shape(config).dims.parameters() == pytest.approx(parameters, rel=0.01)


def test_parts_sum_to_the_peak():
    found = estimate(CHATGLM, card_run())
    assert set(found.parts) == {"weights", "adapter", "activations", "logits", "context"}
    assert sum(found.parts.values()) == found.peak_bytes


@pytest.mark.parametrize("name", ["chatglm-6b", "chatglm2-6b", "chatglm3-6b", "glm-4-9b-chat", "chatglm-6b-int4"])
def test_real_configurations_are_read_from_their_folder(name):
    if not (folder := SHARED / "tokenizers" / name).is_dir():
        pytest.skip("shared/tokenizers is absent")
    found = estimate(folder, card_run())
    assert (
        found.peak_bytes
        == estimate(json.loads((folder / "config.json").read_text()), card_run()).peak_bytes
        > (4e9 if name.endswith("int4") else 12e9)
    )


def test_transformers_configuration_is_read():
    from transformers import BloomConfig

    assert read_shape(BloomConfig(**BLOOM)) == read_shape(BLOOM)


@pytest.mark.parametrize("model", ["nowhere", {"model_type": "llama"}, {"model_type": "bloom", "hidden_size": 8}])
def test_unreadable_or_unknown_models_are_refused_in_a_sentence(model):
    with pytest.raises(EasyError, match="config.json|llama|vocab_size"):
        estimate(model, card_run())


def test_cpu_counts_float32_and_the_interpreter():
    found = estimate(CHATGLM, TrainingSettings(), device="cpu")
    assert found.precision == "float32" and found.parts["weights"] == 4 * 6_173_286_400
    assert found.parts["context"] > 3e8


# As published: in bfloat16.
SMOLLM = {
    "model_type": "llama",
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
    "dtype": "bfloat16",
}


def test_a_cpu_holds_a_copy_of_half_type_weights_for_answers_where_there_is_room():
    settings = TrainingSettings()
    found = estimate(SMOLLM, settings, device="cpu").parts
    assert sum(found.values()) == estimate(SMOLLM, settings, device="cpu").peak_bytes
    assert found["copies"] == pytest.approx(383 * 2**20, rel=0.15), "resident, once a first answer has been trimmed"
    assert "copies" not in estimate(SMOLLM, settings, device="cuda").parts
    narrow = found["weights"] + 2 * found["copies"]
    rooms = {limit: estimate(SMOLLM, settings, device="cpu", limit=limit).parts["copies"] for limit in (narrow, 2**40)}
    assert set(rooms.values()) == {found["copies"]}
    assert estimate(SMOLLM, settings, device="cpu", limit=narrow - 2**20).parts["copies"] == 0
    assert estimate(SMOLLM | {"dtype": "float32"}, settings, device="cpu").parts["copies"] == 0
    int8 = estimate(SMOLLM, settings.changed(quantization="int8"), device="cpu").parts["copies"]
    assert 0 < int8 < found["copies"]


@pytest.mark.parametrize(
    ("changes", "longest", "measured"), [({"lora_rank": 4, "lora_targets": "mlp", "micro_batch": 8}, 64, 2.479)]
)
def test_smollm_is_near_what_a_processor_was_seen_to_take(changes, longest, measured):
    """Measured on two cores with the imprint that the page proposes: resident memory of the trainer, in decimal GB."""
    settings = TrainingSettings(lora_dropout=0.0, **changes)
    assert estimate(SMOLLM, settings, longest=longest, device="cpu").peak_bytes / 1e9 == pytest.approx(
        measured, rel=0.1
    )


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_distillation_takes_the_logits_twice_and_records_no_step(device):
    settings = TrainingSettings(micro_batch=16, max_target_length=8)
    plain = estimate(SMOLLM, settings, longest=64, device=device)
    without = estimate(SMOLLM, settings.changed(distillation=16.0), longest=64, device=device)
    found = estimate(SMOLLM, settings.changed(rehearsal=3.0, distillation=16.0), longest=64, device=device)
    assert without.parts == plain.parts  # nothing is rehearsed
    assert found.parts["logits"] == 256 * 16 * SMOLLM["vocab_size"] >= 4 * plain.parts["logits"]
    assert plain.recorded == (device == "cuda") and not found.recorded


@pytest.mark.parametrize(
    ("model", "measured"),
    [
        (SMOLLM, 1.570),
        (workspace.ASSETS / "models" / "chatglm-demo", 0.620),
        (workspace.ASSETS / "models" / "bloom-demo", 0.543),
    ],
    ids=["smollm2", "chatglm-demo", "bloom-demo"],
)
def test_answering_is_near_what_a_server_without_a_card_was_seen_to_take(model, measured):
    """Resident memory of a server after its first answer through the API, of 32 tokens, in decimal GB."""
    assert answering_bytes(model, "none", "cpu", 64) / 1e9 == pytest.approx(measured, rel=0.1)
    growth = answering_bytes(model, "none", "cpu", 128) - answering_bytes(model, "none", "cpu", 64)
    dims = read_shape(model).dims
    assert growth == 64 * dims.layers * 2 * dims.key * 4, "keys and values in float32"


def test_users_cards_are_there_and_fit_as_promised():
    assert CONSUMER_GPUS["GTX 1080 Ti"] == 11 and CONSUMER_GPUS["RTX 3060 Ti"] == 8 and CONSUMER_GPUS["RTX 4090"] == 24
    assert "GTX 1080 Ti" in gpus_that_fit(estimate(CHATGLM, card_run(quantization="int8")))
    assert "RTX 3060 Ti" in gpus_that_fit(estimate(CHATGLM, card_run(method="ptuning", quantization="nf4")))
    assert gpus_that_fit(estimate(CHATGLM, card_run()))[0] == "RTX 4060 Ti 16 GB"


def test_cards_are_judged_as_cards_even_from_a_cpu_estimate():
    on_cpu = estimate(CHATGLM, TrainingSettings(max_source_length=64, max_target_length=64), device="cpu")
    assert "RTX 4090" in gpus_that_fit(on_cpu)


def test_checkpointing_is_chosen_only_where_it_is_needed():
    settings = card_run(micro_batch=16, gradient_checkpointing="auto")
    assert not estimate(CHATGLM, settings, limit=24 * 2**30).checkpointing
    assert estimate(CHATGLM, settings, limit=14 * 2**30).checkpointing


@pytest.mark.parametrize("method", ["lora", "ptuning"])
def test_as_few_layers_are_recomputed_as_it_takes(method):
    settings = card_run(method=method, micro_batch=16, gradient_checkpointing="auto")
    needs = {
        choice: estimate(CHATGLM, settings.changed(gradient_checkpointing=choice)).peak_bytes
        for choice in ("off", "on")
    }
    chosen = []
    for limit in range(needs["on"], needs["off"], (needs["off"] - needs["on"]) // 20):
        found = estimate(CHATGLM, settings, limit=limit)
        chosen.append(found.checkpointing)
        if found.checkpointing < 28:
            assert found.peak_bytes <= SELECTIVE_SHARE * limit
    assert chosen[0] == 28 and chosen == sorted(chosen, reverse=True) and len(set(chosen)) > 10
    assert estimate(CHATGLM, settings, limit=needs["off"]).checkpointing == 0


def test_largest_micro_batch_fits_and_one_more_does_not():
    settings, free = card_run(), 16 * 2**30
    rows = largest_micro_batch(CHATGLM, settings, free)
    assert estimate(CHATGLM, settings.changed(micro_batch=rows)).peak_bytes <= free
    assert estimate(CHATGLM, settings.changed(micro_batch=rows + 1)).peak_bytes > free
    assert largest_micro_batch(CHATGLM, settings, 8 * 2**30) == 0


@pytest.mark.parametrize("gib", [5, 6, 8, 11, 14])
def test_fitting_settings_fit_and_keep_the_rows_of_an_update(gib):
    settings = card_run(micro_batch=16, gradient_checkpointing="auto")
    found = fit(CHATGLM, settings, gib * 2**30)
    assert estimate(CHATGLM, found, limit=gib * 2**30).peak_bytes <= gib * 2**30
    assert found.rows_per_update == 16 and found.gradient_checkpointing == "auto"
    assert fit(CHATGLM, settings, 3 * 2**30) is None
    off, on = (fit(CHATGLM, settings.changed(gradient_checkpointing=choice), gib * 2**30) for choice in ("off", "on"))
    assert off.gradient_checkpointing in ("off", "auto") and on.gradient_checkpointing == "on"


def test_advice_says_what_to_change():
    found = estimate(CHATGLM, card_run(micro_batch=16))
    advice = advise(found, 8 * 2**30)
    assert advice.key == "memory.advice.change" and advice.settings.quantization == "int8"
    assert advise(found, 2 * 2**30).settings is None
    assert advise(found, 80 * 2**30) is None
    spread = advise(estimate(CHATGLM, card_run(accumulation=16)), 80 * 2**30)
    assert spread.settings.micro_batch == 16 and spread.settings.accumulation == 1


def test_longest_row_counts_where_it_is_known():
    assert estimate(CHATGLM, card_run(), longest=32).tokens == 32
    assert estimate(CHATGLM, card_run(), longest=9999).tokens == 128


def test_estimate_needs_no_torch():
    code = "import sys, glm_core.training.memory.memory_estimate, glm_core.training.run_writer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
