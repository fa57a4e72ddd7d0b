"""Downloads from hubs that cut the line, redirect, lie and refuse: whole and verified, or a sentence and nothing half done."""

import errno
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glm_core import i18n, workspace
from glm_core.hub import __main__ as command
from glm_core.hub import download_job, http_download, local_models
from glm_core.hub import published as hub_published
from glm_core.hub.http_download import HubError, ProgressCallbacks
from glm_core.hub.sources import Source, list_files
from glm_core.models import describe, describe_config
from tests.hub.fakehub import serving
from tests.paths import SHARED
from tests.tiny import CONFIG, tiny_chatglm

REPO = "zai-org/small"
WEIGHTS = random.Random(0).randbytes(60_000)
IDS = {"vocab_size": 560, "bos_token_id": 504, "eos_token_id": 505, "mask_token_id": 500, "gmask_token_id": 501}
FILES = {
    "config.json": json.dumps(CONFIG | IDS).encode(),
    "ice_text.model": b"pieces" * 50,
    "model.safetensors": WEIGHTS,
    "modeling_chatglm.py": b"import os",
    "quantization.py": b"import os",
    "pytorch_model.bin": b"x" * 500,
    "MODEL_LICENSE": b"yes",
    "onnx/model.safetensors": b"y" * 500,
}
WANTED = {"config.json", "ice_text.model", "model.safetensors", "MODEL_LICENSE"}


@pytest.fixture
def hub(monkeypatch):
    """A hub with one small model, whose dead lines are given up at once."""
    monkeypatch.setattr(http_download, "WAITS", (0.01,) * 3)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    with serving() as hub:
        hub.files[REPO] = dict(FILES)
        yield hub


def source(hub, kind="huggingface", **changes):
    return Source(kind, **{"repo": REPO, "endpoint": hub.address} | changes)


def run(hub, **changes):
    """The download after it has ended."""
    download = download_job.start(source(hub, **changes))
    download.wait(20)
    assert download.state != "running"
    return download


def whole(download) -> bool:
    """Whether every file that was wanted is there, right, and nothing else."""
    names = {path.name for path in download.target.iterdir()} - {download_job.ORIGIN}
    return names == WANTED and all((download.target / name).read_bytes() == FILES[name] for name in WANTED)


def nothing_half(download) -> bool:
    """Whether no file that is not right has its final name, and no model."""
    right = [
        (download.folder / name).read_bytes() == FILES[name] for name in FILES if (download.folder / name).exists()
    ]
    return not download.target.exists() and all(right)


@pytest.mark.parametrize("kind", ["huggingface", "modelscope"])
def test_a_model_comes_whole_without_code_and_other_formats(hub, kind):
    download = run(hub, kind=kind)
    assert download.state == "done" and download.error is None and whole(download)
    assert describe(download.target).family.name == "chatglm"
    assert not list(download_job.downloads_folder().glob("[!.]*"))
    assert not [path for path, *_ in hub.asked if path.endswith((".py", ".bin"))]
    progress = download.progress()
    assert progress.fraction == 1 and progress.total == sum(len(FILES[name]) for name in WANTED)


def test_a_dropped_connection_goes_on_where_it_was(hub):
    hub.faults["model.safetensors"] = ["drop", "drop", "drop", "drop", "drop", "drop"]
    assert whole(run(hub))
    ranges = [asked for _, asked, *_ in hub.requests_for("/model.safetensors")]
    assert len(ranges) == 7 and ranges[:3] == ["", "bytes=30000-", "bytes=45000-"]


def test_a_dead_line_is_a_sentence_and_what_came_is_kept(hub):
    hub.faults["model.safetensors"] = ["drop", *[503] * 4]
    download = run(hub)
    assert download.state == "failed" and download.error.key == "hub.unreachable" and nothing_half(download)
    assert (download.folder / "model.safetensors.part").stat().st_size == 30000
    download = download_job.resume("small")
    download.wait(20)
    assert whole(download)
    assert hub.requests_for("/model.safetensors")[-1][1] == "bytes=30000-"


def test_after_a_restart_of_the_server_it_can_go_on(hub, monkeypatch):
    hub.faults["model.safetensors"] = ["drop", *[503] * 4]
    run(hub)
    download_job.registry.clear()
    found = download_job.get("small")
    assert found.state == "failed" and str(found.error) and found.progress().done > 30000
    record = json.loads((found.folder / download_job.RECORD).read_text())
    (found.folder / download_job.RECORD).write_text(json.dumps(record | {"state": "running"}))
    download_job.registry.clear()
    assert download_job.get("small").state == "stopped"
    download = download_job.resume("small")
    download.wait(20)
    assert whole(download)


def test_a_killed_process_leaves_what_another_goes_on_with(hub):
    hub.slow = 0.05
    command = [sys.executable, "-m", "glm_core.hub", "download", REPO, "--endpoint", hub.address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = download_job.downloads_folder() / "small" / "model.safetensors.part"
    deadline = time.monotonic() + 30
    while not part.is_file() or part.stat().st_size < 20_000:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    with pytest.raises(HubError, match="正在下载"):
        download_job.start(source(hub))
    process.kill()
    process.wait()
    hub.slow = 0
    assert download_job.get("small").state == "stopped"
    download = download_job.resume("small")
    download.wait(20)
    assert whole(download)
    assert int(hub.requests_for("/model.safetensors")[-1][1].removeprefix("bytes=").removesuffix("-")) >= 16_000


def test_models_on_another_disk(hub, monkeypatch):
    rename = os.rename

    def refuse(old, new):
        if Path(old).parent != Path(new).parent:
            raise OSError(errno.EXDEV, "another disk")
        rename(old, new)

    monkeypatch.setattr(os, "rename", refuse)
    download = run(hub)
    assert whole(download) and not download.folder.exists()
    assert {path.name for path in download.target.parent.iterdir()} == {"small"}


def test_a_server_that_ignores_ranges_is_read_from_the_start(hub):
    hub.faults["model.safetensors"] = ["drop", "no range"]
    assert whole(run(hub))


@pytest.mark.parametrize("lie", ["short", "long"])
def test_a_lying_length_does_not_make_half_a_file(hub, lie):
    hub.faults["model.safetensors"] = [lie]
    assert whole(run(hub))


def test_a_body_longer_than_listed_is_refused(hub):
    hub.files[REPO]["model.safetensors"] = WEIGHTS[:-1]
    original = hub.listing
    hub.listing = lambda repo: [(name, size - (name == "model.safetensors"), "") for name, size, _ in original(repo)]
    download = run(hub)
    assert download.error.key == "hub.wrong_size" and nothing_half(download)


def test_a_wrong_digest_deletes_what_came(hub):
    original = hub.listing
    hub.listing = lambda repo: [(name, size, "0" * 64) for name, size, _ in original(repo)]
    download = run(hub)
    assert download.state == "failed" and download.error.key == "hub.wrong_digest" and nothing_half(download)
    assert not (download.folder / "config.json").exists() and not list(download.folder.glob("*.part"))
    assert len(hub.requests_for("/config.json")) == 1, (
        "what a first attempt brought wrong is not fetched again by itself"
    )


def test_a_spoilt_part_is_fetched_again_from_the_start(hub):
    folder = download_job.downloads_folder() / "small"
    folder.mkdir(parents=True)
    (folder / "model.safetensors.part").write_bytes(b"\0" * 30000)
    assert whole(run(hub))
    assert [asked for _, asked, *_ in hub.requests_for("/model.safetensors")] == ["bytes=30000-", ""]


def test_a_part_longer_than_the_file_is_thrown_away(hub):
    folder = download_job.downloads_folder() / "small"
    folder.mkdir(parents=True)
    (folder / "model.safetensors.part").write_bytes(b"\0" * 70000)
    assert whole(run(hub))


@pytest.mark.parametrize(
    ("status", "key"), [(404, "hub.missing"), (401, "hub.denied"), (403, "hub.denied"), (418, "hub.status")]
)
def test_a_refusal_is_a_sentence_at_once(hub, status, key):
    hub.faults["config.json"] = [status]
    download = run(hub)
    assert download.error.key == key and "config.json" in str(download.error) and nothing_half(download)
    assert len(hub.requests_for("/config.json")) == 1


def test_no_such_repository(hub):
    assert run(hub, repo="zai-org/none").error.key == "hub.missing"


def test_too_many_requests_waits_as_long_as_asked(hub):
    hub.faults["config.json"] = [(429, {"Retry-After": "1"})]
    assert whole(run(hub))
    refused, taken = [moment for *_, moment in hub.requests_for("/config.json")]
    assert taken - refused >= 1, "by the clock of the server that asked for it"


def test_too_long_a_wait_is_said_and_not_waited_for(hub):
    hub.faults["config.json"] = [(429, {"Retry-After": "3600"})]
    download = run(hub)
    assert download.error.key == "hub.busy" and "1 小时" in str(download.error)
    assert len(hub.requests_for("/config.json")) == 1


def test_a_redirect_to_another_host_does_not_take_the_token_along(hub):
    with serving("127.0.0.2") as store:
        store.files[REPO] = dict(FILES)
        hub.redirect = store.address
        download = download_job.start(source(hub), token="secret")
        download.wait(20)
        assert whole(download)
        assert {token for _, _, token, *_ in hub.asked} == {"Bearer secret"}
        assert store.asked and {token for _, _, token, *_ in store.asked} == {""}
    assert b"secret" not in b"".join(path.read_bytes() for path in workspace.home().rglob("*") if path.is_file())


def test_a_redirect_to_something_else_is_refused(hub):
    hub.redirect = "file:///etc"
    assert run(hub).error.key == "hub.bad_redirect"


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/config.json", "..\\x.json", "a/../../config.json"])
def test_names_that_lead_outside_are_refused_before_anything_is_taken(hub, name):
    hub.listed[name] = 10
    download = run(hub)
    assert download.error.key == "hub.traversal" and nothing_half(download)
    assert {path.name for path in download.folder.iterdir()} == {download_job.RECORD}


@pytest.mark.parametrize("size", [-1, True, "9", 10**15, None])
def test_a_listing_that_makes_no_sense(hub, size):
    hub.listed["config.json"] = size
    assert run(hub).error.key == "hub.bad_listing"


def test_a_page_instead_of_a_listing(hub):
    hub.listing = lambda repo: 3
    hub.files[REPO] = {}
    assert run(hub, kind="modelscope").state == "failed"


def test_a_repository_without_weights(hub):
    del hub.files[REPO]["model.safetensors"], hub.files[REPO]["pytorch_model.bin"]
    assert run(hub).error.key == "hub.no_model"


def test_a_slow_download_tells_its_speed_and_stops_when_told(hub):
    hub.slow = 0.05
    download = download_job.start(source(hub))
    deadline = time.monotonic() + 10
    while download.progress().seconds_left is None or download.progress().done < 5000:
        assert time.monotonic() < deadline and download.state == "running"
        time.sleep(0.02)
    progress = download.progress()
    assert 5_000 < progress.speed < 40_000 and 0 < progress.seconds_left < 20 and progress.file == "model.safetensors"
    download.stop()
    download.wait(60)
    assert download.state == "stopped" and nothing_half(download)
    assert download.progress().done < len(FILES["model.safetensors"]), "long before its end"
    hub.slow = 0
    download = download_job.resume("small")
    download.wait(20)
    assert whole(download)


def test_a_stopped_download_can_be_thrown_away(hub):
    hub.slow = 0.05
    download = download_job.start(source(hub))
    with pytest.raises(HubError, match="正在下载"):
        download_job.start(source(hub))
    download_job.discard("small")
    assert not download.folder.exists() and download_job.downloads() == []


def test_without_room_nothing_is_fetched(hub, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    download = run(hub)
    assert download.error.key == "hub.no_space" and not hub.requests_for("/config.json")


def test_a_model_that_is_there_is_not_fetched_again(hub):
    run(hub)
    with pytest.raises(HubError, match="已经有"):
        download_job.start(source(hub))


@pytest.mark.parametrize(
    "endpoint", ["ftp://h", "file:///etc", "h", "http://", "http://u:p@h", "http://h/?q=1", "http://h/ x"]
)
def test_addresses_that_are_no_hubs(endpoint):
    with pytest.raises(HubError) as error:
        Source("huggingface", REPO, endpoint)
    assert error.value.key == "hub.endpoint"


@pytest.mark.parametrize("repo", ["x", "../x", "a/..", "a/b/c", "a/.b", "", "a/b?c"])
def test_repositories_that_are_none(repo):
    with pytest.raises(HubError) as error:
        Source("huggingface", repo)
    assert error.value.key == "hub.repo"


def test_a_mirror_with_other_files_than_published_is_refused_before_fetching(hub, monkeypatch):
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    published = {"chatglm-6b": {"model.safetensors": {"sha256": digest, "size": len(WEIGHTS)}}}
    monkeypatch.setattr(hub_published, "digests", lambda: published)
    hub.files["zai-org/chatglm-6b"] = dict(FILES)
    hub.digests = False
    download = run(hub, repo="zai-org/chatglm-6b")
    assert download.state == "done" and download.verified() == (1, 0, 3)
    local_models.remove("chatglm-6b")
    hub.digests, hub.files["zai-org/chatglm-6b"]["model.safetensors"] = True, WEIGHTS[::-1]
    download = run(hub, repo="zai-org/chatglm-6b")
    assert (
        download.error.key == "hub.other_file"
        and not hub.requests_for("/chatglm-6b/resolve/main/model.safetensors")[1:]
    )


def test_verifying_finds_a_changed_and_a_missing_file(hub):
    folder = run(hub).target
    digests = local_models.expected_digests(folder)
    assert {one.verdict for one in local_models.verify(folder, digests)} == {"right"}
    content = bytearray(WEIGHTS)
    content[100] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    (folder / "ice_text.model").unlink()
    seen = []
    verdicts = {one.name: one.verdict for one in local_models.verify(folder, digests, seen.append)}
    assert (
        verdicts == {"model.safetensors": "wrong", "ice_text.model": "missing", "config.json": "right"}
        and seen[-1] == 1
    )


def test_the_command_line_downloads_adds_and_verifies(hub, capsys, tmp_path):
    assert command.main(["download", REPO, "--endpoint", hub.address]) == 0
    assert Path(capsys.readouterr().out.strip()) == workspace.home() / "models" / "small"
    assert command.main(["verify", "small"]) == 0
    assert command.main(["download", REPO, "--endpoint", "ftp://x"]) == 1
    assert "ftp://x" in capsys.readouterr().err
    assert command.main(["list"]) == 0 and "chatglm3-6b" in capsys.readouterr().out
    elsewhere = tiny_chatglm(tmp_path / "mine")
    assert command.main(["add", str(elsewhere)]) == 0 and command.main(["add", str(elsewhere)]) == 1
    local_models.remove("mine")
    assert (elsewhere / "config.json").is_file(), "of a link only the link is deleted"
    assert command.main(["add", str(elsewhere), "--copy"]) == 0
    local_models.remove("mine")
    assert not (workspace.home() / "models" / "mine").exists() and not list((workspace.home() / "models").glob(".*"))


@pytest.mark.parametrize("name", ["..", "", "none", "chatglm-demo", "a/b"])
def test_only_own_models_can_be_deleted(name):
    with pytest.raises((HubError, workspace.WorkspaceError)):
        local_models.remove(name)


@pytest.mark.parametrize("model", hub_published.PUBLISHED, ids=lambda model: model.name)
def test_the_catalogue_describes_models_that_can_be_loaded_here(model):
    found = describe_config(model.described, model.name)
    assert found.family.licence in i18n.table("zh")
    per_parameter = model.download_bytes / found.parameters
    assert per_parameter < 1.2 if found.bits else 1.9 < per_parameter < 4.1
    sized = sum(facts["size"] for facts in model.digests.values())
    assert not sized or abs(sized - model.download_bytes) < 0.01 * sized
    assert Source("huggingface", model.huggingface) and (not model.modelscope or Source("modelscope", model.modelscope))


@pytest.mark.parametrize("name", ["chatglm-6b", "chatglm-6b-int4", "chatglm2-6b", "chatglm3-6b", "glm-4-9b-chat"])
def test_the_catalogue_agrees_with_the_published_configuration(name):
    folder = SHARED / "tokenizers" / name
    if not folder.is_dir():
        pytest.skip("the published configurations are not on this machine")
    published, ours = describe(folder), describe_config(hub_published.find(name).described, name)
    facts = ("family", "parameters", "bits", "context_length")
    assert [getattr(published, fact) for fact in facts] == [getattr(ours, fact) for fact in facts]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("type", "Type"), st.sampled_from(["file", "blob", "tree"]) | JSON),
        **dict.fromkeys(("path", "Path"), st.sampled_from(["config.json", "model.safetensors", "a/b"]) | JSON),
        **dict.fromkeys(("size", "Size"), st.integers(0, 10) | JSON),
        **dict.fromkeys(("lfs", "Sha256"), JSON),
    },
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["huggingface", "modelscope"]), st.lists(ENTRY, max_size=4) | JSON)
def test_no_listing_does_more_than_a_sentence(kind, listing):
    content = {"Data": {"Files": listing}} if kind == "modelscope" else listing
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=json.dumps(content)))
    with httpx.Client(transport=transport) as client:
        try:
            files = list_files(client, Source(kind, REPO), {}, ProgressCallbacks())
        except HubError as error:
            assert str(error)
        else:
            assert all(file.name in ("config.json", "model.safetensors") and file.size >= 0 for file in files)
