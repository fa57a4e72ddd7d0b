"""Names and addresses of this computer: under which others reach it, as a link, as a QR code, through a firewall."""

import contextlib
import io
import ipaddress
import os
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import psutil
import qrcode

LOCAL_HOSTS = ("127.0.0.1", "localhost")


def own_names() -> list[str]:
    """Return the names of this computer beside its addresses: EASYAIGC_HOSTS (separated by commas), then its host names."""
    name = socket.gethostname().lower()
    return list(dict.fromkeys(filter(None, [*given_names(), name, f"{name.split('.')[0]}.local"])))


def given_names() -> list[str]:
    """Return the names that the operator gives in EASYAIGC_HOSTS, separated by commas; they hold without sharing too."""
    return [name.strip().lower() for name in os.environ.get("EASYAIGC_HOSTS", "").split(",") if name.strip()]


def in_networks() -> list[str]:
    """Return this computer's IPv4 addresses in networks, the one of its default route first."""
    states = psutil.net_if_stats()
    found = [
        entry.address
        for interface, entries in psutil.net_if_addrs().items()
        for entry in entries
        if entry.family == socket.AF_INET and states[interface].isup and _is_reachable(entry.address)
    ]
    return sorted(dict.fromkeys(found), key=lambda address: address != _usual_address())


def _is_reachable(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return not (parsed.is_loopback or parsed.is_link_local or parsed.is_unspecified)


def _usual_address() -> str:
    """Return the source address of the default route. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return probe.getsockname()[0]
    return ""


def seen_at(url: str | None, port: int) -> str:
    """Return scheme, name and port under which the reader of the page `url` reaches this server."""
    address = urlsplit(url or "")
    return f"{address.scheme}://{address.netloc}" if address.netloc else f"http://localhost:{port}"


def for_others(mine: str, urls: Iterable[str]) -> list[str]:
    """Return the addresses for others: `mine`, the reader's own, unless it means this computer, then `urls`."""
    here = urlsplit(mine).hostname in LOCAL_HOSTS
    return list(dict.fromkeys([*([] if here else [mine]), *urls]))


def firewall_rules(port: int) -> dict[str, str]:
    """Return the commands that open `port` in this computer's firewall, by their language: bash and batch."""
    return {
        "bash": f"sudo ufw allow {port}/tcp\nsudo firewall-cmd --add-port={port}/tcp",
        "batch": f'netsh advfirewall firewall add rule name="easyAIGC" dir=in action=allow protocol=TCP localport={port}',
    }


def qr_code(url: str) -> bytes:
    """Return a QR code of `url` as PNG."""
    code = qrcode.QRCode(box_size=6, border=2)
    code.add_data(url)
    picture = io.BytesIO()
    code.make_image(fill_color="#1F2426", back_color="#FBF9F4").save(picture)
    return picture.getvalue()
