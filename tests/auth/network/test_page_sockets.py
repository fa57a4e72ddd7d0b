"""How many sockets of pages guests may hold together."""

from glm_core.auth.network.page_sockets import Owner, PageSockets, SocketLimits


def owner(number: int, role: str) -> Owner:
    """The sign-in of a person of their own, from an address of their own."""
    return Owner(f"{role}-{number}", role, bytes([number]), f"192.0.2.{number}")


def test_guests_leave_sockets_to_everybody_else():
    sockets = PageSockets(SocketLimits(guests=3, total=5))
    assert [sockets.add(owner(number, "guest")) for number in range(4)] == [True, True, True, False]
    assert sockets.add(owner(8, "administrator")) and sockets.add(owner(9, "trainer"))
    assert not sockets.add(owner(10, "trainer")), "the total holds for all"
    sockets.discard(owner(8, "administrator"), None)
    assert not sockets.add(owner(3, "guest")), "what an administrator leaves is not for guests"
    sockets.discard(owner(0, "guest"), None)
    assert sockets.add(owner(3, "guest"))
