"""What the process shares: which engine answers."""

from glm_core import state
from glm_core.serving.engine import Engine
from glm_core.serving.remote import RemoteEngine


def test_the_engine_is_this_process_or_the_server_that_the_operator_names(monkeypatch):
    monkeypatch.setattr(state, "_engines", [])
    make = state.engine.__wrapped__
    monkeypatch.delenv("EASYAIGC_ENGINE", raising=False)
    here = make()
    assert isinstance(here, Engine)
    monkeypatch.setenv("EASYAIGC_ENGINE", "http://127.0.0.1:9/v1")
    elsewhere = make()
    assert isinstance(elsewhere, RemoteEngine) and state.loaded().name == "http://127.0.0.1:9/v1"
    assert elsewhere.loading is None and elsewhere.cancel_loading() is None
    here.close()
    elsewhere.close()
