"""A server on the bundled models: `python -m tests.clients.serve` prints its address and runs until it is ended."""

import socket

import uvicorn
from starlette.applications import Starlette

from glm_core.api import routes
from glm_core.serving.engine import LocalEngine


def main() -> None:
    """Serve the API alone on a free port of this computer."""
    engine = LocalEngine(waiting=128)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    print(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
    app = Starlette(routes=routes.routes(lambda: engine))
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off")).run([listener])


if __name__ == "__main__":
    main()
