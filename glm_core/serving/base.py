"""The interface of an engine, which pages, API and evaluation use: `engine.LocalEngine` and `remote.RemoteEngine` implement it.

Likelihoods and distributions are plain numbers here, so that nobody outside this package touches a model. No torch.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from glm_core.errors import EasyError
from glm_core.serving.errors import EngineUnavailable, ServingError
from glm_core.serving.request import Request
from glm_core.serving.request_handle import RequestHandle
from glm_core.serving.served_models import ServedModel

if TYPE_CHECKING:
    import numpy

log = logging.getLogger(__name__)

Progress = Callable[[str, float | None], None]
"Called with a stage (a text key) and the share done, None while unknown."


@dataclass(frozen=True)
class LoadedBase:
    """The model in memory, or the server that answers in its place.

    Attributes:
        sampling: the family's official defaults.
        seconds: how long it took to load.
    """

    name: str
    path: Path
    family: str = "remote"
    context_length: int = 0
    sampling: dict = field(default_factory=dict)
    seconds: float = 0.0


class LogLikelihood(NamedTuple):
    """Log-likelihood of a given text behind another one.

    Attributes:
        total: sum of the natural logarithms of its tokens' probabilities.
        tokens: how many of them were counted.
        greedy: every one of them is the likeliest at its place.
    """

    total: float
    tokens: int
    greedy: bool = False


class Engine(Protocol):
    """Answers requests, and measures where the model is at hand. Any thread may call every method.

    Attributes:
        local: models are in this process, where they can be loaded, measured and their adapters given a strength.
    """

    local: bool

    @property
    def progress(self) -> tuple[str, float | None] | None:
        """Stage (a text key) and share done while a model loads, else None."""

    @property
    def loading(self) -> Path | None:
        """The folder of the base that is being loaded, else None."""

    @property
    def loaded(self) -> LoadedBase | None:
        """The model in memory, None where none is."""

    @property
    def held(self) -> int:
        """Bytes of GPU memory that `unload` gives back."""

    @property
    def waiting(self) -> int:
        """Requests in the queue."""

    @property
    def answering(self) -> int:
        """Requests that are being answered."""

    def catalogue(self) -> list[ServedModel]:
        """Return everything that `Request.model` may name.

        Raises:
            EngineUnavailable: a server elsewhere does not answer.
        """

    def check(self) -> None:
        """Do nothing where it can answer.

        Raises:
            EngineUnavailable: a server elsewhere is gone.
        """

    def find(self, name: str) -> ServedModel:
        """Return the model of that name.

        Raises:
            UnknownModel: there is none.
        """

    def submit(self, request: Request) -> RequestHandle:
        """Queue `request`. Returns at once; the answer comes on the handle.

        Raises:
            UnknownModel: no model of that name.
            EngineBusy: the queue is full, or this owner's share of it.
            EngineUnavailable: the program is stopping, or a server elsewhere does not answer.
        """

    def load(
        self, path: str | Path, progress: Progress | None = None, cancelled: threading.Event | None = None
    ) -> LoadedBase:
        """Make the base in folder `path` the one in memory; returns once it is.

        Raises:
            EngineUnavailable: models are not in this process.
            ModelError, LoadingCancelled: it cannot be loaded, or `cancelled` was set.
        """

    def cancel_loading(self) -> None:
        """Break off the loading under way, whoever asked for it; does nothing where none is."""

    def unload(self) -> None:
        """Free the model's memory after the running answers."""

    def fits(self, model: ServedModel, questions: Sequence[str]) -> list[bool]:
        """Return for every question whether it leaves room for an answer in the context of `model`.

        Raises:
            EngineUnavailable: models are not in this process.
        """

    def log_likelihoods(
        self, model: ServedModel, texts: Sequence[tuple[str, str]], plain: bool = False
    ) -> list[LogLikelihood]:
        """Return how likely the second of each pair is behind the first.

        Args:
            texts: (question, answer), the answer with the token that ends it; at most 512 tokens of each count.
            plain: (context, continuation) as bare text instead, whole and without an end. Networks that need marks
                around their context (ChatGLM-6B) read a pair as question and answer all the same.

        Raises:
            EngineUnavailable: models are not in this process, or the adapter cannot be read.
        """

    def kl_divergences(self, model: ServedModel, texts: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        """Return for every (question, answer) KL(base || `model`) summed over the answer's first 128 tokens, and their number.

        Raises:
            EngineUnavailable: as `log_likelihoods`.
        """

    def first_token_distributions(self, model: ServedModel, questions: Sequence[str]) -> "list[numpy.ndarray]":
        """Return for every question the probabilities (V,) of the answer's first token, without any sampling settings.

        Raises:
            EngineUnavailable: as `log_likelihoods`.
            PromptTooLong: a question does not fit.
        """

    def close(self) -> None:
        """Cancel everything and let go of the model. For the end of the program; safe to call twice."""


def as_serving_error(error: Exception) -> ServingError:
    """Return what went wrong as an error that the API and pages can show; a defect is logged with its traceback."""
    if isinstance(error, ServingError):
        return error
    if isinstance(error, EasyError):
        return EngineUnavailable("serving.cannot_load", why=error)
    if isinstance(error, MemoryError) or "out of memory" in str(error).lower():
        return EngineUnavailable("serving.out_of_memory")
    log.error("an answer failed", exc_info=error)
    return EngineUnavailable("serving.failed", why=type(error).__name__)
