"""The base that is in memory: loaded, replaced and freed by the engine's thread, its loading watched and broken off by any."""

import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from glm_core.serving.errors import LoadingCancelled

if TYPE_CHECKING:
    from glm_core.serving.session import Session


class BaseInMemory:
    """At most one base at a time. torch is imported when the first one loads.

    Attributes:
        session: None where no base is in memory.
        progress: stage (a text key) and share done while a base loads, else None.
        latest: the stage last noted, also once nothing loads any more.
        loading: the folder of the base that is being loaded, else None.
    """

    def __init__(self) -> None:
        self.session: Session | None = None
        self.progress: tuple[str, float | None] | None = None
        self.latest: tuple[str, float | None] | None = None
        self.loading: Path | None = None
        self._unwanted = threading.Event()  # of the loading under way

    @property
    def path(self) -> Path | None:
        """The folder of the base in memory."""
        session = self.session
        return None if session is None else session.info.path

    def load(self, path: Path, cancelled: threading.Event | None = None) -> "Session":
        """Load the base in folder `path` in place of the one in memory.

        Raises:
            LoadingCancelled: `cancelled` is set, or `cancel` was called; nothing is in memory then.
        """
        self.unload()
        self._unwanted, self.loading = cancelled or threading.Event(), path
        try:
            self._note_progress("serving.starting", None)
            from glm_core.serving.session import Session

            self.session = Session.load(path, self._note_progress)
            return self.session
        except Exception as error:
            _free(error)
            raise
        finally:
            self.progress = self.loading = None

    def cancel(self) -> None:
        """Break off the loading under way; does nothing where none is."""
        self._unwanted.set()

    def unload(self) -> None:
        """Free the memory of the base."""
        if self.session is not None:
            from glm_core.models.device import release_memory

            self.session = None
            release_memory()

    def _note_progress(self, stage: str, fraction: float | None) -> None:
        """Called between two tensors: the place where loading can be broken off."""
        if self._unwanted.is_set():
            raise LoadingCancelled("serving.load_cancelled", name=self.loading.name if self.loading else "")
        self.progress = self.latest = (stage, fraction)


def _free(error: Exception) -> None:
    """Give back what a model had taken that did not get ready: the error's frames still hold it."""
    from glm_core.models.device import release_memory

    traceback.clear_frames(error.__traceback__)
    release_memory()
