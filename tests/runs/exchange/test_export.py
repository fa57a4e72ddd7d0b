"""What leaves the program answers in other tools as it did inside: merged folders, adapters, GGUF, and the check after each."""

import io
import json
import shutil

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from safetensors.torch import load_file

from glm_core import __main__ as program
from glm_core import i18n, models, workspace
from glm_core.adapters import attach, published_lora
from glm_core.adapters.errors import AdapterError
from glm_core.jobs import Cancelled
from glm_core.runs import store
from glm_core.runs.exchange import (
    chat_template,
    check,
    export,
    export_job,
    import_adapter,
    model_card,
    model_files,
    tokenizer_json,
)
from glm_core.runs.exchange.adapter_format import AdapterExporter
from glm_core.runs.exchange.exporter import FORMATS, ExportSource, ExportTool, Format, exporter
from glm_core.runs.exchange.gguf.write import write_gguf
from glm_core.runs.files import RunError
from glm_core.training.settings import TrainingSettings
from tests.golden import GOLDEN, TOKENIZERS, needs_golden, needs_tokenizers
from tests.runs.exchange.published import publish
from tests.runs.exchange.test_import_adapter import loose
from tests.tiny import tiny_chatglm
from tests.training.small import stir

MESSAGES = [
    [{"role": "user", "content": "你是谁？"}],
    [{"role": "user", "content": "  two  spaces\n\tand lines"}],
    [
        {"role": "system", "content": "你叫小明"},
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": "你好！sophisticated"},
        {"role": "user", "content": "再说一遍"},
    ],
]
TEXT_FAMILIES = ("chatglm2", "chatglm3", "glm4-original", "codegeex4", "glm", "glm4", "bloom")


def made_run(kind, tmp_path, **settings):
    """A run of a small model of `kind`, whose adapter changes every answer."""
    base = workspace.home() / "models" / kind
    (tiny_chatglm if kind == "chatglm" else lambda folder: publish(kind, folder))(base)
    loaded = models.load(base)
    attach.attach(loaded, TrainingSettings(lora_rank=4, lora_dropout=0.0).changed(**settings))
    stir(loaded)
    attach.save(loaded, tmp_path / "trained", {"step": 7})
    files = {path.name: path.read_bytes() for path in (tmp_path / "trained").iterdir()}
    return import_adapter.import_adapter(loose(files), base, name="试炼"), base


def silent(stage, fraction):
    """Progress that nobody watches."""


def equal(found):
    """ExportTool -> equal answers of all of its."""
    return {one.tool: f"{one.same}/{one.count}" for one in found}


@pytest.mark.parametrize("kind", TEXT_FAMILIES)
def test_the_template_of_a_merged_folder_writes_the_prompt_that_was_trained(kind, tmp_path):
    from transformers import AutoTokenizer

    folder = publish(kind, tmp_path / "model")
    model_files.complete(folder)
    family, own = models.describe(folder).family, models.load_tokenizer(folder)
    plain = AutoTokenizer.from_pretrained(folder)
    for messages in MESSAGES:
        ids = plain.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert ids == family.encode_prompt(own, messages)


@pytest.mark.parametrize("kind", TEXT_FAMILIES)
def test_plain_transformers_tokenizes_as_we_do(kind, tmp_path):
    from transformers import AutoTokenizer

    folder = publish(kind, tmp_path / "model")
    model_files.complete(folder)
    own, plain = models.load_tokenizer(folder), AutoTokenizer.from_pretrained(folder)
    for text in ("", "你好", "sophisticated", "  a\n\n b", "🙂 １２３ don't", "\t\r\n", "今天 is 好 day 2026"):
        ids = own.encode(text)
        assert plain.encode(text, add_special_tokens=False) == ids
        assert plain.decode(ids) == own.decode(ids)


@needs_golden
@needs_tokenizers
@pytest.mark.parametrize("name", ["chatglm2-6b", "chatglm3-6b", "glm-4-9b-chat"])
def test_plain_transformers_tokenizes_as_the_published_tokenizers_do(name, tmp_path):
    from transformers import PreTrainedTokenizerFast

    shutil.copytree(TOKENIZERS / name, tmp_path / name)
    own = models.load_tokenizer(tmp_path / name)
    assert tokenizer_json.write(tmp_path / name)
    plain = PreTrainedTokenizerFast.from_pretrained(tmp_path / name)
    cases = json.loads((GOLDEN / "tokenizers.json").read_text(encoding="utf-8"))
    texts = {case["text"] for version in cases.values() for case in version["cases"]} - {"[gMASK]<sop>"}
    assert len(texts) == 18  # control tokens written out are text here, and control tokens in transformers
    for text in texts:
        ids = own.encode(text)
        assert plain.encode(text, add_special_tokens=False) == ids
        assert plain.decode(ids) == own.decode(ids)


def test_a_merged_folder_has_stops_defaults_and_a_card_of_its_own(tmp_path):
    run, base = made_run("glm", tmp_path)
    (base / "README.md").write_text("# the base's own scores")
    folder = tmp_path / "out"
    export.write(ExportSource(run, base, measured=("学会了 20/20",)), "merged", folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    loaded = models.load(folder)
    assert settings["eos_token_id"] == loaded.family.stop_ids(loaded.tokenizer)
    assert settings["temperature"] == loaded.family.sampling["temperature"]
    card = (folder / "README.md").read_text()
    assert "own scores" not in card and base.name in card and "试炼" in card and "学会了 20/20" in card
    assert (folder / chat_template.FILE).is_file()


def test_plain_transformers_answers_as_the_run_from_a_merged_folder(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run, base = made_run("glm", tmp_path)
    export.write(ExportSource(run, base), "merged", tmp_path / "out", "float32")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    ours = models.load(base)
    attach.load_adapter(ours, run.adapter(), "run")
    attach.activate(ours, "run")
    for messages in MESSAGES:
        ids = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=False
        )
        found = model.generate(ids, do_sample=False, max_new_tokens=8, eos_token_id=[], temperature=None, top_p=None)
        expected = ids
        with torch.no_grad():
            for _ in range(8):
                chosen = ours.model(input_ids=expected).logits[:, -1].argmax(-1, keepdim=True)
                expected = torch.cat([expected, chosen], dim=1)
        assert torch.equal(found, expected)


@pytest.mark.parametrize("kind", ["chatglm2", "chatglm3", "glm4-original"])
@pytest.mark.parametrize(
    "settings", [{}, {"lora_targets": "all-linear"}, {"rslora": True, "lora_targets": "q_proj,v_proj"}]
)
def test_a_fused_adapter_changes_the_published_weights_as_ours_changes_the_split_ones(kind, settings, tmp_path):
    run, base = made_run(kind, tmp_path, **settings)
    export.write(ExportSource(run, base), "adapter", tmp_path / "out")
    folder = tmp_path / "out" / "published"
    config, tensors = (
        json.loads((folder / "adapter_config.json").read_text()),
        load_file(folder / "adapter_model.safetensors"),
    )
    scale = config["lora_alpha"] / (config["r"] ** 0.5 if config["use_rslora"] else config["r"])
    export.write(ExportSource(run, base), "merged", tmp_path / "merged", "float32")
    before, after = load_file(base / "model.safetensors"), load_file(tmp_path / "merged" / "model.safetensors")
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    pairs = {name.split(".lora_")[0].removeprefix("base_model.model.") for name in tensors}
    assert changed == {f"{name}.weight" for name in pairs}
    assert {name.rpartition(".")[2] for name in pairs} == set(config["target_modules"])
    for name in pairs:
        a, b = (tensors[f"base_model.model.{name}.lora_{part}.weight"] for part in "AB")
        assert a.shape[0] == b.shape[1] == config["r"]
        assert (before[f"{name}.weight"] + scale * b @ a - after[f"{name}.weight"]).abs().max() < 1e-4


def test_a_fused_adapter_comes_back_as_the_run_it_was(tmp_path):
    run, base = made_run("chatglm3", tmp_path)
    export.write(ExportSource(run, base), "adapter", tmp_path / "out")
    files = {path.name: path.read_bytes() for path in (tmp_path / "out" / "published").iterdir()}
    again = import_adapter.import_adapter(loose(files), base)
    found = check.compare(ExportSource(again, base), "adapter", run.adapter(), silent)
    assert equal(found) == {"easyAIGC": "20/20"}


def test_an_adapter_under_its_published_names_gets_no_second_copy(tmp_path):
    run, base = made_run("glm", tmp_path)
    assert not published_lora.write(run.adapter(), base, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_magnitudes_have_no_fused_form(tmp_path):
    run, base = made_run("chatglm3", tmp_path, dora=True)
    with pytest.raises(AdapterError) as caught:
        published_lora.write(run.adapter(), base, tmp_path / "published")
    assert caught.value.key == "adapters.error.dora_fused"


@pytest.mark.parametrize(
    ("kind", "format", "tools"),
    [
        ("chatglm3", "merged", {"easyAIGC"}),  # transformers has no network of its published layout
        ("chatglm3", "transformers", {"easyAIGC", "transformers"}),
        ("chatglm3", "adapter", {"easyAIGC"}),
        ("glm", "merged", {"easyAIGC", "transformers"}),
        ("glm", "adapter", {"easyAIGC", "PEFT"}),
        ("bloom", "merged", {"easyAIGC", "transformers"}),
        ("qwen2", "adapter", {"easyAIGC", "PEFT"}),
    ],
)
def test_every_export_is_asked_twenty_questions_by_its_tools_and_its_record_keeps_the_answers(
    kind, format, tools, tmp_path
):
    run, base = made_run(kind, tmp_path)
    job = export.start_export(run, base, format=format)
    job.wait(120)
    assert job.error is None and job.state == "done"
    assert equal(job.comparisons) == dict.fromkeys(tools, "20/20")
    record = json.loads((export.exports_folder() / ".jobs" / f"{job.path.name}.json").read_text())
    assert [check.ExportCheck.from_dict(one) for one in record["comparisons"]] == job.comparisons


def test_a_tool_that_is_not_installed_or_fails_is_named_and_the_export_stays(tmp_path, monkeypatch):
    def fail(*asked):
        raise ValueError("no such network")

    class Tooled(ToyExporter):
        def tools(self, source):
            return [ExportTool("one", fail), ExportTool("two", fail, "no_such_module", "no-such-package")]

    monkeypatch.setitem(FORMATS, "toy", Format(__name__))
    monkeypatch.setitem(globals(), "EXPORTER", Tooled())
    run, base = made_run("glm", tmp_path)
    job = export.start_export(run, base, format="toy")
    job.wait(120)
    said = [one.sentence for one in job.comparisons]
    assert job.state == "done" and len(said) == 2
    assert "one" in said[0] and "no such network" in said[0] and "no-such-package" in said[1]


def test_a_check_that_is_cancelled_leaves_the_export(tmp_path, monkeypatch):
    run, base = made_run("glm", tmp_path)

    def cancel(*asked):
        raise Cancelled

    monkeypatch.setattr(export_job, "compare", cancel)
    job = export.start_export(run, base, format="adapter")
    job.wait(120)
    assert job.state == "done" and job.path.is_dir() and not job.comparisons


def test_the_card_is_in_the_language_of_who_exports_and_tells_what_the_report_measured(tmp_path):
    run, base = made_run("glm", tmp_path)
    i18n.use("en")
    job = export.start_export(run, base, format="adapter", check=False, measured=("learned 20/20",))
    i18n.use("zh")
    job.wait(120)
    card = (job.path / "README.md").read_text()
    assert "trained with easyAIGC" in card and "learned 20/20" in card


@pytest.mark.parametrize("switched", ["pissa", "dora", "rslora", ""])
def test_the_card_names_what_changes_the_meaning_of_the_rank(switched, tmp_path, monkeypatch):
    run, base = made_run("glm", tmp_path)
    settings = {"method": "lora", "lora_rank": 4, "pissa": False, "dora": False, "rslora": False} | {switched: True}
    monkeypatch.setattr(type(run), "final_settings", lambda self: settings)
    card = model_card.text(ExportSource(run, base), "adapter", "peft")
    assert "lora_rank = 4" in card
    for name in ("pissa", "dora", "rslora"):
        assert (f"{name} = True" in card) is (name == switched)


@pytest.mark.parametrize("strength", [float("nan"), -0.1, 1.6])
def test_a_strength_out_of_range_is_refused_before_anything_is_written(strength, tmp_path, capsys):
    run, _base = made_run("glm", tmp_path)
    asked = ["export", run.id, "--strength", str(strength), "--out", str(tmp_path / "out"), "--lang", "en"]
    assert program.main(asked) == 2 and "1.5" in capsys.readouterr().err
    i18n.use("zh")
    assert not (tmp_path / "out").exists()


def test_a_strength_is_no_part_of_an_adapter(tmp_path):
    run, base = made_run("glm", tmp_path)
    with pytest.raises(RunError) as caught:
        export.write(ExportSource(run, base, strength=0.5), "adapter", tmp_path / "out")
    assert caught.value.key == "exports.no_strength" and not (tmp_path / "out").exists()


def test_an_export_that_answers_differently_is_told_with_an_example(tmp_path):
    run, base = made_run("chatglm3", tmp_path)
    export.write(ExportSource(run, base), "merged", tmp_path / "out")
    other = ExportSource(run, base, strength=0.0)  # what the untrained base says
    (found,) = check.compare(other, "merged", tmp_path / "out", silent)
    assert found.count == 20 and found.same < 20
    question, expected, answered = found.differing
    assert question and expected != answered


def test_a_gguf_export_has_all_its_files(tmp_path):
    run, base = made_run("chatglm3", tmp_path)
    file = export.write(ExportSource(run, base), "gguf", tmp_path / "out", "q8_0")
    assert file.suffix == ".gguf" and file.read_bytes()[:4] == b"GGUF"
    words = (tmp_path / "out" / "Modelfile").read_text()
    assert f"FROM ./{file.name}" in words and 'PARAMETER stop "<|user|>"' in words and "<|assistant|>" in words
    card = (tmp_path / "out" / "README.md").read_text()
    assert all(f"{command} " in card for command in ("llama-cli", "ollama create", "lms import")) and file.name in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out", "trained"] or not [
        path for path in tmp_path.iterdir() if path.name.startswith(".")
    ]


@pytest.mark.parametrize("kind", ["chatglm3", "bloom", "llama"])
@pytest.mark.parametrize("rslora", [False, True])
def test_a_gguf_adapter_changes_llama_cpps_matrices_as_the_run_changes_its_own(kind, rslora, tmp_path):
    run, base = made_run(kind, tmp_path, rslora=rslora, lora_targets="all-linear")
    adapter = GGUFReader(export.write(ExportSource(run, base, strength=0.5), "gguf-adapter", tmp_path / "adapter"))
    found = {one.name: one.data for one in adapter.tensors}
    alpha = adapter.fields["adapter.lora.alpha"].contents()
    plain = write_gguf(base, tmp_path / "base.gguf", kind="f32")
    merged = export.write(ExportSource(run, base, strength=0.5), "gguf", tmp_path / "merged", "f32")
    before, after = ({one.name: one.data for one in GGUFReader(file).tensors} for file in (plain, merged))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {name.removesuffix(".lora_a") for name in found if name.endswith(".lora_a")}
    for name in changed:
        a, b = found[f"{name}.lora_a"], found[f"{name}.lora_b"]
        assert np.abs(before[name] + alpha / len(a) * b @ a - after[name]).max() < 1e-4


def test_a_gguf_adapter_has_its_commands_and_no_magnitudes(tmp_path):
    run, base = made_run("llama", tmp_path)
    file = export.write(ExportSource(run, base), "gguf-adapter", tmp_path / "out")
    words = (tmp_path / "out" / "Modelfile").read_text()
    assert f"ADAPTER ./{file.name}" in words and words.startswith("FROM ./llama-F16.gguf")
    assert f"--lora {file.name}" in (tmp_path / "out" / "README.md").read_text()
    run, base = made_run("qwen2", tmp_path / "dora", dora=True)
    with pytest.raises(AdapterError) as caught:
        export.write(ExportSource(run, base), "gguf-adapter", tmp_path / "second")
    assert caught.value.key == "gguf.error.dora"


def test_a_prefix_is_refused_as_gguf_before_anything_is_written(tmp_path):
    run, base = made_run("chatglm3", tmp_path, method="ptuning", prefix_length=4)
    with pytest.raises(AdapterError) as caught:
        export.start_export(run, base, format="gguf")
    assert caught.value.key == "gguf.error.prefix" and export.jobs() == []


def test_formats_and_types_that_there_are_not_are_named_with_those_there_are(tmp_path):
    run, base = made_run("glm", tmp_path)
    for values, known in (({"format": "onnx"}, "gguf"), ({"format": "gguf", "kind": "q2_k"}, "q8_0")):
        with pytest.raises(RunError, match=known):
            export.start_export(run, base, **values)
    assert all(exporter(name).artefact(tmp_path) for name in FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_a_page_offers_types_that_a_format_has_and_has_words_for_it(name):
    assert set(FORMATS[name].offered) <= set(exporter(name).types)
    assert all(i18n.t(f"models.export_{key}.{name}") for key in ("format", "about"))


class ToyExporter(AdapterExporter):
    """A format that lives in this file."""

    def tools(self, source):
        own = super().tools(source)[0]
        return [ExportTool("toy", own.answer)]

    def write(self, source, folder, kind, progress):
        shutil.copytree(source.adapter, folder, dirs_exist_ok=True)


EXPORTER = ToyExporter()


def test_a_format_of_one_file_and_one_entry_is_written_and_checked_by_its_own_tool(tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, "toy", Format(__name__))
    run, base = made_run("chatglm3", tmp_path)
    job = export.start_export(run, base, format="toy")
    job.wait(120)
    assert job.state == "done" and equal(job.comparisons) == {"toy": "20/20"}


def test_the_command_line_exports_checks_and_says_so(tmp_path, capsys):
    run, base = made_run("glm", tmp_path)
    assert program.main(["export", run.id, "--format", "adapter", "--out", str(tmp_path / "out"), "--lang", "en"]) == 0
    assert capsys.readouterr().out.count("20 of 20") == 2  # this program and PEFT
    assert program.main(["export", run.id, "--out", str(tmp_path / "out"), "--lang", "en"]) == 2
    assert "already" in capsys.readouterr().err or (tmp_path / "out").is_dir()
    assert program.main(["export", "nothing", "--out", str(tmp_path / "x"), "--lang", "zh"]) == 2
    i18n.use("zh")
    assert store.runs() and not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", ["chatglm2", "chatglm3", "glm4-original"])
def test_published_code_is_not_needed_in_transformers_layout(kind, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    run, base = made_run(kind, tmp_path)
    folder = export.write(ExportSource(run, base), "transformers", tmp_path / "out", "float32")
    plain, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    ours = models.load(base)
    attach.load_adapter(ours, run.adapter(), "run")
    attach.activate(ours, "run")
    for messages in MESSAGES:
        ids = tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_tensors="pt", return_dict=False
        )
        with torch.no_grad():
            assert (plain(input_ids=ids).logits - ours.model(input_ids=ids).logits).abs().max() < 1e-3
    assert models.describe(folder).family.name == kind
    found = check.compare(ExportSource(run, base), "transformers", folder, silent)
    assert equal(found) == {"easyAIGC": "20/20", "transformers": "20/20"}


def test_a_network_that_transformers_has_not_keeps_its_published_layout(tmp_path):
    run, base = made_run("chatglm", tmp_path)
    with pytest.raises(AdapterError) as caught:
        export.start_export(run, base, format="transformers")
    assert caught.value.key == "exports.no_layout" and "ChatGLM-6B" in str(caught.value)


def test_a_zip_of_an_exported_adapter_comes_in_again(tmp_path):
    run, base = made_run("chatglm3", tmp_path)
    export.write(ExportSource(run, base), "adapter", tmp_path / "out")
    archive = io.BytesIO(export.zip_folder(tmp_path / "out"))
    again = import_adapter.import_adapter([("out.zip", archive)], base)
    name = "adapter_model.safetensors"
    assert (again.adapter() / name).read_bytes() == (run.adapter() / name).read_bytes()


@pytest.mark.parametrize(
    ("config", "served"),
    [
        ({"model_type": "bloom"}, True),
        ({"model_type": "glm"}, True),
        ({"model_type": "chatglm"}, False),
        ({}, False),
        ([], False),
    ],
)
def test_vllm_is_offered_where_it_knows_the_network(config, served, tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    assert export.serve_command(folder, "x") is None
    (folder / "config.json").write_text(json.dumps(config))
    command = export.serve_command(folder, "my model")
    assert (command is not None) is served
    assert not served or command == f"vllm serve '{folder}' --served-model-name 'my model' --port 8000"
