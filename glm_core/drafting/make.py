"""Drafts are begun from documents and sets, and what was accepted becomes a set that remembers where each row is from."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from glm_core import workspace
from glm_core.data import Example, library
from glm_core.data.documents import Document, Passage, cut, estimate_tokens, sources
from glm_core.data.examples import pair as pair_of
from glm_core.data.store import Dataset
from glm_core.drafting import drafts
from glm_core.drafting.drafts import Draft, DraftError, DraftPair, Item
from glm_core.permissions import needs

MOST_ROWS = 2_000
COUNTS = (1, 10)
LONGEST_INSTRUCTION = 8_000


def passages(document: Document, limit: int, model: Path | None = None) -> list[Passage]:
    """The passages of a document, counted in the tokens of the model in folder `model`; estimated without one."""
    count = estimate_tokens
    if model is not None:
        from glm_core.models import load_tokenizer

        tokenizer = load_tokenizer(model)
        count = lambda text: len(tokenizer.encode(text))  # noqa: E731 - one expression
    return cut(document.blocks, limit, count)


def from_passages(found: Sequence[Passage], **settings) -> Draft:
    """Begin a draft of questions about passages; `settings` are fields of `Draft`."""
    items = [Item(one.number, one.text, one.heading, one.page) for one in found]
    return drafts.create(_checked(kind="questions", **settings), items)


def from_rows(dataset: Dataset, rows: Sequence[Example], most: int, **settings) -> Draft:
    """Begin a draft of rewordings of at most `most` rows, spread evenly over the set."""
    most = min(most, MOST_ROWS, len(rows))
    chosen = [rows[place * len(rows) // most] for place in range(most)]
    items = [
        Item(number, row.question, answer=row.answer, messages=row.messages) for number, row in enumerate(chosen, 1)
    ]
    settings = {"source": dataset.name, "dataset": dataset.id, **settings}
    return drafts.create(_checked(kind="rewordings", **settings), items)


def _checked(**settings) -> Draft:
    """A draft with checked settings.

    Raises:
        DraftError: the instruction is blank or too long, or the server's address is none.
    """
    instruction = settings["instruction"].strip()
    if not instruction or len(instruction) > LONGEST_INSTRUCTION:
        raise DraftError("drafting.instruction_length", limit=f"{LONGEST_INSTRUCTION:,}")
    if server := settings.get("server", ""):
        settings["server"] = checked_address(server)
    return Draft(id="", items=0, created=0.0, **{**settings, "instruction": instruction})


def checked_address(address: str) -> str:
    """The address of an OpenAI-compatible server, up to and with /v1.

    Raises:
        DraftError: it is no http or https address.
    """
    address = address.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.username or parts.query)
        good = good and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or len(address) > 300:
        raise DraftError("drafting.address", address=address[:100])
    return address if parts.path else f"{address}/v1"


def accepted(draft: Draft) -> list[DraftPair]:
    """The accepted pairs that are in no set yet."""
    return [one for one in drafts.pairs(draft) if one.state == "accepted"]


@needs("trainer", owner=lambda draft, *_: draft.owner)
def save(draft: Draft, name: str) -> Dataset:
    """Make a set of the accepted questions, or add to the one that was made before; each row keeps its passage.

    Raises:
        DraftError: nothing is accepted. DataError: as `library.add`.
    """
    chosen = _chosen(draft)
    examples = [pair_of(one.question, one.answer) for one in chosen]
    draft = _announced(draft)
    name = name or draft.source[: library.MAX_NAME]
    dataset = _extended(draft.saved_as, examples)
    dataset = dataset or library.add(name, examples, id=draft.saved_as, source=draft.source)
    return _note_saved(draft, dataset, chosen, examples)


@needs("trainer", owner=lambda draft, *_: draft.owner)
def save_apart(draft: Draft, name: str) -> Dataset:
    """Make a set of the accepted rewordings that the reports of runs on the reworded set ask, and that is not trained on.

    Raises:
        DraftError, DataError: as `save`.
    """
    chosen, examples = _reworded(draft)
    draft = _announced(draft)
    name = name or draft.source[: library.MAX_NAME]
    dataset = _extended(draft.saved_as, examples) or library.add(
        name, examples, id=draft.saved_as, source=draft.source, reworded_of=draft.dataset
    )
    return _note_saved(draft, dataset, chosen, examples)


@needs("trainer", owner=lambda draft: draft.owner)
def save_mixed(draft: Draft) -> Dataset:
    """Add the accepted rewordings to the rows of the set; of a bundled one, to a copy.

    Raises:
        DraftError, DataError: as `save`.
    """
    chosen, examples = _reworded(draft)
    target = library.get(draft.dataset)
    if target.bundled:
        target = library.copy(target.id)
    dataset = _extended(target.id, examples) or target
    return _note_saved(draft, dataset, chosen, examples)


def _chosen(draft: Draft) -> list[DraftPair]:
    chosen = accepted(draft)
    if not chosen:
        raise DraftError("drafting.none_accepted")
    return chosen


def _reworded(draft: Draft) -> tuple[list[DraftPair], list[Example]]:
    """The accepted pairs, and the rows with their last question in these words."""
    chosen = _chosen(draft)
    rows = {item.number: item.messages for item in drafts.items(draft)}
    examples = []
    for one in chosen:
        *before, question, answer = rows[one.item]
        examples.append(Example([*before, {**question, "content": one.question}, {**answer, "content": one.answer}]))
    return chosen, examples


def _extended(id: str, examples: list[Example]) -> Dataset | None:
    """The set `id` with those rows that it does not have yet; None where there is no such set.

    A save that was cut short after the rows were written leaves the pairs accepted: saving again adds no row twice.
    """
    known = {one.id: one for one in library.datasets()}
    if id not in known:
        return None
    rows = library.examples(id)
    there = set(map(sources.mark_of, rows))
    more = [one for one in examples if sources.mark_of(one) not in there]
    return library.replace_rows(id, [*rows, *more], expected=known[id].sha256) if more else known[id]


def _announced(draft: Draft) -> Draft:
    """`draft`, which says before any row is written which set will hold its pairs."""
    return draft if draft.saved_as else drafts.change(draft, saved_as=workspace.new_id())


def _note_saved(draft: Draft, dataset: Dataset, chosen: Sequence[DraftPair], examples: Sequence[Example]) -> Dataset:
    """Write the sources of the new rows beside them, and mark the pairs as saved."""
    items = {item.number: item for item in drafts.items(draft)}
    found = {}
    for one, example in zip(chosen, examples, strict=True):
        item = items[one.item]
        found[sources.mark_of(example)] = sources.RowSource(draft.source, item.text, item.heading, item.page)
    sources.add(dataset.id, found)
    for one in chosen:
        drafts.decide(draft, one, "saved")
    drafts.change(draft, saved_as=dataset.id)
    return dataset
