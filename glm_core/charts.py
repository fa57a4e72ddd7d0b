"""The few colors of every chart, with one meaning each, and the plotly figures drawn with them.

Covers: the empty figure, a line in its role, a limit, a marked point, thinning of long series. What is drawn, and when, is the pages' business.
"""

from collections.abc import Sequence

import plotly.graph_objects as go

ORIGINAL = "#8A8F98"
TUNED = "#1F7A63"
LIMIT = "#B4412F"
VALIDATION = {"color": TUNED, "dash": "dash", "width": 2}

LINES = {
    "original": {"color": ORIGINAL, "width": 2},
    "tuned": {"color": TUNED, "width": 2},
    "validation": VALIDATION,
}
DASHES = ("solid", "dot", "dash", "dashdot", "longdash", "longdashdot")
HEIGHT = 280
MOST_POINTS = 1000


def figure(x_title: str = "", y_title: str = "", *, height: int = HEIGHT) -> go.Figure:
    """An empty figure in the house style: no frame, hairline grid, one legend line above.

    Args:
        x_title: with its unit, e.g. "更新次数".
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
    line = LINES[role] | ({"dash": DASHES[number % len(DASHES)]} if number else {})
    chart.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers" if len(x) < 30 else "lines",
        line=line,
        marker={"size": 5, "color": LINES[role]["color"]},
        hovertemplate=f"%{{y:.4~g}} {unit}".rstrip(),
        showlegend=True,
        cliponaxis=False,  # a point at 0 or 100% is whole
    )


def add_limit(chart: go.Figure, y: float, label: str) -> None:
    """A red hairline at `y`: the memory of a GPU, a threshold."""
    chart.add_hline(
        y=y,
        line={"color": LIMIT, "width": 1},
        annotation_text=label,
        annotation_font_color=LIMIT,
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
        marker={"size": 9, "color": TUNED, "symbol": "circle-open", "line": {"width": 2}},
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
