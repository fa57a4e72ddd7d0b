"""HTML within plain text, as wikis and Markdown have it: tables, and questions that unfold (details and summary)."""

import html
import re

from glm_core.data.readers.formats.table_header import table_in

_ROW = re.compile(r"<tr\b[^>]*>(.*?)(?:</tr>|(?=<tr\b)|\Z)", re.DOTALL | re.IGNORECASE)
_CELL = re.compile(r"<t[dh]\b[^>]*>(.*?)(?:</t[dh]>|(?=<t[dh]\b)|\Z)", re.DOTALL | re.IGNORECASE)
_TABLE = re.compile(r"<table\b[^>]*>(.*?)</table>", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/li|/div)\b[^>]*>", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][^<>]{0,300}>", re.IGNORECASE)
_SUMMARY = re.compile(r"[ \t]*<summary\b[^>]*>(.*?)</summary>", re.DOTALL | re.IGNORECASE)
_DETAILS = re.compile(r"</?details\b[^>]*>", re.IGNORECASE)


def html_table(text: str) -> tuple[list[tuple[int, list]], int] | None:
    """The HTML tables in `text`, a header said again left out, as of `table_in`."""
    if "<tr" not in text.lower():
        return None
    found: list[tuple[int, list]] = []
    for table in _TABLE.finditer(text):
        first = text.count("\n", 0, table.start(1)) + 1
        for row in _ROW.finditer(table[1]):
            cells: list = [_plain(cell) for cell in _CELL.findall(row[1])]
            if cells and not (found and cells == found[0][1]):
                found.append((first + table[1].count("\n", 0, row.start()), cells))
    others = sum(1 for line in _TABLE.sub("", text).split("\n") if _plain(line))
    return table_in(found, others)


def with_headings(text: str) -> str:
    """`text` with the summaries of its details as headings of Markdown, on the lines where they stand."""
    if "<summary" not in text.lower():
        return text
    return _DETAILS.sub("", _SUMMARY.sub(lambda found: f"## {_plain(found[1])}", text))


def _plain(markup: str) -> str:
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", markup))).strip()
