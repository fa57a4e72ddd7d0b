"""An engine for page tests that needs no model: scripted answers on real handles."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy

from glm_core.serving import Request, RequestHandle, UnknownModel
from glm_core.serving.errors import ServingError
from glm_core.serving.served_models import Provenance, ServedModel


class ScriptedEngine:
    """Answers each request with `script(request)`, in pieces of two characters.

    `error` is raised by `submit` when set; `hold` keeps answers open until it is set.
    """

    local = True

    def __init__(self, base: Path, script: Callable[[Request], str], runs: dict[str, str] | None = None):
        self.script = script
        self.requests: list[Request] = []
        self.error: ServingError | None = None
        self.reason = "stop"
        "Why answers end."
        self.progress = None
        self.loaded = None
        self.distances: dict[str, float] = {}
        "First-token distance by question; 0.5 where it says nothing."
        self.listed = [ServedModel(base.name, base.name, base)]
        self.listed += [ServedModel(id, title, base, base, step=60) for id, title in (runs or {}).items()]

    def add_run(self, id: str, title: str) -> None:
        """One more run to choose."""
        self.listed.append(ServedModel(id, title, self.listed[0].base, self.listed[0].base, step=60))

    def check(self) -> None:
        pass

    def catalogue(self) -> list[ServedModel]:
        return self.listed

    def find(self, name: str) -> ServedModel:
        for choice in self.listed:
            if choice.name == name:
                return choice
        raise UnknownModel("serving.unknown_model", name=name, known="")

    def fits(self, model: ServedModel, questions: Sequence[str]) -> list[bool]:
        return [True] * len(questions)

    def first_token_distributions(self, model: ServedModel, questions: Sequence[str]) -> list[numpy.ndarray]:
        def distribution(question: str) -> numpy.ndarray:
            away = self.distances.get(question, self.distances.get("*", 0.5)) if model.tuned else 0.0
            return numpy.array([1 - away, away])

        return [distribution(question) for question in questions]

    def submit(self, request: Request) -> RequestHandle:
        if self.error is not None:
            raise self.error
        self.requests.append(request)
        handle = RequestHandle(request, self.find(request.model))
        tuned = handle.choice.tuned
        sampling = {"temperature": request.temperature or 0.0, "seed": request.seed or 0}
        handle.provenance = Provenance(
            "tiny", request.model if tuned else None, handle.choice.title, 60, request.strength, sampling
        )
        handle.prompt_tokens = 5
        threading.Thread(target=self.answer, args=(handle,), daemon=True).start()
        return handle

    def answer(self, handle: RequestHandle) -> None:
        handle.begin()
        answer = self.script(handle.request)
        for start in range(0, len(answer), 2):
            handle.add(answer[start : start + 2])
        handle.finish(self.reason)
