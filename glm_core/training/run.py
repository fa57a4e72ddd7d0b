"""One run from its directory to its adapter: read, load, encode, train, save; each end is a true state and a sentence.

Imports torch only once the run directory made sense, so that a wrong `run.json` is answered at once. Not here: the loop
over batches (trainer.py), what is due when (callbacks.py), words in files (run_writer.py).
"""

import errno
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import psutil

from glm_core import i18n, workspace
from glm_core.adapters.settings import has_pissa
from glm_core.training import split
from glm_core.training.errors import TrainingError
from glm_core.training.memory import memory_estimate
from glm_core.training.process import failures, warm_worker
from glm_core.training.process.compute_device import choose_dtype, free_memory, prepare_device
from glm_core.training.process.signals import StopRequested, StopSignal
from glm_core.training.process.task import Task, read_task
from glm_core.training.run_writer import RunWriter
from glm_core.training.settings import TrainingSettings, choice_label
from glm_core.training.steps.recompute import recompute

if TYPE_CHECKING:
    import torch

    from glm_core.models import LoadedModel
    from glm_core.training.callbacks import Reporter
    from glm_core.training.probes import Probes
    from glm_core.training.token_dataset import Rows
    from glm_core.training.trainer import AdapterTrainer


ANSWER_TOKENS = 64  # longest answer at an evaluation


def run(folder: Path, stop: StopSignal | None = None, clock: float | None = None) -> int:
    """Train what `folder` says, going on from its last checkpoint where it has one.

    Args:
        clock: seconds since the epoch at which it was asked for, where that is not when this process was created.

    Returns:
        The exit code: 0 finished or stopped as asked, 1 failed. The reason is in status.json.
    """
    folder, stop = Path(folder), stop or StopSignal()
    if not folder.is_dir():
        return _complain("training.error.folder", folder=str(folder), reason=os.strerror(errno.ENOENT))
    rank = int(os.environ.get("RANK", "0"))
    lock = filelock.FileLock(folder / ".training.lock", timeout=0)
    writer = RunWriter(folder, writes=rank == 0, clock=clock or psutil.Process().create_time())
    try:
        if rank == 0:
            lock.acquire()
        if writer.was_finished and (folder / "adapter").is_dir():
            writer.log("training.log.already_finished")
            return 0
        with writer:
            return _run_watched(folder, writer, stop)
    except StopRequested:
        writer.end("stopped", TrainingError("training.stopped.early"))
        return 0
    except filelock.Timeout:
        return _complain("training.error.already_running", folder=str(folder))
    except OSError as error:
        return _complain("training.error.folder", folder=str(folder), reason=error.strerror or str(error))
    finally:
        lock.release()


def _complain(key: str, **values) -> int:
    """Say on stderr what cannot be said in the run directory; returns the exit code of a failure."""
    print(i18n.t(key, **values), file=sys.stderr, flush=True)
    return 1


def _run_watched(folder: Path, writer: RunWriter, stop: StopSignal) -> int:
    """Run, and turn whatever happens into a last word in the writer."""
    task = None
    try:
        task = read_task(folder)
        _train(task, writer, stop)
        _leave_group()
        return 0
    except Exception as error:
        if stop.asked and writer.status["stage"] in ("starting", "loading", "encoding", "decomposing"):
            raise StopRequested from error  # a library that was just being imported took the stop for its own failure
        stop.interrupts = False
        known = failures.explain(error, folder)
        if not isinstance(error, type(known)):
            writer.write_log(traceback.format_exc())
        retry = failures.propose(error, task.model, task.settings, writer) if task else None
        writer.fail(known, retry=retry)
        return 1


def _leave_group() -> None:
    """Part from the other processes together: one that exits while another's threads still talk to it aborts."""
    import torch.distributed as distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def _train(task: Task, writer: RunWriter, stop: StopSignal) -> None:
    warm_worker.import_modules(stop)
    device = prepare_device()
    free = free_memory(device)
    writer.update(memory_free=free)
    writer.stage("loading")
    loaded = _load(task, writer, device)
    stop.check()
    writer.stage("encoding")
    from glm_core.training import token_dataset

    rows, validation, parts = token_dataset.encode_task(task, writer, loaded)
    rehearsed = token_dataset.rehearse(task, writer, loaded, len(rows), max(rows.lengths(), default=0))
    stop.check()
    from glm_core.training.callbacks import Reporter
    from glm_core.training.steps.loss import noisy

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)  # the libraries', about their own next versions
        checkpoint = _find_checkpoint(task, writer)
        trainer = _assemble(
            task, writer, loaded, rows, rehearsed, validation, parts, device, free, checkpoint is not None
        )
        reporter = Reporter(trainer, stop)
        trainer.add_callback(reporter)
        stop.check()
        stop.interrupts = False
        with noisy(loaded.model, task.settings.neftune):
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    _finish(task, writer, trainer, reporter)


def _load(task: Task, writer: RunWriter, device: "torch.device") -> "LoadedModel":
    from glm_core import models
    from glm_core.models import plain_formats

    dtype = choose_dtype(task.settings.precision, device)
    quantization = None if task.settings.quantization == "none" else task.settings.quantization
    loaded = models.load(
        task.model,
        dtype=dtype,
        device=device,
        quantization=quantization,
        progress=lambda _, done: writer.progress(done),
    )
    if loaded.tokenizer is None:
        raise TrainingError("training.error.no_tokenizer", path=str(task.model))
    if plain_formats.is_free(loaded):
        writer.log("training.log.format", format=choice_label("chat_format", task.settings.chat_format))
    return plain_formats.formatted(loaded, task.settings.chat_format)


def _assemble(
    task: Task,
    writer: RunWriter,
    loaded: "LoadedModel",
    rows: "Rows",
    rehearsed: "Rows",
    validation: "Rows",
    parts: split.Split,
    device,
    free: int,
    resuming: bool,
) -> "AdapterTrainer":
    """The trainer, its fresh adapter attached."""
    import torch
    from transformers import set_seed

    from glm_core.training.trainer import AdapterTrainer, training_arguments

    set_seed(task.settings.seed)
    _attach_adapter(task, writer, loaded, resuming)
    lengths = [*rows.lengths(), *rehearsed.lengths()]
    _choose_checkpointing(task, writer, loaded, lengths, device, free)
    if device.type == "cuda":
        writer.measure_peak = lambda: torch.cuda.max_memory_reserved(device) + memory_estimate.CUDA_CONTEXT
    settings = task.settings.changed(precision=str(loaded.model.dtype).removeprefix("torch."))
    args = training_arguments(settings, task.folder / "checkpoints", device, resuming)
    writer.update(settings=_final_settings(task.settings, loaded, writer).to_dict())
    probes = _choose_probes(task, writer, loaded, parts)
    return AdapterTrainer(loaded, task.settings, rows, rehearsed, validation, probes, writer, args)


def _attach_adapter(task: Task, writer: RunWriter, loaded: "LoadedModel", resuming: bool) -> None:
    """Attach the adapter that is trained, fresh or with the weights that it begins from, in layers that compute it fused."""
    from glm_core.adapters import attach, fused_lora, start
    from glm_core.models.architectures import fused_layers
    from glm_core.training.steps.recompute import draws_at_random

    writer.update(trainable=attach.attach(loaded, task.settings))
    if (task.folder / start.FOLDER).is_dir():
        start.begin_from(loaded, task.folder / start.FOLDER, attach.NAME)
        writer.log("training.log.begun_from")
    elif has_pissa(task.settings) and not resuming:
        writer.stage("decomposing")
        attach.begin_pissa(loaded, writer.progress)
    fused_lora.fuse_lora_layers(loaded.model)
    fused_layers.fuse_layers(loaded.model, None if draws_at_random(loaded.model) else fused_lora.keep_masks)


def _choose_probes(task: Task, writer: RunWriter, loaded: "LoadedModel", parts: split.Split) -> "Probes":
    """The questions that are asked at every evaluation, and the rows that are judged."""
    from glm_core.training import probes

    trained, choosing = set(parts.training), set(parts.choosing)
    learnable = [one for one in task.examples if one.line in trained]
    return probes.Probes(
        loaded,
        writer,
        probes.choose(task.model, learnable),
        task.questions,
        min(ANSWER_TOKENS, task.settings.max_target_length),
        rows=learnable,
        choosing=[one for one in task.examples if one.line in choosing],
    )


def _final_settings(settings: TrainingSettings, loaded: "LoadedModel", writer: RunWriter) -> TrainingSettings:
    """`settings` with what was left to the trainer filled in: data type, checkpointing, adapted layers."""
    from glm_core.adapters import attach

    layers = attach.lora_layers(loaded)
    return settings.changed(
        precision=str(loaded.model.dtype).removeprefix("torch."),
        gradient_checkpointing="on" if writer.status.get("checkpointing") else "off",
        lora_targets=", ".join(layers) or settings.lora_targets,
    )


def _find_checkpoint(task: Task, writer: RunWriter) -> Path | None:
    """The newest checkpoint that is not damaged; what was told after it is forgotten, since it will be told again."""
    from glm_core.training.process.checkpoint_folders import find_checkpoints, is_whole

    checkpoint = None
    for candidate in reversed(find_checkpoints(task.folder / "checkpoints")):
        if is_whole(candidate):
            checkpoint = candidate
            break
        writer.log("training.log.damaged_checkpoint", step=candidate.name.rpartition("-")[2])
    step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else -1
    writer.forget_after(step)
    if checkpoint:
        writer.update(step=step, resumed_from=step)
        writer.log("training.log.resumed", step=step)
    return checkpoint


def _choose_checkpointing(
    task: Task, writer: RunWriter, loaded: "LoadedModel", lengths: Sequence[int], device, free: int
) -> None:
    """Recompute activations where the settings say so, or, of as few layers as it takes, where it does not fit without."""
    longest = max(lengths)
    found = memory_estimate.estimate(
        loaded.model.config, task.settings, longest=longest, device=device.type, limit=free
    )
    writer.update(estimate=found.parts, checkpointing=found.checkpointing, recordable=found.recorded)
    if found.checkpointing:
        writer.update(recordable=recompute(loaded.model, found.checkpointing) and found.recorded)
        writer.log("training.log.checkpointing", count=found.checkpointing, layers=found.shape.dims.layers)


def _finish(task: Task, writer: RunWriter, trainer: "AdapterTrainer", reporter: "Reporter") -> None:
    """Save the best adapter and say how the run ended."""
    from glm_core.adapters import attach, snapshots

    step = trainer.state.global_step
    if reporter.stopped and (task.folder / "discard").exists():
        if writer.writes:
            workspace.discard_folder(task.folder / "checkpoints", ignore_errors=True)
            workspace.discard_folder(task.folder / "adapter", ignore_errors=True)
        writer.end("stopped", TrainingError("training.stopped.discarded", step=step))
        return
    writer.stage("saving")
    best = trainer.restore_best()
    info = {"run": task.folder.name, "name": task.name, "step": best, "settings": task.settings.to_dict()}
    if writer.writes:
        info |= {"weakened": trainer.moderate()}
        attach.save(trainer.loaded, task.folder / "adapter", info)
        snapshots.renew(trainer.loaded, task.folder / "checkpoints", best)
        trainer.write_learned(best)
    if reporter.stopped:
        writer.end("stopped", TrainingError("training.stopped.saved", step=step), adapter_step=best)
    elif reporter.early:
        writer.end("finished", TrainingError("training.finished.early", step=step, best=best), adapter_step=best)
    elif reporter.learned:
        count = trainer.probes.asked_rows
        writer.end("finished", TrainingError("training.finished.learned", step=step, count=count), adapter_step=best)
    else:
        writer.end("finished", adapter_step=best)
