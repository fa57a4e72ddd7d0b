"""The engine with a tiny model, and a server on it, for the tests of this folder."""

from tests.engine import engine, home, server, shared_engine, tiny_folder  # noqa: F401
