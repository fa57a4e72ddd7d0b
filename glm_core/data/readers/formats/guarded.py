"""Bounds and errors that binary formats share."""

from collections.abc import Iterator

from glm_core.data.examples import DataError

MAX_UNPACKED = 1_000_000_000  # bytes of an unpacked xlsx or parquet: beyond it the file is a bomb, not a data set


def unpacked_too_much(file: str, limit: int) -> DataError:
    """The error of a file that unpacks to more than `limit` bytes."""
    return DataError("data.unpacked", file=file, limit=f"{limit // 1_000_000:,}")


def guarded(rows: Iterator, key: str, file: str) -> Iterator:
    """`rows`, with whatever a parser raises on damaged bytes (they are many and undocumented) as one DataError."""
    try:
        yield from rows
    except DataError:
        raise
    except Exception as error:
        raise DataError(key, file=file, reason=f"{type(error).__name__}: {str(error)[:200]}") from error
