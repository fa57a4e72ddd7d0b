"""Every client does what it is used for; one that is not installed is skipped with that reason."""

import pytest

from tests.clients.programs import FEATURES
from tests.clients.running import running_server


@pytest.fixture(scope="module")
def address():
    with running_server() as url:
        yield url


@pytest.mark.clients
@pytest.mark.parametrize("client, name", FEATURES, ids=[f"{client}-{name}" for client, name in FEATURES])
def test_the_client_gets_what_it_asks_for(address, client, name):
    try:
        FEATURES[client, name](address)
    except ImportError as error:
        pytest.skip(f"{client} is not installed (requirements-clients.txt): {error}")
