"""A mirror's address reads no service of this computer: not by its name, not by a redirect, not by a name that resolves to it."""

import http.server
import threading

import httpx
import pytest

from glm_core.hub import private_hosts
from glm_core.hub.http_download import HubError, new_client, opened


@pytest.fixture
def inner(monkeypatch):
    """A service of this computer that nobody may read; gives its address and what it was asked."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):  # noqa: N802, the name is http.server's
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "6")
            self.end_headers()
            self.wfile.write(b"secret")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    private_hosts.refuse_when(lambda: True)
    yield f"127.0.0.1:{server.server_port}", asked
    private_hosts.refuse_when(lambda: False)
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0.0.0.0", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_services_of_this_computer_are_refused(inner, host):
    port = inner[0].partition(":")[2]
    with new_client() as client, pytest.raises(HubError) as caught, opened(client, f"http://{host}:{port}/x"):
        pass
    assert caught.value.key == "hub.private_host" and inner[1] == []


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "fd00::1", "fec0::1"]
)
def test_private_networks_are_refused(address):
    with pytest.raises(private_hosts.PrivateHostError):
        private_hosts.public_address(address, 80)


@pytest.mark.parametrize(
    "address", ["::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a00:1::1"]
)
def test_a_private_address_inside_one_of_ipv6_is_refused(address):
    with pytest.raises(private_hosts.PrivateHostError):
        private_hosts.public_address(address, 80)


@pytest.mark.parametrize("address", ["2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"])
def test_public_addresses_of_ipv6_are_allowed(address):
    assert private_hosts.public_address(address, 80) == address


def test_a_name_that_resolves_to_this_computer_is_refused(inner, monkeypatch):
    found = [(2, 1, 6, "", ("93.184.216.34", 80)), (2, 1, 6, "", ("127.0.0.1", 80))]
    monkeypatch.setattr(private_hosts.socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(private_hosts.PrivateHostError):
        private_hosts.public_address("rebound.example", 80)


def test_a_redirect_is_checked_as_the_first_address_is(inner, monkeypatch):
    monkeypatch.setenv("EASYAIGC_ENDPOINTS", "mirror.example")
    real = private_hosts.socket.getaddrinfo

    class Redirecting(private_hosts.PublicTransport):
        def handle_request(self, request):
            if request.url.host == "mirror.example":
                return httpx.Response(302, headers={"location": f"http://{inner[0]}/x"}, request=request)
            return super().handle_request(request)

    monkeypatch.setattr(private_hosts, "PublicTransport", Redirecting)
    monkeypatch.setattr(private_hosts.socket, "getaddrinfo", real)
    with new_client() as client, pytest.raises(HubError) as caught, opened(client, "http://mirror.example/x"):
        pass
    assert caught.value.key == "hub.private_host" and inner[1] == []


def test_what_the_operator_lists_is_allowed(inner, monkeypatch):
    monkeypatch.setenv("EASYAIGC_ENDPOINTS", "other, 127.0.0.1")
    with new_client() as client, opened(client, f"http://{inner[0]}/x") as answer:
        assert answer.read() == b"secret" and inner[1] == ["/x"]
