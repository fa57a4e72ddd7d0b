"""The HTML document in which the browser draws every page: Streamlit's own, with its one inline script in a file.

The content security policy allows no inline script. The file also tells the browser where the server is; Streamlit would try it out
beneath the page's own address first, which is a 404 in the console of every reader.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from glm_core.page_list import PAGES
from glm_core.workspace import ASSETS

INDEX = Path(find_spec("streamlit").origin).parent / "static" / "index.html"
INLINE_SCRIPT = re.compile(r"<script>.*?</script>", re.DOTALL)


async def show(_http: Request) -> Response:
    """GET / and every page."""
    return HTMLResponse(document(), headers={"cache-control": "no-cache"})


async def script(_http: Request) -> Response:
    """GET /start.js."""
    return FileResponse(ASSETS / "start.js", media_type="text/javascript", headers={"cache-control": "no-cache"})


@cache
def document() -> str:
    """Return the document; its script runs before Streamlit's modules."""
    html = INLINE_SCRIPT.sub("", INDEX.read_text(encoding="utf-8"))
    html = html.replace("<title>Streamlit</title>", "<title>easyAIGC</title>")
    return html.replace("<head>", '<head><script src="./start.js"></script>', 1)


ROUTES = [
    Route("/", show),
    Route("/start.js", script),
    *(Route(f"/{entry.name}", show) for entry in PAGES),
]
