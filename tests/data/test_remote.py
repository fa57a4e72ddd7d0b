"""Data sets from hubs: configurations, splits and licence as the card says, a look, a slice; refusals are sentences."""

import io
import json

import pyarrow
import pyarrow.parquet
import pytest

from glm_core.data import DataError, read_bytes, remote
from glm_core.hub import http_download, private_hosts
from glm_core.hub.http_download import HubError
from glm_core.hub.sources import Source
from tests.hub.fakehub import serving

REPO = "people/chats"
CARD = """---
license: apache-2.0
configs:
- config_name: short
  data_files:
  - split: train
    path: "rows/train-*.jsonl"
  - split: test
    path: rows/test.jsonl
- config_name: wide
  data_files: table/*.parquet
---
# Chats
"""


def lines(start: int, end: int) -> bytes:
    rows = [{"instruction": f"问{n}", "output": f"答{n}"} for n in range(start, end)]
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def columns(count: int) -> bytes:
    target = io.BytesIO()
    table = pyarrow.table({"question": [f"q{n}" for n in range(count)], "answer": [f"a{n}" for n in range(count)]})
    pyarrow.parquet.write_table(table, target)
    return target.getvalue()


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.setattr(http_download, "WAITS", (0.01,) * 3)
    with serving() as hub:
        hub.files[REPO] = {
            "README.md": CARD.encode(),
            "rows/train-00.jsonl": lines(0, 30),
            "rows/train-01.jsonl": lines(30, 50),
            "rows/test.jsonl": lines(100, 103),
            "table/part.parquet": columns(12),
            "load.py": b"import os",
        }
        yield hub


def source(hub, kind="huggingface", **changes):
    return Source(kind, **{"repo": REPO, "endpoint": hub.address, "holds": "datasets"} | changes)


def brought(dataset, wanted) -> list:
    download = remote.start(dataset, wanted)
    download.wait(20)
    assert download.state == "done", download.error
    content = remote.take(download)
    assert not download.folder.exists()
    return list(read_bytes(content, download.name).examples)


@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_configurations_splits_and_licence_are_the_cards(hub, kind):
    dataset = remote.find(source(hub, kind))
    assert dataset.licence == "apache-2.0"
    names = {
        config: {split: len(files) for split, files in splits.items()} for config, splits in dataset.splits.items()
    }
    assert names == {"short": {"train": 2, "test": 1}, "wide": {"train": 1}}
    assert not [path for path, *_ in hub.asked if path.endswith(".py")]


def test_without_a_card_names_tell_configurations_and_splits(hub):
    hub.files[REPO] = {
        "zh/train-00000-of-00001.parquet": columns(1),
        "en/validation.csv": b"question,answer\na,b\n",
        "data/dev.jsonl": lines(0, 1),
        "dataset_infos.json": b"{}",
        ".gitattributes": b"",
    }
    dataset = remote.find(source(hub))
    names = {config: list(splits) for config, splits in dataset.splits.items()}
    assert names == {"default": ["validation"], "en": ["validation"], "zh": ["train"]} and dataset.licence == ""


@pytest.mark.parametrize("config", ["short", "wide"])
def test_the_first_rows_can_be_looked_at(hub, config):
    rows = remote.first_rows(remote.find(source(hub)), config, "train")
    assert len(rows) == remote.SHOWN and set(rows[0]) in ({"instruction", "output"}, {"question", "answer"})


def test_a_look_takes_only_the_beginning_of_a_long_file(hub):
    hub.files[REPO]["rows/train-00.jsonl"] = lines(0, 20_000)
    hub.slow = 0.0005
    assert remote.first_rows(remote.find(source(hub)), "short", "train")[0] == {"instruction": "问0", "output": "答0"}


@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_a_slice_goes_over_files_and_fetches_no_more_than_it_needs(hub, kind):
    dataset = remote.find(source(hub, kind))
    assert [one.question for one in brought(dataset, remote.Slice("short", "train", 28, 4))] == [
        "问28",
        "问29",
        "问30",
        "问31",
    ]
    hub.asked.clear()
    assert len(brought(dataset, remote.Slice("short", "train", 0, 5))) == 5
    assert not hub.requests_for("train-01.jsonl")
    assert [one.answer for one in brought(dataset, remote.Slice("wide", "train", 10))] == ["a10", "a11"]


def test_a_slice_beyond_the_end_and_one_that_makes_no_sense(hub):
    dataset = remote.find(source(hub))
    download = remote.start(dataset, remote.Slice("short", "test", 10))
    download.wait(20)
    with pytest.raises(DataError):
        remote.take(download)
    for bad in ({"start": -1}, {"count": 0}, {"count": remote.MOST_ROWS + 1}):
        with pytest.raises(DataError):
            remote.Slice("short", "test", **bad)
    with pytest.raises(HubError):
        dataset.files("short", "none")


def test_a_cut_line_goes_on_and_a_stopped_slice_leaves_nothing(hub):
    hub.faults["rows/train-00.jsonl"] = ["drop", 503]
    assert len(brought(remote.find(source(hub)), remote.Slice("short", "train"))) == 50
    hub.slow = 0.05
    hub.files[REPO]["rows/train-00.jsonl"] = lines(0, 3_000)
    download = remote.start(remote.find(source(hub)), remote.Slice("short", "train", 1))
    remote.discard(download)
    assert download.state == "cancelled" and not download.folder.exists()


def test_the_token_is_not_taken_to_another_host(hub):
    with serving("127.0.0.2") as store:
        store.files[REPO] = dict(hub.files[REPO])
        dataset = remote.find(source(hub), "secret")
        hub.redirect = store.address
        download = remote.start(dataset, remote.Slice("short", "test"), "secret")
        download.wait(20)
        assert download.state == "done" and store.asked and {token for _, _, token, *_ in store.asked} == {""}


def test_refusals_are_sentences(hub):
    with pytest.raises(HubError) as caught:
        remote.find(source(hub, repo="people/none"))
    assert caught.value.key == "hub.missing"
    hub.files[REPO] = {"README.md": b"", "load.py": b""}
    with pytest.raises(HubError) as caught:
        remote.find(source(hub))
    assert caught.value.key == "hub.no_rows"
    hub.listed["../outside.jsonl"] = 10
    with pytest.raises(HubError) as caught:
        remote.find(source(hub))
    assert caught.value.key == "hub.traversal"


def test_private_addresses_are_refused_while_shared(hub):
    private_hosts.refuse_when(lambda: True)
    try:
        with pytest.raises(HubError) as caught:
            remote.find(source(hub))
    finally:
        private_hosts.refuse_when(lambda: False)
    assert caught.value.key == "hub.private_host" and not hub.asked


@pytest.mark.parametrize(
    "card", ["---\nlicense: [mit, other]\n---", "---\n: :\n  - [\n---", "---\na: &a [1]\nb: *a\n---", "no card"]
)
def test_cards_of_any_kind_are_read_or_left(hub, card):
    hub.files[REPO]["README.md"] = card.encode()
    dataset = remote.find(source(hub))
    assert set(dataset.splits) == {"rows", "table"} and dataset.licence in ("mit, other", "")
