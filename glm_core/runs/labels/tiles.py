"""The four figures over a run's page: loss, progress, speed, memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from glm_core import charts, i18n
from glm_core.i18n import t
from glm_core.runs.figures import Curves, MemoryCurve
from glm_core.runs.status import Status

SPARK_POINTS = 60


@dataclass(frozen=True)
class Tile:
    """One of the four figures over a run's page; its title and meaning are the texts `run.tile.<name>` and `..._help`."""

    name: str
    value: str = "–"
    note: str = ""
    line: tuple[float, ...] = ()


def tiles(status: Status, curves: Curves, memory: MemoryCurve) -> list[Tile]:
    """Loss, progress, speed and memory, each with a second figure that puts it in proportion."""
    losses, speeds = curves.series("loss")[1], curves.series("tokens_per_second")[1]
    return [
        Tile("loss", f"{losses[-1]:.4f}", t("run.from", first=f"{losses[0]:.4f}"), _spark(losses))
        if losses
        else Tile("loss"),
        Tile("step", f"{status.step:,} / {status.total_steps:,}", _time(status), _pace(curves))
        if status.total_steps
        else Tile("step"),
        Tile(
            "speed",
            f"{speeds[-1]:,.0f}",
            t("run.mean", speed=f"{sum(speeds) / len(speeds):,.0f}"),
            _spark(speeds),
        )
        if speeds
        else Tile("speed"),
        Tile(kind_of(memory), i18n.size(memory.now), _peak(memory), _spark(next(iter(memory.lines.values()))))
        if memory.now
        else Tile("memory"),
    ]


def kind_of(memory: MemoryCurve) -> str:
    """The name of the tile that memory has: a GPU's, or the process's."""
    return "card" if memory.on_gpu else "memory"


def _spark(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(charts.thin(range(len(values)), list(values), SPARK_POINTS)[1]) if len(values) > 1 else ()


def _pace(curves: Curves) -> tuple[float, ...]:
    """Steps done at equally spaced times: straight while the speed stays, level where training stood still."""
    steps, times = curves.series("time")
    if len(steps) < 2:
        return ()
    return tuple(np.interp(np.linspace(times[0], times[-1], SPARK_POINTS), times, steps).tolist())


def _time(status: Status) -> str:
    if status.active:
        return "" if status.eta_seconds is None else t("run.left", time=i18n.duration(status.eta_seconds))
    seconds = sum(status.stage_seconds.values())
    return t("run.took", time=i18n.duration(seconds)) if seconds else ""


def _peak(memory: MemoryCurve) -> str:
    if not memory.limit:
        return t("run.peak", peak=i18n.size(memory.peak))
    limit = (
        f"{memory.limit / 1e9:.0f} GB" if memory.limit > 10e9 else i18n.size(memory.limit)
    )  # must fit into a phone's tile
    peak = i18n.size(memory.peak)
    return t(
        "run.peak_of",
        peak=peak.removesuffix(" GB") if limit.endswith("GB") and peak.endswith("GB") else peak,
        limit=limit,
    )
