"""Small documents of every format, made here: no foreign file is kept in the repository."""

import io
import zlib


def pdf(pages: list[list[str]], compress: bool = False) -> bytes:
    """A PDF whose pages hold these lines of plain English."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for lines in pages:
        words = b"".join(b"(" + line.replace("(", r"\(").replace(")", r"\)").encode() + b") Tj T*\n" for line in lines)
        stream = b"BT /F1 12 Tf 14 TL 72 720 Td\n" + words + b"ET" if lines else b""
        head = b""
        if compress:
            stream, head = zlib.compress(stream), b"/Filter /FlateDecode "
        objects.append(b"<< " + head + b"/Length %d >>\nstream\n" % len(stream) + stream + b"\nendstream")
        kids.append(len(objects) + 1)
        resources = b"/Resources << /Font << /F1 3 0 R >> >>"
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] %s /Contents %d 0 R >>" % (resources, len(objects))
        )
    listed = b" ".join(b"%d 0 R" % kid for kid in kids)
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (listed, len(kids))
    return _assembled(objects)


def _assembled(objects: list[bytes]) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    tail = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n" % size + table + tail


def docx(parts: list[tuple[int, str]], table: list[list[str]] = ()) -> bytes:
    """A Word file of (level, text): level 0 is a paragraph."""
    import docx as word

    document = word.Document()
    for level, text in parts:
        document.add_heading(text, level) if level else document.add_paragraph(text)
    if table:
        made = document.add_table(len(table), len(table[0]))
        for row, cells in enumerate(table):
            for column, text in enumerate(cells):
                made.cell(row, column).text = text
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()
