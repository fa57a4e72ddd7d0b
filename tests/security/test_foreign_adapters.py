"""Adapters that people bring: what would fill the memory, says nothing true or cannot be used is refused with a sentence; the rest comes in."""

import io
import json
import zipfile

import pytest
import torch
from safetensors.torch import load, save

from glm_core.errors import EasyError
from glm_core.runs import store
from glm_core.runs.exchange import adapter_check, import_adapter
from tests.runs.exchange.test_import_adapter import base, loose, trained, zipped  # noqa: F401 - base is a fixture

CONFIG, LORA, PREFIX = "adapter_config.json", "adapter_model.safetensors", "pytorch_model.bin"


@pytest.fixture
def lora(base, tmp_path):  # noqa: F811
    return trained(base, tmp_path / "made")


def pickled(tensors) -> bytes:
    content = io.BytesIO()
    torch.save(tensors, content)
    return content.getvalue()


def refusal(base, files) -> EasyError:  # noqa: F811
    with pytest.raises(EasyError) as caught:
        import_adapter.import_adapter(files, base)
    assert store.runs() == []
    assert "building" not in str(caught.value) and "/tmp" not in str(caught.value)
    return caught.value


def changed(lora, **entries):
    config = json.loads(lora[CONFIG]) | entries
    return lora | {CONFIG: json.dumps(config).encode()}


NAN = float("nan")
PREFIXES = {
    "expanded": torch.zeros(1).expand(40_000, 40_000),
    "shared": torch.zeros(1000, 1000),
    "0-d": torch.tensor(1.0),
    "no rows": torch.zeros(0, 64),
    "NaN": torch.full((5, 64), NAN),
    "complex": torch.zeros(5, 64, dtype=torch.complex64),
    "3-d": torch.zeros(2, 5, 64),
    "whole numbers": torch.zeros(5, 64, dtype=torch.int64),
    "sparse": torch.zeros(5, 64).to_sparse(),
}


@pytest.mark.parametrize("kind", PREFIXES)
def test_an_odd_prefix_is_refused_before_it_is_copied(base, kind):  # noqa: F811
    names = [f"transformer.prefix_encoder.{name}" for name in ("embedding.weight", *map(str, range(40)))]
    tensor = PREFIXES[kind]
    tensors = dict.fromkeys(names, tensor) if kind == "shared" else {names[0]: tensor}
    content = pickled(tensors)
    assert len(content) < 5_000_000
    refusal(base, loose({PREFIX: content}))


def test_a_compressed_file_of_weights_is_refused(base):  # noqa: F811
    plain = pickled({"transformer.prefix_encoder.embedding.weight": torch.zeros(3_000_000)})
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(plain)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    assert refusal(base, loose({PREFIX: packed.getvalue()})).key == "models.weights_inflated"


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_numbers_that_are_none_are_said(base, lora, value):  # noqa: F811
    tensors = load(lora[LORA])
    tensors[next(iter(tensors))].view(-1)[0] = value
    assert refusal(base, loose(lora | {LORA: save(tensors)})).key == "adapters.error.numbers"


def test_a_lora_that_changes_nothing_is_said(base, lora):  # noqa: F811
    tensors = {name: t * 0 if "lora_B" in name else t for name, t in load(lora[LORA]).items()}
    assert refusal(base, loose(lora | {LORA: save(tensors)})).key == "adapters.error.all_zero"
    assert refusal(base, loose(changed(lora, lora_alpha=0))).key == "adapters.error.all_zero"


def test_a_scale_that_is_no_scale_is_said(base, lora):  # noqa: F811
    assert refusal(base, loose(changed(lora, lora_alpha=1e308))).key == "adapters.error.unreadable"


@pytest.mark.parametrize(
    ("entries", "named"),
    [
        ({"peft_type": "PREFIX_TUNING"}, "PREFIX_TUNING"),
        ({"bias": "lora_only"}, "bias: lora_only"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
    ],
)
def test_what_is_not_supported_is_named(base, lora, entries, named):  # noqa: F811
    files = changed(lora, **entries)
    if "peft_type" in entries:
        config = json.loads(files[CONFIG])
        config.pop("lora_alpha")
        files[CONFIG] = json.dumps(config).encode()
    error = refusal(base, loose(files))
    assert error.key == "adapters.error.kind" and error.values["kind"] == named


@pytest.mark.parametrize(
    "content", [b"[" * 200_000, b'{"a":' * 100_000, b"[]", b"null", b"\xff\xfe", b'{"lora_alpha": NaN}']
)
def test_an_odd_configuration_is_a_sentence(base, lora, content):  # noqa: F811
    refusal(base, loose(lora | {CONFIG: content}))


@pytest.mark.parametrize("name", [LORA, PREFIX])
def test_a_git_lfs_pointer_is_named(base, lora, name):  # noqa: F811
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    files = lora | {LORA: pointer} if name == LORA else {PREFIX: pointer}
    assert refusal(base, loose(files)).key == "models.lfs_pointer"


def test_what_older_peft_and_other_systems_write_comes_in(base, lora):  # noqa: F811
    older = {CONFIG: b"\xef\xbb\xbf" + lora[CONFIG], "adapter_model.bin": pickled(load(lora[LORA]))}
    copied = {CONFIG: lora[CONFIG], "adapter_model (1).safetensors": lora[LORA]}
    checkpoints = {f"out/{name}": data for name, data in lora.items()}
    checkpoints |= {f"out/checkpoint-{step}/{name}": b"x" for step in (5, 10) for name in lora}
    for files in (loose(older), loose(copied), zipped(lora, "a\\b\\"), zipped(checkpoints, "")):
        assert import_adapter.has_adapter(files)
        import_adapter.import_adapter(files, base)
    assert len(store.runs()) == 4


def test_a_bounded_check_finds_what_the_check_here_finds(base, lora):  # noqa: F811
    run = import_adapter.import_adapter(loose(lora), base, isolated=True)
    assert run.settings["method"] == "lora" and len(store.runs()) == 1
    with pytest.raises(EasyError) as caught:
        import_adapter.import_adapter(loose(lora | {LORA: b"no tensors"}), base, isolated=True)
    with pytest.raises(EasyError) as expected:
        import_adapter.import_adapter(loose(lora | {LORA: b"no tensors"}), base)
    assert type(caught.value) is type(expected.value) and caught.value.key == expected.value.key
    assert len(store.runs()) == 1 and "building" not in str(caught.value)


def test_a_check_that_takes_too_much_ends_alone_with_a_sentence(base, lora, monkeypatch):  # noqa: F811
    monkeypatch.setattr(adapter_check, "SECONDS", 0.2)
    with pytest.raises(EasyError) as caught:
        import_adapter.import_adapter(loose(lora), base, isolated=True)
    assert caught.value.key == "imports.too_heavy" and store.runs() == []
