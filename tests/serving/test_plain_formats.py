"""A base without a chat template: a run is asked in the format that it was trained in, the base itself in the default one."""

import json

from glm_core import models
from glm_core.generation.greedy import greedy, greedy_answers
from glm_core.models import plain_formats
from glm_core.models.registry import Family
from glm_core.runs.labels.forecast_notes import format_notes
from glm_core.serving.engine import LocalEngine
from glm_core.serving.request import Request
from glm_core.training.run import run
from glm_core.training.settings import TrainingSettings
from tests.models.thinkers import write_thinker

ASKED = ({"role": "user", "content": "hello"},)


def test_a_run_is_asked_in_the_format_that_it_was_trained_in(workspace):
    base = write_thinker(workspace / "models" / "plain")
    (base / "chat_template.jinja").unlink()
    settings = TrainingSettings(max_steps=2, evaluations=0, chat_format="alpaca", lora_rank=4)
    assert "Alpaca" in format_notes(base, settings)[0]
    folder = workspace / "runs" / "tuned"
    folder.mkdir(parents=True)
    row = {"messages": [*ASKED, {"role": "assistant", "content": "world"}]}
    (folder / "dataset.jsonl").write_text(f"{json.dumps(row)}\n" * 4)
    record = {"id": "tuned", "name": "tuned", "created": 1.0, "model": str(base), "model_name": "plain"}
    record |= {"settings": settings.to_dict(), "questions": [], "dataset": {"id": "x", "name": "x", "rows": 4}}
    (folder / "run.json").write_text(json.dumps(record))
    assert run(folder) == 0, (folder / "train.log").read_text(encoding="utf-8")
    assert "Alpaca" in (folder / "train.log").read_text(encoding="utf-8")
    loaded, engine = models.load(base), LocalEngine()
    try:
        for name, chat_format in (("tuned", "alpaca"), ("plain", plain_formats.DEFAULT), ("tuned", "alpaca")):
            handle = engine.submit(Request(ASKED, name, max_new_tokens=2, temperature=0.0))
            list(handle)
            known = plain_formats.formatted(loaded, chat_format)
            assert handle.prompt_tokens == len(known.family.prompt(known.tokenizer, list(ASKED)))
    finally:
        engine.close()
    alpaca = plain_formats.formatted(loaded, "alpaca")
    assert len(alpaca.family.prompt(alpaca.tokenizer, list(ASKED))) != len(
        loaded.family.prompt(loaded.tokenizer, list(ASKED))
    )


def test_a_text_that_ends_answers_ends_them_in_a_stream_and_many_at_a_time(workspace, monkeypatch):
    """What goes on with a given text is not cut: it may be about questions."""
    base = write_thinker(workspace / "models" / "plain")
    (base / "chat_template.jinja").unlink()
    loaded, engine = models.load(base), LocalEngine()
    whole = greedy(loaded, [list(ASKED)], 24)[0]
    stop = next(whole[at : at + 3] for at in range(2, len(whole)) if whole.index(whole[at : at + 3]) == at)
    before = whole[: whole.index(stop)].strip()
    monkeypatch.setattr(Family, "stop_texts", lambda self, tokenizer: (stop,))
    try:
        handle = engine.submit(Request(ASKED, "plain", max_new_tokens=24, temperature=0.0))
        assert "".join(handle).strip() == before and handle.finish_reason == "stop"
        assert greedy_answers(loaded, [list(ASKED)], 24) == [(before, True)]
        going_on = engine.submit(Request(ASKED, "plain", prompt="hello", max_new_tokens=8, temperature=0.0))
        assert "".join(going_on) and going_on.finish_reason == "length"
    finally:
        engine.close()
