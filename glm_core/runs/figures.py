"""Figures from a run's rows: curves of loss, rate, speed and memory, a table to download. Draws nothing itself.

Rows come from files that a killed and resumed trainer wrote twice in part, so they are put in order first (`tidy`).
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from glm_core import charts
from glm_core.i18n import t
from glm_core.runs.files import number

SMOOTHED_FROM = 200  # points; below, the line itself is calm enough to read
SMOOTHING = 0.1
KINDS = {"loss": "", "learning_rate": "", "grad_norm": "", "tokens_per_second": "token/s"}
CURVE_HEIGHT = 380
GB = 1e9


@dataclass(frozen=True)
class Curves:
    """The rows of metrics.jsonl in order: `training` by update, `validation` by evaluation."""

    training: tuple[dict, ...]
    validation: tuple[dict, ...]

    @property
    def best(self) -> dict | None:
        """The evaluation with the lowest validation loss, None where there was none."""
        return min(self.validation, key=lambda row: row["eval_loss"], default=None)

    @property
    def last(self) -> dict:
        """The newest update's row, empty before the first."""
        return self.training[-1] if self.training else {}

    def series(self, key: str) -> tuple[list[float], list[float]]:
        """Steps and values of one figure of the training rows, without those that are no finite number."""
        pairs = [(row["step"], value) for row in self.training if (value := number(row.get(key))) is not None]
        return [step for step, _ in pairs], [value for _, value in pairs]


def tidy(rows: Sequence[dict]) -> Curves:
    """`rows` by step, each step once: a run resumed from a checkpoint repeats steps, and the later row is the true one."""
    training, validation = {}, {}
    for row in rows:
        if number(row.get("eval_loss")) is not None:
            validation[row["step"]] = row
        elif "loss" in row:
            training[row["step"]] = row
    return Curves(*(tuple(found[step] for step in sorted(found)) for found in (training, validation)))


def loss_figure(curves: Curves, total_steps: int = 0) -> go.Figure:
    """Training loss, validation loss dashed with its best step marked, over all the updates there will be."""
    steps, losses = curves.series("loss")
    figure = _over_updates(t("runs.figure.loss"), total_steps, bool(steps))
    if len(steps) >= SMOOTHED_FROM:
        raw = charts.thin(steps, losses)
        figure.add_scatter(
            x=raw[0],
            y=raw[1],
            name=t("runs.figure.each_update"),
            mode="lines",
            opacity=0.35,
            hoverinfo="skip",
            line={"color": charts.color("tuned"), "width": 1},
            showlegend=True,
        )
        losses = smooth(losses)
    if steps:
        charts.add_line(figure, steps, losses, t("runs.figure.training_loss"))
    if curves.validation:
        points = [(row["step"], row["eval_loss"]) for row in curves.validation]
        steps_of, losses_of = (list(values) for values in zip(*points, strict=True))
        charts.add_line(figure, steps_of, losses_of, t("runs.figure.validation_loss"), "validation")
        best = curves.best
        charts.add_mark(figure, best["step"], best["eval_loss"], t("runs.figure.best", step=best["step"]))
        # Told in the legend: beside the point it would hide the curves, and at the last step be cut off.
        figure.data[-1].update(mode="markers", name=t("runs.figure.best", step=best["step"]), showlegend=True)
    return figure


def series_figure(curves: Curves, key: str, total_steps: int = 0) -> go.Figure:
    """One of `KINDS` over the updates: the loss with its validation, or a single line."""
    if key == "loss":
        return loss_figure(curves, total_steps)
    steps, values = curves.series(key)
    figure = _over_updates(t(f"runs.figure.{key}"), total_steps, bool(steps))
    if steps:
        charts.add_line(figure, steps, values, t(f"runs.figure.{key}"), unit=KINDS[key])
    figure.update_layout(showlegend=False)
    return figure


def balance_figure(
    learned: Sequence[tuple[int, float]],
    kept: Sequence[tuple[int, float]],
    best: int | None,
    total_steps: int,
    height: int,
    bands: Mapping[str, Sequence[tuple[int, float, float]]] | None = None,
) -> go.Figure:
    """Return what was learned and what was kept, (update, share) each, in percent; the update of the best balance as a hairline.

    Args:
        bands: (update, low, high) of the shares' 95 % intervals, drawn as pale areas, by "learned" and "kept".
    """
    figure = _over_updates(t("runs.figure.share"), total_steps, bool(learned or kept), height)
    for name, color in (("learned", charts.color("tuned")), ("kept", charts.color("original"))):
        _add_band(figure, (bands or {}).get(name, ()), color)
    for name, role, pairs in (("learned", "tuned", learned), ("kept", "original", kept)):
        if pairs:
            steps, shares = zip(*pairs, strict=True)
            charts.add_line(figure, steps, [100 * share for share in shares], t(f"runs.figure.{name}"), role, unit="%")
    if best is not None:
        figure.add_scatter(
            x=[best, best],
            y=[0, 100],
            mode="lines",
            line={"color": charts.color("tuned"), "width": 1, "dash": "dot"},
            hoverinfo="skip",
            name=t("runs.figure.balance", step=best),
            showlegend=True,
        )
    figure.update_yaxes(range=[0, 105])
    return figure


def _add_band(figure: go.Figure, band: Sequence[tuple[int, float, float]], color: str) -> None:
    """A pale area between the ends of intervals, without a name in the legend."""
    if not band:
        return
    steps, lows, highs = zip(*band, strict=True)
    look = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    figure.add_scatter(x=steps, y=[100 * one for one in lows], **look)
    figure.add_scatter(x=steps, y=[100 * one for one in highs], fill="tonexty", fillcolor=_pale(color), **look)


def _pale(color: str) -> str:
    """A hexadecimal color at a tenth of its strength."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.1)"


def _over_updates(title: str, total_steps: int, begun: bool, height: int = CURVE_HEIGHT) -> go.Figure:
    """The empty figure; before there is a value its axes have no numbers, which would be made up."""
    figure = charts.figure(t("runs.figure.updates"), title, height=height)
    if total_steps:
        figure.update_xaxes(range=[0, total_steps * 1.02])
    if not begun:
        figure.update_xaxes(showticklabels=False)
        figure.update_yaxes(showticklabels=False)
    return figure


def smooth(values: Sequence[float]) -> list[float]:
    """Exponential moving average, each value counting `SMOOTHING`, without the start's pull towards the first value."""
    average, mass, smoothed = 0.0, 0.0, []
    for value in values:
        average, mass = average + SMOOTHING * (value - average), mass + SMOOTHING * (1 - mass)
        smoothed.append(average / mass)
    return smoothed


@dataclass(frozen=True)
class MemoryCurve:
    """Memory over a run in bytes: of each GPU where there is one, else of the trainer's process."""

    seconds: list[float]
    lines: dict[str, list[float]]
    limits: dict[str | tuple[str, str], float]

    @property
    def on_gpu(self) -> bool:
        """Return whether it is of GPUs, other programs' included, and not of the trainer's process."""
        return bool(self.limits) and "" not in self.limits

    @property
    def now(self) -> float:
        """The fullest line's newest value, 0 before the first sample."""
        return max((values[-1] for values in self.lines.values() if values), default=0.0)

    @property
    def peak(self) -> float:
        """The highest value of any line."""
        return max((max(values) for values in self.lines.values() if values), default=0.0)

    @property
    def limit(self) -> float:
        """Return what there is: the smallest GPU, or this machine's memory; 0 where unknown."""
        return min(self.limits.values(), default=0.0)


def read_memory(rows: Sequence[dict], devices: Sequence[str] = ()) -> MemoryCurve:
    """The memory in the rows of resources.jsonl.

    Args:
        devices: the GPUs the run has, by index; every GPU where none is named.
    """
    seconds = _seconds(rows)
    gpus = {name: values for name, values in _gpu_values(rows, "memory_used").items() if _chosen(name, devices)}
    if gpus:
        totals = _gpu_values(rows, "memory_total")
        limits: dict[str | tuple[str, str], float] = {name: number(totals[name][-1], 0.0) for name in gpus}
        return MemoryCurve(seconds, {_title(name): values for name, values in gpus.items()}, limits)
    used = [number(row.get("process_memory"), 0.0) for row in rows]
    limit = number(rows[-1].get("memory_total"), 0.0) if rows else 0.0
    return MemoryCurve(seconds, {t("runs.figure.process_memory"): used} if rows else {}, {"": limit} if limit else {})


def memory_figure(memory: MemoryCurve, height: int = 180) -> go.Figure:
    """Memory over time in GB with the limit as a red hairline where it is near enough to matter."""
    figure = charts.figure(t("runs.figure.seconds"), "GB", height=height)
    for place, (name, values) in enumerate(memory.lines.items()):
        charts.add_line(figure, memory.seconds, [value / GB for value in values], name, unit="GB", number=place)
    if memory.limit and memory.peak > 0.3 * memory.limit:
        charts.add_limit(figure, memory.limit / GB, t("runs.figure.limit", size=f"{memory.limit / GB:.1f} GB"))
    figure.update_layout(showlegend=len(memory.lines) > 1)
    return figure


def busy_figures(rows: Sequence[dict], devices: Sequence[str] = ()) -> dict[str, go.Figure]:
    """Processor use, and each GPU's use, temperature and power, by text key; only what was measured.

    Args:
        devices: as in `read_memory`.
    """
    seconds, found = _seconds(rows), {}
    cpu = [number(row.get("cpu_percent"), 0.0) for row in rows]
    measured = {"cpu_percent": {t("runs.figure.cpu_percent"): cpu}} if rows else {}
    for key in ("utilization", "temperature", "power"):
        gpus = {gpu: values for gpu, values in _gpu_values(rows, key).items() if _chosen(gpu, devices)}
        measured[key] = {_title(gpu): values for gpu, values in gpus.items() if any(values)}
    for key, lines in measured.items():
        if lines:
            figure = charts.figure(t("runs.figure.seconds"), t(f"runs.unit.{key}"), height=180)
            for place, (name, values) in enumerate(lines.items()):
                charts.add_line(figure, seconds, values, name, number=place)
            figure.update_layout(showlegend=len(lines) > 1)
            found[f"runs.figure.{key}"] = figure
    return found


def _seconds(rows: Sequence[dict]) -> list[float]:
    """Seconds since the first row, without the pause between a run's end and its resumption."""
    seconds: list[float] = []
    before = None
    for row in rows:
        gap = 0.0 if before is None else min(max(0.0, row["time"] - before), 30.0)
        seconds.append((seconds[-1] if seconds else 0.0) + gap)
        before = row["time"]
    return seconds


def _gpu_values(rows: Sequence[dict], key: str) -> dict[tuple[str, str], list[float]]:
    """One figure of every GPU over all rows, by (index, name)."""
    found: dict[tuple[str, str], list[float]] = {}
    for place, row in enumerate(rows):
        for gpu in row.get("gpus") if isinstance(row.get("gpus"), list) else ():
            if isinstance(gpu, dict):
                line = found.setdefault((str(gpu.get("index")), str(gpu.get("name"))), [0.0] * len(rows))
                line[place] = number(gpu.get(key), 0.0)
    return found


def _chosen(gpu: tuple[str, str], devices: Sequence[str]) -> bool:
    return not any(device.isdecimal() for device in devices) or gpu[0] in devices


def _title(gpu: tuple[str, str]) -> str:
    return f"{gpu[1]} · {gpu[0]}"


def to_csv(rows: Sequence[dict]) -> str:
    """Rows as csv with a column for every name that occurs, in UTF-8 with a mark so that spreadsheets read it."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.StringIO()
    writer = csv.DictWriter(file, names)
    writer.writeheader()
    writer.writerows(rows)
    return "\ufeff" + file.getvalue()


def to_html(figure: go.Figure) -> str:
    """A figure as one file that opens without a network, to zoom into."""
    zoomed = go.Figure(figure).update_layout(dragmode="zoom")
    return zoomed.to_html(include_plotlyjs=True, full_html=True, config={"displaylogo": False})
