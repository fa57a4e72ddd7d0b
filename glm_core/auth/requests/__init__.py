"""The checks of every request, HTTP and WebSocket, before any page or route sees it."""
