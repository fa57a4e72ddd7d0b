"""What a run could use here: the GPUs this server may use, and no more memory than a container grants."""

import psutil
import pytest

from glm_core.machine import machine as this_machine

GPU = {
    "index": 0,
    "name": "RTX 3060",
    "memory_used": 2 << 30,
    "memory_total": 12 << 30,
    "utilization": 5,
    "temperature": 40,
    "power": None,
}


def test_the_machine_has_cores_memory_and_disk():
    machine = this_machine.machine()
    assert machine.cores >= 1
    assert 0 < machine.memory_free <= machine.memory_total
    assert machine.disk_free > 0, "also before the workspace exists"


def test_every_card_is_a_place_for_a_run(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(this_machine, "sample_gpus", lambda: [GPU, {**GPU, "index": 1}])
    assert this_machine.devices() == ["0", "1"]
    assert this_machine.machine().gpus[0].memory_total == 12 << 30


@pytest.mark.parametrize(("limit", "places"), [("2,3", ["2", "3"]), ("GPU-abc", ["GPU-abc"]), ("", []), ("-1", [])])
def test_a_server_that_may_use_some_cards_gives_no_others_away(monkeypatch, limit, places):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", limit)
    monkeypatch.setattr(this_machine, "sample_gpus", lambda: [GPU])
    assert this_machine.devices() == places


def test_a_container_has_its_own_memory_and_cores(monkeypatch, tmp_path):
    files = {
        "memory.max": "1000000",
        "memory.current": "700000",
        "memory.stat": "anon 1\ninactive_file 200000\n",
        "cpu.max": "50000 100000",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(this_machine, "CONTROL_GROUP", tmp_path)
    machine = this_machine.machine()
    assert (machine.memory_total, machine.memory_free, machine.cores) == (1_000_000, 500_000, 1)


def test_without_a_container_the_computer_is_the_limit(monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(this_machine, "CONTROL_GROUP", tmp_path)
    assert this_machine.machine().memory_total == psutil.virtual_memory().total
