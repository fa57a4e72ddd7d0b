"""Plain HTML pages outside Streamlit: sign-in, sign-out, the connection check. Drawn from `templates/`, without a script of their own."""

from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse

from glm_core import i18n, templates
from glm_core.i18n import t
from glm_core.workspace import ASSETS

TEMPLATES = Path(__file__).parent / "templates"


def plain_page(
    template: str, title_key: str, http: Request, *, status: int = 200, where: str = "/", **values
) -> HTMLResponse:
    """Draw `template` with its title and a link to the other language.

    Args:
        where: the path to go to after signing in, kept in that link.
        **values: what the template asks for; every one is escaped.
    """
    other = "en" if i18n.current() == "zh" else "zh"
    switch = f"{http.url.path}?lang={other}" + (f"&next={quote(where, safe='/')}" if where not in ("", "/") else "")
    html = templates.render(
        TEMPLATES,
        f"{template}.html",
        title=t(title_key),
        where=where,
        switch="" if http.url.path == "/first" else switch,
        other=other,
        style=_asset("signin.css"),
        seal=_asset("seal.svg"),
        **values,
    )
    return HTMLResponse(html, status, headers={"cache-control": "no-store"})


def use_language_of(http: Request) -> None:
    """Speak the language of the address (`?lang=`), otherwise the browser's."""
    i18n.use(language_of(http.query_params.get("lang") or http.headers.get("accept-language", "")))


def language_of(accepted: str) -> str:
    """Return "en" where an `Accept-Language` header asks for English first, otherwise "zh"."""
    return "en" if accepted.strip().lower().startswith("en") else "zh"


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
