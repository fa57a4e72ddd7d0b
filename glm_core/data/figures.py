"""Pictures of a data set: how long its rows are against a limit, and how its labels are balanced."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from glm_core import charts, i18n
from glm_core.data.analysis import histogram

HEIGHT = 220
_MOST_LABELS = 12


def lengths_figure(lengths: Sequence[int], unit: str, limit: int | None = None) -> go.Figure:
    """Rows by length.

    Args:
        unit: what `lengths` count, e.g. "tokens".
        limit: a red hairline; what lies right of it is cut.
    """
    middles, heights, width = histogram(lengths)
    figure = charts.figure(unit, i18n.t("data.picture.rows"), height=HEIGHT)
    ranges = [f"{round(middle - width / 2)}–{round(middle + width / 2) - 1}" for middle in middles]
    figure.add_bar(
        x=middles,
        y=heights,
        width=width,
        marker={"color": charts.color("tuned"), "line": {"width": 0}},
        customdata=ranges if width > 1 else [str(round(middle - width / 2)) for middle in middles],
        hovertemplate=i18n.t("data.picture.hover", unit=unit) + "<extra></extra>",
        showlegend=False,
    )
    figure.update_layout(hovermode="closest", bargap=0.05)
    if limit is not None:
        figure.add_vline(x=limit + 0.5, line={"color": charts.color("limit"), "width": 1})
        figure.update_xaxes(range=[0, max(middles[-1] + width / 2, limit * 1.05)])
    return figure


def labels_figure(labels: Mapping[str, int]) -> go.Figure:
    """Rows by label, the most frequent first; what is beyond a dozen is left to the table."""
    shown = list(labels.items())[:_MOST_LABELS][::-1]
    figure = charts.figure(height=8 + 30 * len(shown))
    figure.add_bar(
        x=[count for _, count in shown],
        y=[_plain(label) for label, _ in shown],
        orientation="h",
        marker={"color": charts.color("tuned")},
        text=[f"{count:,}" for _, count in shown],
        hoverinfo="skip",
        showlegend=False,
    )
    figure.update_xaxes(visible=False)
    figure.update_yaxes(type="category", showgrid=False)
    return figure


def _plain(label: str) -> str:
    """A label as plotly's tick text, which would read `<b>` and `<a href>` as markup."""
    return label.replace("&", "&amp;").replace("<", "&lt;")
