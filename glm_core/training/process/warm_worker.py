"""`python -m glm_core.training RUN_DIR --wait`: import what a run imports, then wait for the word to train.

The run directory need not exist before the word comes. No GPU is touched: a CUDA context would take half a gigabyte from the
model that answers meanwhile. Who starts such a process and when is glm_core.runs.prewarm's business.
"""

import gc
import importlib
import os
import sys
from contextlib import suppress
from pathlib import Path

from glm_core.machine.imports import importing
from glm_core.training.process.signals import StopSignal

WAIT = "--wait"
MODULES = (
    "glm_core.training.run",
    "glm_core.training.callbacks",  # and with it the Trainer, PEFT, the adapters
    "glm_core.adapters.fused_lora",
    "glm_core.training.token_dataset",
    "glm_core.models.loading",
    "glm_core.models.architectures.chatglm.modeling",
    "glm_core.generation.decode",
    "glm_core.generation.prefill",
    "glm_core.models.architectures.bloom.modeling",
    "transformers.models.glm.modeling_glm",
    "transformers.models.glm4.modeling_glm4",
    "sentencepiece",
    "tokenizers",
    "pynvml",
    "triton.language.extra.cuda",
)
"""What a run imports on its way, by the modules that bring the rest. `glm_core.models.kernels.triton` is not among them: it asks for
the GPU."""


def wait(folder: Path, stop: StopSignal) -> float | None:
    """Wait until a line on stdin says that run directory `folder` is there.

    Returns:
        When the run was started, as the line says: seconds since the epoch. None where stdin ended: the server is gone.

    Raises:
        StopRequested: a signal came first.
    """
    import_modules(stop)
    word = sys.stdin.readline()
    if not word:
        return None
    redirect_output(folder)
    return float(word)


def import_modules(stop: StopSignal) -> None:
    """Import what a run imports. What cannot be imported is left to the run, which says so where its reader looks.

    Raises:
        StopRequested: a signal came first.
    """
    if all(name in sys.modules for name in MODULES[:2]):
        return
    with importing():
        for name in MODULES:
            with suppress(Exception):
                importlib.import_module(name)
            stop.check()
        gc.freeze()  # what the imports made stays; a run that looks through it all for garbage loses a fifth of a second


def redirect_output(folder: Path) -> None:
    """From now on stdout and stderr go to the run's log, and nothing comes from stdin, as in a trainer that never waited."""
    with open(folder / "train.log", "ab") as log, open(os.devnull, "rb") as nothing:
        sys.stdout.flush()
        for own, other in ((0, nothing), (1, log), (2, log)):
            os.dup2(other.fileno(), own)
