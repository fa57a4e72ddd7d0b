"""Encoded rows kept small: four bytes a token where lists of integers take forty; 115,000 rows are 100 MB, not 600."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from glm_core.data import Example
from glm_core.data.tokenize import IGNORED, Encoded, encode
from glm_core.models import LoadedModel
from glm_core.training.settings import TrainingSettings

CHUNK = 2000


class Rows(Sequence[Encoded]):
    """Encoded examples; reading one gives it as lists."""

    def __init__(self, rows: Iterable[Encoded] = ()):
        self._ids: list[array] = []
        self._labels: list[array] = []
        for row in rows:
            self.append(row)

    def append(self, row: Encoded) -> None:
        """Add a row at the end."""
        self._ids.append(array("i", row.input_ids))
        self._labels.append(array("i", row.labels))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Encoded(self._ids[index].tolist(), self._labels[index].tolist(), False)

    def lengths(self) -> list[int]:
        """Tokens of every row."""
        return [len(ids) for ids in self._ids]


def encode_rows(
    examples: Sequence[Example], loaded: LoadedModel, settings: TrainingSettings, progress: Callable[[float], None]
) -> tuple[Rows, list[int], list[int], int]:
    """Encode every example that has something to learn.

    Returns:
        The rows, their numbers (`Example.line`), the numbers of the examples that have nothing to learn, and how many
        of the rows were cut to fit.
    """
    rows, numbers, dropped, cut = Rows(), [], [], 0
    for done, chunk in _chunks(examples):
        encoded = encode(chunk, loaded, settings.max_source_length, settings.max_target_length)
        for example, row in zip(chunk, encoded, strict=True):
            if all(label == IGNORED for label in row.labels[1:]):
                dropped.append(example.line)
            else:
                rows.append(row)
                numbers.append(example.line)
                cut += row.cut
        progress(done / len(examples))
    return rows, numbers, dropped, cut


def _chunks(examples: Sequence[Example]) -> Iterator[tuple[int, list[Example]]]:
    source, done = iter(examples), 0
    while chunk := list(islice(source, CHUNK)):
        done += len(chunk)
        yield done, chunk
