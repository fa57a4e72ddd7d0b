"""File descriptors of the process: every socket, Streamlit session and open file needs some, and a server without any stops answering."""

import contextlib

from glm_core.auth.network.page_sockets import SocketLimits

try:
    import resource
except ImportError:  # Windows has no such limit
    resource = None

WANTED = 65_536
PER_SOCKET = 6
"Descriptors of a page: its socket, the three of Streamlit's event loop, and files it has open meanwhile."


def raise_limit() -> None:
    """Raise the process' soft limit of open files towards the hard one. A refusal changes nothing."""
    if resource is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def socket_limits() -> SocketLimits:
    """Return how many page sockets may be open, so that descriptors are left for everything else."""
    usual = SocketLimits()
    if resource is None:
        return usual
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        return usual
    total = max(4, min(usual.total, (hard - 64) // PER_SOCKET))
    return SocketLimits(guests=min(usual.guests, total * 3 // 4), total=total)
