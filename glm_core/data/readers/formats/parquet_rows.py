"""parquet becomes rows, nested columns as lists and dictionaries; bounded however small the file packs them."""

from collections.abc import Iterator

from glm_core.data.readers.formats import guarded
from glm_core.data.readers.formats.shapes import Row
from glm_core.data.readers.formats.table_header import check_names

_BATCH = 1_000
_SMALL, _PACKED = 50_000_000, 100  # bytes any file may unpack to, and times its size that a larger one may


def parquet_rows(content: bytes, file: str) -> Iterator[Row]:
    """Rows of a parquet file; the line is the row's number.

    Raises:
        DataError: no parquet, damaged, or too large when unpacked.
    """
    yield from guarded.guarded(_rows(content, file), "data.parquet.broken", file)


def _rows(content: bytes, file: str) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    source = pyarrow.BufferReader(content)
    schema = pyarrow.parquet.read_schema(source)
    check_names(schema.names, file)
    texts = [
        field.name
        for field in schema
        if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type)
    ]
    table = pyarrow.parquet.ParquetFile(
        source, read_dictionary=texts
    )  # a packed text stays one text, however many rows name it
    groups = (table.metadata.row_group(index) for index in range(table.metadata.num_row_groups))
    _check(sum(group.total_byte_size for group in groups), file)
    most = max(_SMALL, _PACKED * len(content))
    number = unpacked = 0
    for batch in table.iter_batches(batch_size=_BATCH):
        for start in range(0, batch.num_rows, 50):
            for record in batch.slice(start, 50).to_pylist():
                number += 1
                unpacked += sum(map(_size, record.values()))
                yield number, record
            _check(unpacked, file, most)


def _check(unpacked: int, file: str, most: int = guarded.MAX_UNPACKED) -> None:
    limit = min(most, guarded.MAX_UNPACKED)
    if unpacked > limit:
        raise guarded.unpacked_too_much(file, limit)


def _size(value: object) -> int:
    """Bytes that a cell takes, roughly."""
    if isinstance(value, str | bytes):
        return len(value) + 50
    if isinstance(value, list):
        return 60 + sum(map(_size, value))
    return 60 + sum(map(_size, value.values())) if isinstance(value, dict) else 8
