"""transformers' Trainer for adapters: like-length batches, whole checkpoints, validation, questions.

The training loop, gradient accumulation, clipping, schedule, mixed precision and the processes' group are the library's.
Here is only what it does differently: how the gradients of several processes are added up, what a checkpoint is, what an
evaluation is. Batches are steps/batches.py's, the adapter that is kept is selection.py's, reporting and decisions are
callbacks.py's.
"""

import math
import os
import time
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path

import torch
import torch.distributed
from torch.utils.data import ConcatDataset, DataLoader
from transformers import Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from glm_core import workspace
from glm_core.adapters import attach, lora_plus, pissa, scale, snapshots
from glm_core.adapters.settings import has_pissa
from glm_core.data.tokenize import IGNORED, Encoded, collate
from glm_core.models import LoadedModel
from glm_core.training.averaging import WeightAverage
from glm_core.training.memory import memory_estimate
from glm_core.training.probes import Probes
from glm_core.training.process.checkpoint_folders import STATE_FILE, is_whole, prune
from glm_core.training.run_writer import RunWriter
from glm_core.training.selection import choose_step, choose_strength
from glm_core.training.settings import TrainingSettings
from glm_core.training.steps.batches import ShardedBatches
from glm_core.training.steps.cuda_graphs import CudaGraphStep, round_length
from glm_core.training.steps.distillation import DistilledRow, DistilledRows
from glm_core.training.steps.loss import AnswerLoss, count_items
from glm_core.training.token_dataset import Rows


def training_arguments(
    settings: TrainingSettings, folder: Path, device: torch.device, resuming: bool
) -> TrainingArguments:
    """The library's arguments; what it could decide by itself (when to log, evaluate, save) is left to callbacks.py."""
    on_gpu = device.type == "cuda"
    backend = (
        ("nccl" if on_gpu else "gloo") if "WORLD_SIZE" in os.environ else None
    )  # naming one starts a process group
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=settings.micro_batch,
        gradient_accumulation_steps=settings.accumulation,
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler,
        warmup_steps=settings.warmup_ratio,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        seed=settings.seed,
        optim="adamw_torch_fused" if on_gpu else "adamw_torch",
        use_cpu=not on_gpu,
        fp16=on_gpu and settings.precision == "float16",
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        eval_on_start=not resuming,
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=False,
        ddp_backend=backend,
        ddp_find_unused_parameters=False,
    )
    # A process has one card: where it sees several, the library would share its batches out by DataParallel.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


class AdapterTrainer(Trainer):
    """Trains the adapter on `loaded` and writes what happens into `writer`."""

    def __init__(
        self,
        loaded: LoadedModel,
        settings: TrainingSettings,
        rows: Rows,
        rehearsed: Rows,
        validation: Rows,
        probes: Probes,
        writer: RunWriter,
        args: TrainingArguments,
    ):
        self.loaded, self.settings, self.writer = loaded, settings, writer
        self.validation, self.probes = validation, probes
        self.tokens = 0  # of all micro-batches so far, padding included, over all processes
        self.update_loss = torch.zeros((), device=args.device)  # of the update under way
        self.evaluation_seconds = 0.0
        self.times_learned = 0
        "Evaluations in a row at which every trained question that is asked was answered right by the judge."
        self.batches = ShardedBatches(
            rows.lengths(), settings, args.process_index, args.world_size, rehearsed.lengths()
        )
        distills = settings.distills and len(rehearsed) > 0
        self.distilled = DistilledRows(loaded, rehearsed, settings.micro_batch) if distills else None
        blank = Encoded(rows[0].input_ids, [IGNORED] * len(rows[0].labels), False)
        others = self.distilled or rehearsed
        dataset = ConcatDataset([rows, *([others] if others else []), [blank]])
        super().__init__(
            model=AnswerLoss(loaded.model, loaded.family.architecture, distillation=settings.distillation),
            args=args,
            train_dataset=dataset,
            data_collator=self._collate_training,
        )
        self.remove_callback(PrinterCallback)
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.average = WeightAverage(trained, self._skipped_by_average()) if settings.average else None
        if args.world_size > 1:
            self._begin_alike()

    def _begin_alike(self) -> None:
        """Give every process the first one's weights, and keep the library from wrapping the model, which would do that.

        Its wrapper (DDP) holds on to nodes of the graph that belong to the default stream: no step could be recorded.
        """
        for weight in self.model.parameters():
            if weight.requires_grad:
                torch.distributed.broadcast(weight.data, 0)
        self.model._is_accelerate_prepared = True  # what accelerate looks at to wrap a model once

    @property
    def updates_per_epoch(self) -> int:
        """Updates of one pass through the rows; a last part of one counts."""
        return math.ceil(len(self.batches) / self.settings.accumulation)

    def _skipped_by_average(self) -> int:
        """Updates before those whose weights are averaged."""
        updates = self.settings.max_steps or self.updates_per_epoch * self.settings.epochs
        return round(updates * (1 - self.settings.average))

    @cached_property
    def replay(self) -> CudaGraphStep | None:
        """On a GPU, where the settings are such that a step can be recorded."""
        precision = str(self.loaded.model.dtype).removeprefix("torch.")
        recordable = bool(self.writer.status.get("recordable", True))
        if not memory_estimate.is_recorded(self.args.device.type, precision, recordable):
            return None
        lengths = self.batches.lengths
        longest = sorted(range(len(lengths)), key=lengths.__getitem__)[-self.settings.micro_batch :]
        largest = self._collate([self.train_dataset[index] for index in longest])
        return CudaGraphStep(self.model, largest, self._log_not_recorded, scale=self.args.world_size)

    def _log_not_recorded(self, error: Exception) -> None:
        self.writer.log("training.log.no_replay", reason=str(error).splitlines()[0])

    def _collate(self, batch: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        longest = max(len(row.input_ids) for row in batch)
        multiple = round_length(longest, self.settings.micro_batch) if self.args.device.type == "cuda" else 1
        return collate(batch, self.loaded.tokenizer.pad_token_id, multiple)

    def _collate_training(self, batch: Sequence[Encoded | DistilledRow]) -> dict[str, torch.Tensor]:
        tensors = self._collate([row.encoded if isinstance(row, DistilledRow) else row for row in batch])
        if self.distilled:
            self.distilled.add_states(batch, tensors)
        return tensors

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(self.train_dataset, batch_sampler=self.batches, collate_fn=self._collate_training)

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """The micro-batches of an update, and what its losses are divided by: its labels; with distilled rows `count_items`."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.distilled and batches:
            counts = [count_items(one["labels"], one["distilled"]) for one in batches]
            items = torch.stack(counts).sum(0).to(device)  # (2,)
            if self.args.world_size > 1:
                torch.distributed.all_reduce(items)
        return batches, items

    def training_step(self, model, inputs, num_items_in_batch=None):
        """The loss of a micro-batch, its gradients added to the weights'.

        Every process computes its own gradients, recorded or not; what an update has gathered is averaged over all of them once.
        """
        self.tokens += inputs["input_ids"].numel() * self.args.world_size  # (B, S), padding included
        loss = self.replay(inputs, num_items_in_batch) if self.replay else None
        if loss is None:
            loss = super().training_step(model, inputs, num_items_in_batch)
        if self.args.world_size > 1 and self.accelerator.sync_gradients:
            average_gradients(self.model)
        self.update_loss += loss
        return loss

    def create_optimizer(self, *arguments, **named):
        optimizer = super().create_optimizer(*arguments, **named)
        lora_plus.speed_up_b(optimizer, self.model, self.settings.lora_plus)
        if has_pissa(self.settings) and self.settings.weight_decay:
            pissa.hold_initial(optimizer, self.model, attach.slot(attach.NAME))
        return optimizer

    # evaluation

    def evaluate(self, *_, **__) -> dict[str, float]:
        """Validation loss and the answers to the questions. Before the first update, those of the base alone."""
        began, step, metrics = time.monotonic(), self.state.global_step, {}
        self.model.eval()
        if step == 0:
            attach.activate(self.loaded, None)
        try:
            if self.validation:
                metrics["eval_loss"] = self._validate()
                self.writer.metrics({"step": step, **metrics})
            if self.is_world_process_zero():
                self.probes.ask(step)
            if step and (self.settings.stop_when_learned or self.probes.chooses_by_judge):
                self.state.log_history.append({"step": step, "right": self.probes.choosing_right()})
            if step and self.settings.stop_when_learned:
                self.times_learned = self.times_learned + 1 if self.probes.all_learned() else 0
        finally:
            if step == 0:
                attach.activate(self.loaded, attach.NAME, trainable=True)
        self._remember_best(step, metrics.get("eval_loss"))
        self.evaluation_seconds = time.monotonic() - began
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    @torch.no_grad()
    def _validate(self) -> float:
        """Mean loss of a validation token over all processes."""
        total = torch.zeros(2, dtype=torch.float64)
        size, own = (
            self.settings.micro_batch,
            range(self.args.process_index, len(self.validation), self.args.world_size),
        )
        for start in range(0, len(own), size):
            batch = self._prepare_inputs(self._collate([self.validation[i] for i in own[start : start + size]]))
            total[0] += self.model(**batch, num_items_in_batch=1)["loss"].item()
            total[1] += (batch["labels"][:, 1:] != IGNORED).sum().item()
        if self.args.world_size > 1:
            total = total.float().to(self.args.device)
            torch.distributed.all_reduce(total)
        return (total[0] / total[1]).item()

    def _remember_best(self, step: int, loss: float | None) -> None:
        if loss is None or step == 0:
            return
        self.state.log_history.append({"step": step, "eval_loss": loss})
        if self.state.best_metric is None or loss < self.state.best_metric:
            self.state.best_metric, self.state.best_global_step = loss, step
            self.writer.update(best_step=step, best_loss=loss)

    def evaluations_since_best(self) -> int:
        """Evaluations in a row that brought no better validation loss."""
        best = self.state.best_global_step or 0
        return sum(row["step"] > best for row in self.state.log_history if "eval_loss" in row)

    # checkpoints

    def _save_checkpoint(self, model, trial) -> None:
        """Adapter, optimizer, schedule, random states and progress, in a folder that appears whole."""
        final = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        building = workspace.building_of(final)  # every process writes its random state there
        with workspace.replace_folder(final, building=building) if self.args.should_save else nullcontext():
            self._write_checkpoint(building)
        if self.args.should_save:
            prune(final.parent, self.state.best_global_step)

    def _write_checkpoint(self, folder: Path) -> None:
        """The state file comes last, so a folder that has it can be gone on from."""
        if self.args.should_save:
            attach.write(self.loaded, folder, {"step": self.state.global_step})
            if self.average:
                self.average.save(folder)
            self._save_optimizer_and_scheduler(str(folder))
            self._save_scaler(str(folder))
        self._wait_for_all()
        self._save_rng_state(str(folder))
        self._wait_for_all()
        if self.args.should_save:
            self.state.save_to_json(str(folder / STATE_FILE))

    def _wait_for_all(self) -> None:
        if self.args.world_size > 1:
            torch.distributed.barrier()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model=None) -> None:
        attach.restore(self.loaded, Path(resume_from_checkpoint))
        if self.average:
            self.average.load(Path(resume_from_checkpoint))

    def write_learned(self, step: int) -> None:
        """Write down what trained rows are answered with the adapter of `step`, which is active."""
        self.model.eval()
        self.probes.write_learned(step)

    def moderate(self) -> float:
        """Weaken the adapter to what its rows need, where a run wants to keep the rest (it rehearses); returns the strength it keeps."""
        if not self.settings.rehearsal or self.settings.method != "lora":
            return 1.0
        if not scale.is_scalable(self.loaded, attach.NAME):
            return 1.0
        self.model.eval()

        def right(strength: float) -> list[bool]:
            scale.set_strength(self.loaded, attach.NAME, strength)
            return self.probes.rows_right()

        # A mean of weights answers its rows at lower strengths than the last weights do, but no more of their other wordings.
        chosen = choose_strength(right, forward=2 if self.average else 1)
        scale.set_strength(self.loaded, attach.NAME, 1.0)
        if chosen != 1:
            scale.weaken(self.loaded, attach.NAME, chosen)
            self.writer.log("training.log.weakened", share=f"{chosen:.0%}")
        return chosen

    def restore_best(self) -> int:
        """Give the adapter the weights of its best step; returns that step.

        Where rows that choose are judged, the last step, unless an earlier one answers clearly more of them right; where
        the last answers none of them, and a loss tells more, that of the lowest validation loss. Else the last, or where
        updates are averaged, their mean.
        """
        by_loss = None if self.settings.stop_when_learned else self.state.best_global_step
        best = choose_step(self.state.log_history, by_loss)
        if not best or best == self.state.global_step:
            return self._average()
        folders = Path(self.args.output_dir)
        for folder in (folders / f"checkpoint-{best}", folders / f"{snapshots.NAME}{best}"):
            if is_whole(folder) if folder.name.startswith("checkpoint-") else folder.is_dir():
                attach.restore(self.loaded, folder)
                return best
        return self._average()

    def _average(self) -> int:
        if self.average and self.average.count:
            self.average.apply()
            self.writer.log("training.log.averaged", count=self.average.count)
        return self.state.global_step


def average_gradients(model: torch.nn.Module) -> None:
    """Give every process the mean of all processes' gradients of `model`; the Trainer multiplies losses by their number."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in weights:
        weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
    gradients = [weight.grad for weight in weights]
    flat = torch.cat([gradient.flatten() for gradient in gradients])  # (trained parameters,)
    torch.distributed.all_reduce(flat)
    flat /= torch.distributed.get_world_size()
    parts = flat.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [part.view_as(gradient) for part, gradient in zip(parts, gradients, strict=True)])
