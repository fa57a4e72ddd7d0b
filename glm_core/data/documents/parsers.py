"""The parsers of docx, pdf, html and Markdown: bytes become blocks. They run in the bounded process of `worker` only."""

import io
import re
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator

from glm_core.data.documents.blocks import Block, is_heading, unwrap

Losses = dict[str, int]
"What is not used, by kind: images, pages without text, pages beyond the bounds."

MAX_PAGES = 2_000
MAX_UNPACKED = 300_000_000
PDF_SECONDS = 50.0
_ASIDE = (
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "iframe",
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "head",
)
_BREAKS = {
    "p",
    "div",
    "section",
    "article",
    "main",
    "blockquote",
    "pre",
    "dt",
    "dd",
    "figcaption",
    "ul",
    "ol",
    "table",
    "br",
}


class Unreadable(Exception):
    """A document that cannot be used; `key` is the sentence."""

    def __init__(self, key: str):
        super().__init__(key)
        self.key = key


def docx_blocks(content: bytes, losses: Losses) -> Iterator[Block]:
    """Paragraphs, headings by their style, tables a line each row."""
    import docx

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED:
                raise Unreadable("documents.bomb")
            losses["images"] = sum(name.startswith("word/media/") for name in archive.namelist())
    except zipfile.BadZipFile as error:
        raise Unreadable(
            "documents.protected" if content.startswith(b"\xd0\xcf\x11\xe0") else "documents.not_docx"
        ) from error
    for part in docx.Document(io.BytesIO(content)).iter_inner_content():
        if hasattr(part, "rows"):
            lines = (" | ".join(dict.fromkeys(cell.text.strip() for cell in row.cells)) for row in part.rows)
            yield Block("\n".join(line for line in lines if line.strip(" |")))
        else:
            yield Block(part.text, _level(part))


def _level(paragraph) -> int:
    """The level of a heading, by the name of its style in English or Chinese; 0 for other paragraphs."""
    name = (paragraph.style.name if paragraph.style is not None else "") or ""
    found = re.match(r"(?:heading|标题)\s*(\d)", name, re.IGNORECASE)
    if found:
        return min(6, int(found[1]) + 1)
    return 1 if name.lower() in ("title", "标题") else 0


def pdf_blocks(content: bytes, losses: Losses) -> Iterator[Block]:
    """Paragraphs of every page; lines that stand at the edge of most pages are left out."""
    import pypdf

    try:
        reader = pypdf.PdfReader(io.BytesIO(content), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise Unreadable("documents.protected")
        count = len(reader.pages)
    except pypdf.errors.DependencyError as error:
        raise Unreadable("documents.protected") from error
    began, pages = time.monotonic(), []
    for page in reader.pages[:MAX_PAGES]:
        if time.monotonic() - began > PDF_SECONDS:
            break
        pages.append([line for line in page.extract_text().split("\n") if line.strip()])
    losses["pages_beyond"] = count - len(pages)
    losses["pages_without_text"] = sum(not lines for lines in pages)
    margins = _margins(pages)
    losses["margin_lines"] = sum(_folded(line) in margins for lines in pages for line in (*lines[:1], *lines[-1:]))
    for number, lines in enumerate(pages, 1):
        inner = [line for at, line in enumerate(lines) if at not in (0, len(lines) - 1) or _folded(line) not in margins]
        yield from _page_blocks(inner, number)


def _page_blocks(lines: list[str], page: int) -> Iterator[Block]:
    """Blocks of one page; a numbered title on a line of its own is a heading."""
    run: list[str] = []
    for line in [*lines, ""]:
        if line and not is_heading(line):
            run.append(line)
            continue
        yield from (Block(text, 0, page) for text in unwrap(run).split("\n"))
        yield Block(line.strip(), 2, page)
        run = []


def _margins(pages: list[list[str]]) -> set[str]:
    """First and last lines that most pages share but for their numbers."""
    if len(pages) < 3:
        return set()
    ends = Counter(folded for lines in pages if lines for folded in {_folded(lines[0]), _folded(lines[-1])})
    return {line for line, times in ends.items() if 2 * times > len(pages)}


def _folded(line: str) -> str:
    return re.sub(r"\d+", "0", "".join(line.split()))


def html_blocks(content: bytes, losses: Losses) -> Iterator[Block]:
    """Text of the main part of a page: headings, paragraphs, list items, table rows; no scripts, menus or forms."""
    from lxml import etree, html

    parser = html.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    root = html.document_fromstring(re.sub(rb"^\s*<\?xml[^>]*>", b"", content), parser=parser)
    losses["images"] = len(root.xpath("//img"))
    etree.strip_elements(root, *_ASIDE, with_tail=False)
    mains = sorted(root.xpath("//main | //article"), key=lambda one: len(one.text_content()))
    chosen = mains[-1] if mains and 2 * len(mains[-1].text_content()) > len(root.text_content()) else root
    yield from _walk(chosen)


def _walk(root) -> Iterator[Block]:
    """Blocks below `root`, without recursion: pages nest thousands deep."""
    from lxml import etree

    said: list[str] = []
    for event, one in etree.iterwalk(root, events=("start", "end")):
        tag = one.tag if isinstance(one.tag, str) else ""
        level = int(tag[1]) if re.fullmatch(r"h[1-6]", tag) else 0
        if level or tag in _BREAKS or tag in ("li", "tr"):
            if words := " ".join("".join(said).split()).rstrip(" |"):
                yield Block(words, level if event == "end" else 0)
            said = ["- "] if tag == "li" and event == "start" else []
        if tag in ("td", "th") and event == "end":
            said.append(" | ")
        said.append((one.text if event == "start" else one.tail if one is not root else "") or "")
    if words := " ".join("".join(said).split()):
        yield Block(words)


def markdown_blocks(content: bytes, losses: Losses) -> Iterator[Block]:
    """Headings and paragraphs without their marks; list items, code and table rows as lines."""
    from markdown_it import MarkdownIt

    text = re.sub(r"\A---\n.*?\n---\n", "", content.decode("utf-8").replace("\r\n", "\n"), flags=re.DOTALL)
    level, cells, item = 0, None, False
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "list_item_open":
            item = True
        elif token.type == "tr_open":
            cells = []
        elif token.type == "tr_close":
            yield Block(" | ".join(cells or []))
            cells = None
        elif token.type in ("fence", "code_block"):
            yield Block(token.content)
        elif token.type == "inline" and cells is not None:
            cells.append(_bare(token, losses))
        elif token.type == "inline":
            yield Block(("- " if item else "") + _bare(token, losses), level)
            level, item = 0, False


def _bare(token, losses: Losses) -> str:
    """The words of a run of inline Markdown."""
    children = token.children or []
    losses["images"] = losses.get("images", 0) + sum(child.type == "image" for child in children)
    kinds = {"softbreak": "\n", "hardbreak": "\n"}
    words = (kinds.get(one.type, one.content) for one in children if one.type not in ("image", "html_inline"))
    return "".join(words)


PARSERS: dict[str, Callable[[bytes, Losses], Iterator[Block]]] = {
    "docx": docx_blocks,
    "pdf": pdf_blocks,
    "html": html_blocks,
    "htm": html_blocks,
    "md": markdown_blocks,
    "markdown": markdown_blocks,
}
