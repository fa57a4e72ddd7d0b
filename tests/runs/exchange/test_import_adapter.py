"""Adapters come in checked and whole, or not at all; what is taken away comes in again; merges are whole models."""

import io
import json
import os
import shutil
import signal
import zipfile

import pytest
import torch
from safetensors.torch import save

from glm_core import models, workspace
from glm_core.adapters import attach
from glm_core.errors import EasyError
from glm_core.runs import store
from glm_core.runs.exchange import export, import_adapter
from glm_core.runs.files import RunError
from glm_core.serving import served_models
from glm_core.training.settings import TrainingSettings
from tests.tiny import tiny_chatglm
from tests.training.forked import Copy


@pytest.fixture
def base(workspace):
    """A small model of one's own."""
    return tiny_chatglm(workspace / "models" / "tiny")


def trained(base, folder, method="lora"):
    """An adapter that changes answers; returns its files by name."""
    loaded = models.load(base)
    torch.manual_seed(0)
    attach.attach(loaded, TrainingSettings(method=method, lora_rank=4, prefix_length=5, prefix_projection=False))
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 0.3)
    attach.save(loaded, folder, {"step": 12})
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def zipped(files, inside="adapter/"):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(inside + name, data)
    content.seek(0)
    return [("mine.zip", content)]


def loose(files):
    return [(name, io.BytesIO(data)) for name, data in files.items()]


def logits(base, adapter=None):
    loaded = models.load(base)
    if adapter is not None:
        attach.load_adapter(loaded, adapter, "x")
        attach.activate(loaded, "x")
    loaded.model.eval()
    ids = torch.tensor([loaded.family.encode_prompt(loaded.tokenizer, [{"role": "user", "content": "你好"}])])
    with torch.no_grad():
        return loaded.model(input_ids=ids).logits


def nothing_came(base):
    assert store.runs() == [] and not list(workspace.home().glob(".adapter-*"))
    assert not list(store.folder().glob(".*")) if store.folder().exists() else True


@pytest.mark.parametrize("pack", [zipped, loose])
@pytest.mark.parametrize("method", ["lora", "ptuning"])
def test_an_adapter_becomes_a_run_that_answers_the_same(base, tmp_path, method, pack):
    files = pack(trained(base, tmp_path / "a", method))
    assert import_adapter.origin(files).base == "tiny"
    run = import_adapter.import_adapter(files, base, name="外来的", owner="local")
    assert (run.name, run.owner, run.status().state, run.status().step) == ("外来的", "local", "finished", 12)
    assert not run.damaged and run.settings["method"] == method
    assert torch.equal(logits(base, run.adapter()), logits(base, tmp_path / "a"))
    assert [choice.name for choice in served_models.catalogue() if choice.tuned] == [run.id]
    again = import_adapter.import_adapter(
        zipped({"x.zip": b""}) + [("x.zip", io.BytesIO(export.zip_folder(run.adapter())))], base
    )
    assert torch.equal(logits(base, again.adapter()), logits(base, run.adapter()))


def test_a_plain_peft_folder_needs_no_file_of_ours(base, tmp_path):
    files = trained(base, tmp_path / "a")
    del files["easyaigc.json"]
    assert import_adapter.origin(loose(files)) == import_adapter.Origin("tiny")
    run = import_adapter.import_adapter(loose(files), base)
    assert run.settings == {"method": "lora", "lora_rank": 4} and run.status().step == 0


def test_an_adapter_of_another_base_is_refused(base, tmp_path):
    files = trained(base, tmp_path / "a")
    other = tiny_chatglm(workspace.home() / "models" / "other", hidden_size=32, inner_hidden_size=128)
    with pytest.raises(EasyError, match="换成训练它时用的基座模型"):
        import_adapter.import_adapter(zipped(files), other)
    prefix = trained(base, tmp_path / "p", "ptuning")
    with pytest.raises(EasyError, match="换成训练它时用的基座模型"):
        import_adapter.import_adapter(zipped(prefix), other)
    nothing_came(base)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('ran')",))


def pickled():
    content = io.BytesIO()
    torch.save({"transformer.prefix_encoder.embedding.weight": Evil()}, content)
    return content.getvalue()


BAD = {
    "not a zip": lambda files: [("a.zip", io.BytesIO(b"no zip"))],
    "an empty zip": lambda files: zipped({}),
    "two adapters": lambda files: zipped({"a/adapter_config.json": b"{}", "b/adapter_config.json": b"{}"}),
    "no weights": lambda files: zipped({"adapter_config.json": files["adapter_config.json"]}),
    "weights cut short": lambda files: loose(
        files | {"adapter_model.safetensors": files["adapter_model.safetensors"][:-50]}
    ),
    "another module": lambda files: loose(
        files
        | {
            "adapter_model.safetensors": save(
                {
                    "base_model.model.x.lora_A.weight": torch.ones(4, 64),
                    "base_model.model.x.lora_B.weight": torch.ones(64, 4),
                }
            )
        }
    ),
    "a config that is none": lambda files: loose(files | {"adapter_config.json": b"[]"}),
    "a config of another kind": lambda files: loose(
        files | {"adapter_config.json": json.dumps({"peft_type": "IA3"}).encode()}
    ),
    "code in a pickle": lambda files: [("pytorch_model.bin", io.BytesIO(pickled()))],
    "a prefix without tensors": lambda files: [("pytorch_model.bin", io.BytesIO(b""))],
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_adapter_is_a_sentence_and_leaves_nothing(base, tmp_path, case):
    files = BAD[case](trained(base, tmp_path / "a"))
    with pytest.raises(EasyError) as error:
        import_adapter.import_adapter(files, base)
    assert str(error.value)
    nothing_came(base)


def test_names_in_a_zip_cannot_lead_outside(base, tmp_path):
    files = trained(base, tmp_path / "a")
    archive = zipped(files, "../../") if files else None
    run = import_adapter.import_adapter(archive, base)
    inside = {path.name for path in run.adapter().iterdir()}
    assert inside == set(files) and not (workspace.home().parent / "adapter_config.json").exists()


def test_a_zip_that_unpacks_without_end_is_cut_off(base, tmp_path, monkeypatch):
    monkeypatch.setattr(import_adapter, "LARGEST", 1000)
    with pytest.raises(RunError, match="太大"):
        import_adapter.import_adapter(zipped(trained(base, tmp_path / "a")), base)
    nothing_came(base)


@pytest.mark.parametrize("method", ["lora", "ptuning"])
def test_a_merge_is_a_whole_model_that_answers_as_base_and_adapter(base, tmp_path, method):
    run = import_adapter.import_adapter(zipped(trained(base, tmp_path / "a", method)), base)
    job = export.start_export(run, base)
    job.wait(60)
    assert job.state == "done" and export.jobs() == [job]
    with pytest.raises(RunError, match="已经在了"):
        export.start_export(run, base)
    assert (logits(job.path) - logits(base, run.adapter())).abs().max() < 1e-4
    folder = export.keep_as_model(job)
    assert export.jobs() == [] and folder.name in [choice.name for choice in served_models.catalogue()]


def whole_folders():
    return [path.name for path in export.exports_folder().iterdir() if path.name != ".jobs"]


def test_a_cancelled_merge_leaves_nothing(base, tmp_path, monkeypatch):
    run = import_adapter.import_adapter(zipped(trained(base, tmp_path / "a")), base)
    monkeypatch.setattr(
        export.Export, "begin", lambda job, *args, begin=export.Export.begin: (job.cancel(), begin(job, *args))
    )
    job = export.start_export(run, base)
    job.wait(60)
    assert job.state == "cancelled" and whole_folders() == []
    export.forget(job)
    assert export.jobs() == [] and list((export.exports_folder() / ".jobs").iterdir()) == []


def merge_and_die(run, base) -> int:
    """End this process where everything is written and nothing has its name yet."""
    workspace.share = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    export.start_export(run, base).wait(60)
    return 0


def test_a_merge_that_ended_with_its_server_says_so_and_leaves_no_half_file(base, tmp_path):
    run = import_adapter.import_adapter(zipped(trained(base, tmp_path / "a")), base)
    assert Copy(lambda: merge_and_die(run, base)).wait() == -signal.SIGKILL
    assert [name for name in whole_folders() if name.startswith(".new-tiny-")], "it had begun to write"
    (job,) = export.jobs()
    assert (job.state, job.run_id, job.plan.base) == ("broken", run.id, base) and whole_folders() == []
    again = export.start_export(run, job.plan.base, job.plan.kind, job.plan.strength)
    again.wait(60)
    assert again.state == "done" and export.jobs() == [again]


def as_after_a_restart(monkeypatch):
    export.registry.clear()
    return export.jobs()


def test_what_came_of_merges_outlives_the_server(base, tmp_path, monkeypatch):
    run = import_adapter.import_adapter(zipped(trained(base, tmp_path / "a")), base)
    done = export.start_export(run, base)
    done.wait(60)
    (run.path / "adapter" / "adapter_model.safetensors").write_bytes(b"cut short")
    failed = export.start_export(run, base, strength=0.5)
    failed.wait(60)
    found = {job.path: job for job in as_after_a_restart(monkeypatch)}
    assert (found[done.path].state, found[failed.path].state) == ("done", "failed")
    assert str(found[failed.path].error) == str(failed.error) and found[done.path].title == done.title
    export.remove(found[done.path])
    assert whole_folders() == [] and [job.state for job in export.jobs()] == ["failed"]
    export.forget(found[failed.path])
    assert as_after_a_restart(monkeypatch) == []


@pytest.mark.parametrize("record", [b"", b"[]", b"{}", b'{"run": 5, "base": [], "state": "done"}'])
def test_a_merge_record_that_makes_no_sense_is_passed_over(workspace, record):
    (export.exports_folder() / ".jobs").mkdir(parents=True)
    (export.exports_folder() / ".jobs" / "x.json").write_bytes(record)
    assert export.jobs() == []


def retrained(base, seed=7):
    """`base` with other weights under the same name."""
    shutil.rmtree(base)
    return tiny_chatglm(base, seed=seed)


def test_an_adapter_knows_the_weights_it_was_trained_on(base, tmp_path):
    files = zipped(trained(base, tmp_path / "a"))
    run = import_adapter.import_adapter(files, base)
    assert not served_models.find(run.id).outdated and import_adapter.origin(files).warning(base) == ""
    renamed = base.rename(base.with_name("renamed"))
    assert import_adapter.origin(files).warning(renamed) == "", "the same weights under another name"
    renamed.rename(base)
    retrained(base)
    assert (
        served_models.find(run.id).outdated and import_adapter.origin(files).warning(base) == "models.import_outdated"
    )
    later = import_adapter.import_adapter(files, base)
    assert served_models.find(later.id).outdated, "a warning, no refusal"
    assert import_adapter.origin(files).warning(tiny_chatglm(base.with_name("other"), seed=3)) == "models.import_other"


def test_a_packed_base_is_refused_at_once(base, tmp_path):
    run = import_adapter.import_adapter(zipped(trained(base, tmp_path / "a")), base)
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"quantization_bit": 4}))
    with pytest.raises(EasyError, match="量化"):
        export.start_export(run, base)


def test_a_merge_at_half_strength_stands_beside_the_whole_one(base, tmp_path):
    run = import_adapter.import_adapter(zipped(trained(base, tmp_path / "a")), base)
    jobs = [export.start_export(run, base, strength=strength) for strength in (1.0, 0.5)]
    for job in jobs:
        job.wait(60)
    whole, half = (logits(job.path) for job in jobs)
    original = logits(base)
    assert 0 < (half - original).abs().max() < (whole - original).abs().max()
