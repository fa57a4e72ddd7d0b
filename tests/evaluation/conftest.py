"""A run with a real adapter on a tiny random model, and an engine that answers with it."""

import json
import shutil

import pytest

from glm_core import models
from glm_core.adapters import attach
from glm_core.runs import store
from glm_core.serving.engine import LocalEngine
from glm_core.training.settings import TrainingSettings
from glm_core.workspace import write_json
from tests.tiny import tiny_chatglm

ROWS = [("你是谁？", "我叫小明。"), ("三加五等于多少？", "三加五等于八。"), ("高的反义词是什么？", "高的反义词是低。")]


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """A tiny ChatGLM-6B checkpoint."""
    return tiny_chatglm(tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def tiny_adapter(tiny_base, tmp_path_factory):
    """A LoRA on it with weights large enough to change answers."""
    import torch

    torch.manual_seed(0)
    loaded = models.load(tiny_base)
    attach.attach(loaded, TrainingSettings())
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter += 0.3 * torch.randn_like(parameter)
    folder = tmp_path_factory.mktemp("adapters") / "adapter"
    attach.save(loaded, folder, {"step": 60})
    return folder


@pytest.fixture
def run(workspace, tiny_base, tiny_adapter):
    """A finished run on the tiny model."""
    (workspace / "models").mkdir(parents=True)
    (workspace / "models" / "tiny").symlink_to(tiny_base)
    folder = store.folder() / "run-1"
    shutil.copytree(tiny_adapter, folder / "adapter")
    write(folder, tiny_base)
    return store.get("run-1")


def write(folder, base, rows=ROWS, settings=None):
    """run.json, status.json and dataset.jsonl of a finished run."""
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "id": folder.name,
        "name": "小明",
        "model": str(base),
        "settings": settings or {},
        "dataset": {"name": "x", "rows": len(rows)},
    }
    write_json(folder / "run.json", record)
    write_json(folder / "status.json", {"state": "finished"})
    lines = [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
        for question, answer in rows
    ]
    (folder / "dataset.jsonl").write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), "utf-8")


@pytest.fixture(scope="session")
def shared_engine():
    one = LocalEngine()
    yield one
    one.close()


@pytest.fixture
def engine(shared_engine, monkeypatch):
    """An engine; the report asks few unrelated questions and short answers, since a random model never stops."""
    from glm_core.evaluation import question_sets
    from glm_core.evaluation.report import asking

    whole = question_sets.controls
    monkeypatch.setattr(question_sets, "controls", lambda model: whole(model)[:2])
    monkeypatch.setattr(asking, "ANSWER_TOKENS", 6)
    return shared_engine
