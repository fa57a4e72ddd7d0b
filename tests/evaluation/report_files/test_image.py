"""The picture of a report: a PNG where there is a Chinese font, an SVG everywhere, nothing in either that runs or runs over."""

import io
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from glm_core import i18n
from glm_core.evaluation.analysis import conclusion
from glm_core.evaluation.report_files import fonts
from glm_core.evaluation.report_files import image as report_files_image
from glm_core.markdown import Piece
from tests.evaluation import made

SVG = "{http://www.w3.org/2000/svg}"
needs_font = pytest.mark.skipif(
    fonts.find() is None, reason="no font with Chinese characters here: apt-get install fonts-noto-cjk"
)


@pytest.fixture
def no_font(monkeypatch):
    monkeypatch.setattr(fonts, "find", lambda: None)


def words(svg: bytes) -> str:
    return "".join(one.text or "" for one in ET.fromstring(svg).iter(f"{SVG}text"))


@needs_font
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_png_is_a_portrait_picture_with_ink_in_every_card(language):
    i18n.use(language)
    image = Image.open(io.BytesIO(report_files_image.to_png(made.report()))).convert("RGB")
    assert image.width == 1080 and 1000 < image.height < 2200
    colors = {color for _count, color in image.getcolors(1 << 24)}
    assert {(0xFB, 0xFA, 0xF7), (0x1F, 0x7A, 0x63), (0xDC, 0xEC, 0xE6)} <= colors, (
        "ground, jade, the tint of changed words"
    )


@needs_font
def test_the_font_has_chinese_and_knows_how_wide_it_is():
    assert fonts.width("微调", 20) == pytest.approx(40, abs=2) and fonts.width("il", 20) < fonts.width("MW", 20)


@needs_font
def test_what_the_font_lacks_is_no_box_in_the_picture():
    assert all(map(fonts.has, "中文abc，？ ")) and not fonts.has(fonts.NOBODYS)


@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_the_svg_says_the_same_as_the_first_screen_also_without_a_font(no_font, language):
    i18n.use(language)
    said = words(report_files_image.to_svg(made.report()))
    for part in (
        conclusion.headline(made.report()),
        "50%",
        "100%",
        "谁开发了你？",
        "项目组",
        "张三",
        i18n.t("compare.original"),
    ):
        assert part in said, part


def test_without_a_font_there_is_no_png(no_font):
    with pytest.raises(ValueError, match="font"):
        report_files_image.to_png(made.report())


def test_what_people_wrote_is_only_text(no_font):
    hostile = "</text><script>alert(1)</script>&\x00\x1b\u202e\ud800<image href='http://e/x'/>"
    report = made.report(
        [made.row(kind, hostile, hostile, hostile + "新", hostile) for kind in ("seen", "reworded", "unrelated")],
        name=hostile,
    )
    svg = report_files_image.to_svg(report)
    assert {one.tag for one in ET.fromstring(svg).iter()} == {f"{SVG}svg", f"{SVG}rect", f"{SVG}text"}
    assert b"href=" not in svg.replace(b"href=&#39;", b"") and b"<script" not in svg


@pytest.mark.parametrize("answer", ["长" * 3000, "word " * 800, "x" * 3000, "", "\n\n\n", "。" * 200, "🙂" * 50])
def test_nothing_runs_over_its_column(answer):
    sheet = report_files_image.lay_out(
        made.report([made.row("seen", answer or "？", answer, answer + "新", "好")], name=answer or "名")
    )
    edge = report_files_image.WIDTH - report_files_image.MARGIN
    assert all(one.x + one.width <= edge + 2 for one in sheet.shapes) and sheet.height < 2600
    assert all(one.y + one.height <= sheet.height for one in sheet.shapes if isinstance(one, report_files_image.Box))


def test_lines_break_between_words_and_never_before_a_closing_mark(no_font):
    lines = report_files_image.broken_lines([Piece("一二三四，hello world", False)], 10, 45, 9)
    assert ["".join(one.text for one in line).strip() for line in lines] == ["一二三", "四，", "hello", "world"]
    cut = report_files_image.broken_lines([Piece("一二三四五六", True)], 10, 30, 1)
    assert cut == [[Piece("一二…", True)]]
