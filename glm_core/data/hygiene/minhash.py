"""Pairs of probably similar texts among very many: MinHash over character trigrams, by bands (Broder, 1997; Leskovec, ch. 3).

Vectorized: a few seconds for 115,000 rows. A pair is a guess; whoever uses it compares the two texts.
"""

from collections.abc import Iterator, Sequence

import numpy as np

BANDS, ROWS = 12, 3
"Hashes a text: 12 bands of 3; texts that share 60 % of their trigrams meet in a band with a chance of 94 %."
LEAST = 0.35
"Share of equal hashes below which a pair is not worth a comparison."
LONGEST = 400
"Characters of a text that are looked at."
BINS = 61
"Bins that the characters of a text are counted in."
_BLOCK = 20_000  # texts hashed at once, which bounds the memory


def similar_pairs(texts: Sequence[str], close: float) -> Iterator[tuple[int, int]]:
    """Yield pairs (earlier, later) of probably similar texts, each once, by the later one.

    Args:
        close: likeness (`similar.likeness`) that a pair may reach; what the counts of characters rule out is left out.
    """
    counts, lengths = _character_counts(texts)
    signatures = np.concatenate(
        [_signatures(texts[at : at + _BLOCK]) for at in range(0, len(texts), _BLOCK)]
        or [np.zeros((0, BANDS * ROWS), np.uint32)]
    )
    pairs = np.unique(np.concatenate([_neighbors(band) for band in _bands(signatures)]))
    earlier, later = pairs & 0xFFFFFFFF, pairs >> 32
    for at in range(0, len(pairs), _BLOCK):
        left, right = earlier[at : at + _BLOCK], later[at : at + _BLOCK]
        equal = (signatures[left] == signatures[right]).mean(axis=1)
        left, right = left[equal >= LEAST], right[equal >= LEAST]
        apart = np.abs(counts[left].astype(np.int16) - counts[right]).sum(axis=1)
        likely = apart <= (1 - close) * (lengths[left] + lengths[right])
        yield from zip(left[likely].tolist(), right[likely].tolist(), strict=True)


def _character_counts(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """How often the characters of each bin occur, uint8 (texts, BINS), and the lengths, int64.

    A common subsequence holds no character more often than both texts do, so the counts bound the likeness.
    """
    lengths = np.fromiter((len(text) for text in texts), np.int64, len(texts))
    found = np.empty((len(texts), BINS), np.uint8)
    for at in range(0, len(texts), _BLOCK):
        part = texts[at : at + _BLOCK]
        codes = np.frombuffer("".join(part).encode("utf-32-le", "surrogatepass"), np.uint32) % BINS
        rows = np.repeat(np.arange(len(part)), lengths[at : at + _BLOCK])
        counts = np.bincount(rows * BINS + codes, minlength=len(part) * BINS)
        found[at : at + _BLOCK] = np.minimum(counts, 255).reshape(len(part), BINS)
    return found, lengths


def trigrams(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hash the trigrams of `texts`.

    Returns:
        uint32 hashes of all trigrams, and int64 offsets of each text's first; every text has at least one.
    """
    padded = [text[:LONGEST].ljust(3, "\0") for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32)
    lengths = np.fromiter((len(one) for one in padded), np.int64, len(padded))
    ends = np.cumsum(lengths)
    grams = codes[:-2] * np.uint32(0x9E3779B1) ^ codes[1:-1] * np.uint32(0x85EBCA77) ^ codes[2:] * np.uint32(0xC2B2AE3D)
    inside = np.ones(len(grams), bool)
    crossing = ends[:-1]
    inside[crossing - 1] = inside[crossing - 2] = False  # trigrams over the border of two texts
    counts = lengths - 2
    return _mixed(grams[inside]), np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)


def _mixed(values: np.ndarray) -> np.ndarray:
    values = (values ^ values >> np.uint32(16)) * np.uint32(0x7FEB352D)
    values = (values ^ values >> np.uint32(15)) * np.uint32(0x846CA68B)
    return values ^ values >> np.uint32(16)


def _signatures(texts: Sequence[str]) -> np.ndarray:
    """MinHash signatures, uint32 (texts, BANDS * ROWS)."""
    grams, starts = trigrams(texts)
    generator = np.random.default_rng(0)
    factors = generator.integers(1, 2**32, BANDS * ROWS, dtype=np.uint32) | np.uint32(1)
    masks = generator.integers(0, 2**32, BANDS * ROWS, dtype=np.uint32)
    found = np.empty((len(texts), len(factors)), np.uint32)
    for place, (factor, mask) in enumerate(zip(factors, masks, strict=True)):
        found[:, place] = np.minimum.reduceat((grams ^ mask) * factor, starts)
    return found


def _bands(signatures: np.ndarray) -> Iterator[np.ndarray]:
    """One uint64 key a text and band."""
    for at in range(0, BANDS * ROWS, ROWS):
        key = np.zeros(len(signatures), np.uint64)
        for column in range(at, at + ROWS):
            key = (key ^ signatures[:, column]) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
        yield key


def _neighbors(keys: np.ndarray) -> np.ndarray:
    """Pairs (later << 32 | earlier) of each text with the first text of its key and with the one before it."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    same = np.flatnonzero(keys[1:] == keys[:-1]) + 1
    first = np.searchsorted(keys, keys[same], side="left")
    later = order[same].astype(np.int64) << 32
    return np.concatenate([later | order[same - 1], later | order[first]])
