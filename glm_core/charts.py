"""The few colors of every chart, with one meaning each, and the plotly figures drawn with them.

Covers: the empty figure, a line in its role, a limit, a marked point, thinning of long series. What is drawn, and when, is the pages' business.
"""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go

COLORS = {
    "light": {"original": "#8A8F98", "tuned": "#1F7A63", "validation": "#1F7A63", "limit": "#B4412F"},
    "dark": {"original": "#8A8F98", "tuned": "#3A9C80", "validation": "#3A9C80", "limit": "#DB7763"},
}
"Those of chartCategoricalColors in .streamlit/config.toml."
DASHES = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
HEIGHT = 280
MOST_POINTS = 1000
CONFIG = {"displayModeBar": False}
"Of every chart on a page: plotly's bar of buttons is always in sight on a phone, over the lines."

Reader = Callable[[], str | None]
_reader: Reader | None = None


def follow(reader: Reader | None) -> Reader | None:
    """Draw for the theme that `reader` tells ("dark", else light) from now on; returns what was asked until now."""
    global _reader
    before, _reader = _reader, reader
    return before


def theme() -> str:
    """Return the theme that figures are drawn for, "light" or "dark"."""
    return "dark" if _reader and _reader() == "dark" else "light"


def color(role: str) -> str:
    """Return the color of "original", "tuned", "validation" or "limit" in that theme."""
    return COLORS[theme()][role]


def figure(x_title: str = "", y_title: str = "", *, height: int = HEIGHT) -> go.Figure:
    """An empty figure in the house style: no frame, hairline grid, one legend line above.

    Args:
        x_title: with its unit, e.g. "步".
        y_title: with its unit, e.g. "GB".
        height: in pixels; fixed, so that a redrawn chart does not move the page.
    """
    hairline = "rgba(138,143,152,0.25)"
    axis = {
        "gridcolor": hairline,
        "zeroline": False,
        "linecolor": hairline,
        "title_standoff": 16,
        "automargin": True,
        "fixedrange": False,
    }
    return go.Figure(
        layout={
            "height": height,
            "margin": {"l": 0, "r": 0, "t": 8, "b": 0},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "hovermode": "x unified",
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "xaxis": {**axis, "title": x_title, "showgrid": False, "rangemode": "nonnegative"},
            "yaxis": {**axis, "title": y_title, "rangemode": "tozero"},
            "uirevision": "keep",
            "dragmode": False,  # a finger that begins on a chart scrolls the page
        }
    )


def add_line(
    chart: go.Figure,
    x: Sequence[float],
    y: Sequence[float],
    name: str,
    role: str = "tuned",
    *,
    unit: str = "",
    number: int = 0,
) -> None:
    """Draw one series in the color of its role.

    Args:
        x: ascending.
        role: "original" (grey), "tuned" (jade) or "validation" (dashed jade).
        unit: shown after the value on hover.
        number: of several lines of one role, which are told apart by their dashes.
    """
    x, y = thin(x, y)
    dash = "dash" if role == "validation" else DASHES[number % len(DASHES)]
    line = {"color": color(role), "width": 2, "dash": dash}
    chart.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers" if len(x) < 30 else "lines",
        line=line,
        marker={"size": 5, "color": color(role)},
        hovertemplate=f"%{{y:.4~g}} {unit}".rstrip(),
        showlegend=True,
        cliponaxis=False,  # a point at 0 or 100% is whole
    )


def add_limit(chart: go.Figure, y: float, label: str) -> None:
    """A red hairline at `y`: the memory of a GPU, a threshold."""
    chart.add_hline(
        y=y,
        line={"color": color("limit"), "width": 1},
        annotation_text=label,
        annotation_font_color=color("limit"),
        annotation_position="top left",
    )


def add_mark(chart: go.Figure, x: float, y: float, label: str) -> None:
    """One point worth seeing, such as the best step, with its label beside it."""
    chart.add_scatter(
        x=[x],
        y=[y],
        mode="markers+text",
        text=[label],
        textposition="top center",
        showlegend=False,
        hoverinfo="skip",
        marker={"size": 9, "color": color("tuned"), "symbol": "circle-open", "line": {"width": 2}},
    )


def thin(x: Sequence[float], y: Sequence[float], most: int = MOST_POINTS) -> tuple[list[float], list[float]]:
    """At most `most` points that keep every peak and trough: the lowest and highest of each of `most` / 2 buckets."""
    if len(x) <= most:
        return list(x), list(y)
    keep = {0, len(x) - 1}
    buckets = most // 2 - 1
    for bucket in range(buckets):
        indices = range(bucket * len(x) // buckets, (bucket + 1) * len(x) // buckets)
        keep |= {min(indices, key=lambda i: y[i]), max(indices, key=lambda i: y[i])}
    order = sorted(keep)
    return [x[i] for i in order], [y[i] for i in order]
