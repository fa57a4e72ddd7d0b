"""One meaning a color, and series thinned without losing what one looks for in them."""

import math

from glm_core import charts
from glm_core.runs import figures


def test_a_role_has_its_color():
    chart = charts.figure("x", "y")
    for role in ("original", "tuned", "validation"):
        charts.add_line(chart, [1, 2], [3, 4], role, role)
    original, tuned, validation = chart.data
    assert original.line.color == charts.color("original")
    assert tuned.line.color == validation.line.color == charts.color("tuned")
    assert validation.line.dash == "dash" and tuned.line.dash == "solid"


def test_a_limit_is_a_red_hairline():
    chart = charts.figure()
    charts.add_limit(chart, 11.0, "11 GB")
    assert (chart.layout.shapes[0].line.color, chart.layout.shapes[0].line.width) == (charts.color("limit"), 1)
    assert chart.layout.annotations[0].text == "11 GB"


def test_a_dark_theme_has_lighter_colors():
    light = [charts.color(role) for role in ("tuned", "limit")]
    before = charts.follow(lambda: "dark")
    try:
        assert not set(light) & {charts.color(role) for role in ("tuned", "limit")}
    finally:
        charts.follow(before)


def test_the_height_is_fixed_so_that_nothing_jumps():
    assert charts.figure(height=300).layout.height == 300


def test_a_finger_on_a_chart_scrolls_the_page_and_the_file_of_it_can_be_zoomed():
    chart = charts.figure()
    assert chart.layout.dragmode is False
    assert '"dragmode":"zoom"' in figures.to_html(chart)
    assert chart.layout.dragmode is False, "the file is of a copy"


def test_thinning_keeps_ends_and_peaks():
    x = list(range(50_000))
    y = [math.sin(i / 900) for i in x]
    y[31_007], y[42_113] = 9.0, -9.0
    thin_x, thin_y = charts.thin(x, y)
    assert len(thin_x) == len(thin_y) <= charts.MOST_POINTS
    assert (thin_x[0], thin_x[-1]) == (0, 49_999)
    assert thin_x == sorted(thin_x)
    assert (thin_y[thin_x.index(31_007)], thin_y[thin_x.index(42_113)]) == (9.0, -9.0)


def test_short_series_stay_whole():
    assert charts.thin([1, 2, 3], [3, 2, 1]) == ([1, 2, 3], [3, 2, 1])
