"""easyAIGC, the whole program on one port: `streamlit run app.py`.

The pages (glm_core/page_frame.py draws the frame, pages/ the content) and the HTTP API share one process, one engine and one launcher
(glm_core/state.py).
"""

import logging
import warnings
from contextlib import asynccontextmanager

import streamlit as st
from starlette.middleware import Middleware

from glm_core import error_log, lifecycle, page_document, state, ui
from glm_core.api import routes
from glm_core.auth import languages
from glm_core.auth.network import sharing
from glm_core.auth.plain_pages import login, websocket_check
from glm_core.auth.requests.middleware import AuthMiddleware


@asynccontextmanager
async def lifespan(_app):
    """Watch the runs while the server is up, and tell the terminal where it is."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    error_log.keep_brief(
        "glm_core.ui", "streamlit.error_util", "streamlit.web.server.starlette.starlette_websocket", "uvicorn.error"
    )
    warnings.filterwarnings(
        "ignore", category=FutureWarning, module="transformers"
    )  # what PEFT asks it in last year's words
    lifecycle.start()
    print(await sharing.begin(state.sharing(), app, st.get_option("server.port")), flush=True)
    lifecycle.open_browser(f"http://localhost:{st.get_option('server.port')}")
    with routes.ending_on_signals(lifecycle.close):
        yield
    await state.sharing().close()
    lifecycle.close()


lifecycle.refuse_base_path(st.get_option("server.baseUrlPath"))
app = st.App(
    "glm_core/page_frame.py",
    routes=[
        *routes.routes(state.engine, state.made_engine),
        *login.routes(state.sharing),
        *languages.ROUTES,
        *websocket_check.ROUTES,
        *page_document.ROUTES,
    ],
    middleware=[Middleware(AuthMiddleware, **state.guarding())],
    lifespan=lifespan,
    on_script_error=ui.show_error,
)
