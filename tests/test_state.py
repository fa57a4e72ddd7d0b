"""What the process shares: which engine answers."""

import asyncio
import contextlib
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from glm_core import lifecycle, state
from glm_core.auth.network.page_sockets import MOST_IDLE, Owner
from glm_core.machine import allocator
from glm_core.machine.machine import Gpu, Machine
from glm_core.serving.engine import LocalEngine
from glm_core.serving.remote import RemoteEngine


def test_the_engine_is_this_process_or_the_server_that_the_operator_names(monkeypatch):
    monkeypatch.setattr(state, "engines", [])
    make = state.engine.__wrapped__
    monkeypatch.delenv("EASYAIGC_ENGINE", raising=False)
    here = make()
    assert isinstance(here, LocalEngine)
    monkeypatch.setenv("EASYAIGC_ENGINE", "http://127.0.0.1:9/v1")
    elsewhere = make()
    assert isinstance(elsewhere, RemoteEngine) and state.loaded().name == "http://127.0.0.1:9/v1"
    assert elsewhere.loading is None and elsewhere.cancel_loading() is None
    here.close()
    elsewhere.close()


SHORT_OF_MEMORY = """
import resource
from glm_core import state
from glm_core.auth.network.page_sockets import MOST_IDLE, Owner
from glm_core.serving.errors import EngineUnavailable
held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 100_000_000, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        state.engine()
    except EngineUnavailable as error:
        print(error.key)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits on memory hold on Linux")
def test_a_process_without_the_memory_to_load_torch_says_so_each_time():
    done = subprocess.run([sys.executable, "-c", SHORT_OF_MEMORY], capture_output=True, text=True)
    assert done.stdout.split() == ["serving.no_memory_for_torch"] * 2, done.stderr[-2000:]


def test_the_server_ends_after_the_answers_that_it_broke_off_are_saved(monkeypatch, workspace):
    order, begun, broken_off = [], threading.Event(), threading.Event()

    def page():
        with lifecycle.saving_answer():
            begun.set()
            assert broken_off.wait(60)
            order.append("saved")

    monkeypatch.setattr(state, "engines", [SimpleNamespace(close=broken_off.set)])
    answering = threading.Thread(target=page)
    answering.start()
    assert begun.wait(60)
    lifecycle.close()
    order.append("ended")
    answering.join()
    assert order == ["saved", "ended"]


@pytest.fixture
def chatting(monkeypatch):
    """A model loaded for chat that has 13 GiB of a GPU; it counts how often it was unloaded."""
    engine = SimpleNamespace(loaded=SimpleNamespace(name="chatglm-6b"), held=13 << 30, unloaded=0)
    engine.unload = lambda: vars(engine).update(unloaded=engine.unloaded + 1, loaded=None, held=0)
    monkeypatch.setattr(state, "engines", [engine])
    monkeypatch.setattr(state, "engine", lambda: engine)
    return engine


def with_cards(monkeypatch, *used):
    gpus = tuple(Gpu(index, "NVIDIA GeForce RTX 4090", gib << 30, 24 << 30) for index, gib in enumerate(used))
    monkeypatch.setattr(state.this_machine, "gpus", lambda: gpus)
    monkeypatch.setattr(state.this_machine, "machine", lambda: Machine(gpus, 2, 16 << 30, 8 << 30, 1 << 40))


def test_the_memory_of_pages_goes_back_to_the_system_after_their_end(monkeypatch, workspace):
    ended, trimmed = [], threading.Event()
    monkeypatch.setattr(state.runtime, "get_instance", lambda: SimpleNamespace(close_session=ended.append))
    monkeypatch.setattr(lifecycle, "ENDED_PAGES_SECONDS", 0.01)
    monkeypatch.setattr(allocator, "trim", lambda: trimmed.set() if ended else pytest.fail("no page has ended"))

    async def end_the_oldest(sockets):
        owner = Owner("u-1", "trainer", b"", "127.0.0.1")
        for number in range(MOST_IDLE + 1):
            sockets.bind(str(number), owner)
            sockets.discard(owner, str(number))

    try:
        lifecycle.start()
        asyncio.run(end_the_oldest(state.guarding()["sockets"]))
        assert trimmed.wait(60) and ended[0] == "0"
    finally:
        lifecycle.close()


def test_a_run_finds_the_card_without_the_model_that_is_unloaded_for_it(monkeypatch, chatting):
    with_cards(monkeypatch, 1, 14)
    assert [gpu.memory_used >> 30 for gpu in state.machine().gpus] == [1, 1]
    state.free_gpu(None)
    assert chatting.unloaded == 1 and [gpu.memory_used >> 30 for gpu in state.machine().gpus] == [1, 14]


def test_without_a_card_the_model_stays_where_it_is(monkeypatch, chatting):
    with_cards(monkeypatch)
    assert state.machine() == state.this_machine.machine()
    state.free_gpu(None)
    assert chatting.unloaded == 0


@pytest.mark.parametrize(("path", "refused"), [("", False), ("/", False), ("tool", True), ("/a/b/", True)])
def test_a_path_beneath_an_address_is_refused_at_the_start(path, refused):
    with pytest.raises(SystemExit, match="docs/sharing.md") if refused else contextlib.nullcontext():
        lifecycle.refuse_base_path(path)
