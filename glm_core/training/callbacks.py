"""The trainer's decisions between two steps: when to log, ask, save, stop, and report what looks wrong.

Intervals follow the number of updates: 60 of them give 60 points. Not here: how an evaluation or a checkpoint is made
(trainer.py), what is written where (run_writer.py).
"""

import math
import time
from pathlib import Path

import torch
import torch.distributed
from transformers import TrainerCallback

from glm_core import i18n
from glm_core.adapters import snapshots
from glm_core.training.errors import TrainingError
from glm_core.training.process.signals import StopSignal
from glm_core.training.trainer import AdapterTrainer

POINTS = 300  # of a curve; shorter runs log every update
TIMES_LEARNED = 2  # evaluations in a row; once may be luck while the rate is high
SAVE_SECONDS = 180.0  # most work that a killed run can lose


def evaluation_steps(total: int, evaluations: int) -> set[int]:
    """The updates after which the questions are asked: spread evenly, the last update always among them."""
    return {max(1, round(total * index / evaluations)) for index in range(1, evaluations + 1)} | {total}


def log_interval(total: int) -> int:
    """Updates between two points of the curve."""
    return max(1, total // POINTS)


class Reporter(TrainerCallback):
    """Tells the writer how training goes, and the trainer what is due."""

    def __init__(self, trainer: AdapterTrainer, stop: StopSignal):
        self.trainer, self.stop, self.writer = trainer, stop, trainer.writer
        self.folder = Path(trainer.args.output_dir)
        self.stopped = self.early = self.learned = False
        self._due: set[int] = set()
        self._saved = self._began = self._update_began = time.monotonic()
        self._busy = self._window_busy = 0.0
        self._updates = self._window_tokens = 0
        self._zero = 0

    def on_train_begin(self, args, state, control, **_):
        self._due = evaluation_steps(state.max_steps, self.trainer.settings.evaluations)
        self._began = self._saved = time.monotonic()
        if self.writer.writes:
            snapshots.forget_after(self.folder, state.global_step)
        self.writer.update(step=state.global_step, total_steps=state.max_steps)
        self.writer.stage("training")

    def on_epoch_begin(self, args, state, control, **_):
        self.trainer.batches.set_epoch(state.global_step // self.trainer.updates_per_epoch)

    def on_step_begin(self, args, state, control, **_):
        self._update_began = time.monotonic()
        self.trainer.update_loss.zero_()

    def on_pre_optimizer_step(self, args, state, control, **_):
        """Stop before a loss that is no number reaches the adapter."""
        loss = self.trainer.update_loss.item()
        if not math.isfinite(loss):
            raise self._explain_nan(state.global_step)
        self._zero = self._zero + 1 if loss == 0 else 0
        if self._zero == 3:
            self.writer.update(alarm={"key": "training.alarm.zero", "values": {"step": state.global_step + 1}})
            self.writer.log("training.alarm.zero", step=state.global_step + 1)

    def _explain_nan(self, step: int) -> TrainingError:
        settings, dtype = self.trainer.settings, self.trainer.loaded.model.dtype
        if dtype == torch.float16:
            return TrainingError("training.nan.half", step=step + 1)
        if step == 0:
            return TrainingError("training.nan.first")
        rate = f"{settings.learning_rate:g}"
        return TrainingError("training.nan.rate", step=step + 1, rate=rate, better=f"{settings.learning_rate / 10:g}")

    def on_step_end(self, args, state, control, **_):
        seconds = time.monotonic() - self._update_began
        self._busy, self._window_busy, self._updates = (
            self._busy + seconds,
            self._window_busy + seconds,
            self._updates + 1,
        )
        step, last = state.global_step, state.global_step >= state.max_steps
        if self.trainer.average:
            self.trainer.average.add(step)
        stop, overdue = self._agree(self.stop.asked, time.monotonic() - self._saved > SAVE_SECONDS)
        if step % log_interval(state.max_steps) == 0 or last or stop:
            control.should_log = True
        if stop and not last:
            self.stopped = control.should_training_stop = control.should_save = True
        elif step in self._due:
            control.should_evaluate = True
            control.should_save = not last or bool(self.trainer.validation)
        elif overdue:
            control.should_save = True
        self.writer.update(step=step, epoch=state.epoch, eta_seconds=self._eta(state))
        return control

    def _agree(self, *flags: bool) -> list[bool]:
        """Each flag, set where any process set it: all must stop and save at the same update."""
        if self.trainer.args.world_size == 1:
            return list(flags)
        shared = torch.tensor(flags, dtype=torch.int32, device=self.trainer.args.device)
        torch.distributed.all_reduce(shared, op=torch.distributed.ReduceOp.MAX)
        return [bool(flag) for flag in shared.tolist()]

    def _eta(self, state) -> float:
        ahead = sum(step > state.global_step for step in self._due)
        updates = (state.max_steps - state.global_step) * self._busy / max(1, self._updates)
        return round(updates + ahead * self.trainer.evaluation_seconds, 1)

    def on_log(self, args, state, control, logs=None, **_):
        if "loss" not in logs:
            return
        tokens = self.trainer.tokens - self._window_tokens
        row = {
            "step": state.global_step,
            "epoch": round(state.epoch, 4),
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "grad_norm": _finite(logs.get("grad_norm")),
            "tokens_per_second": round(tokens / self._window_busy, 1) if self._window_busy else None,
            "eta_seconds": self._eta(state),
            "seconds": round(time.monotonic() - self._began, 3),
        }
        self._window_busy, self._window_tokens = 0.0, self.trainer.tokens
        self.writer.metrics(row)
        eta = i18n.duration(row["eta_seconds"])
        self.writer.log(
            "training.log.update", step=row["step"], total=state.max_steps, loss=f"{row['loss']:.4f}", eta=eta
        )

    def on_evaluate(self, args, state, control, metrics=None, **_):
        if state.global_step and self.writer.writes:
            snapshots.keep(self.trainer.loaded, self.folder, state.global_step)
        patience = self.trainer.settings.early_stopping
        if patience and self.trainer.evaluations_since_best() >= patience and state.global_step < state.max_steps:
            self.early = control.should_training_stop = True
        if self.trainer.times_learned >= TIMES_LEARNED and state.global_step < state.max_steps:
            self.learned = control.should_training_stop = True
        return control

    def on_save(self, args, state, control, **_):
        self._saved = time.monotonic()
        self.writer.log("training.log.checkpoint", step=state.global_step)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
