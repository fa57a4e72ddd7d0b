"""Plain HTML pages outside Streamlit: sign-in, sign-out, the connection check. Drawn from `templates/`, without a script of their own."""

from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse

from glm_core import i18n, templates
from glm_core.auth import languages
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
        other_name=i18n.NAMES[other],
        style=_asset("signin.css"),
        seal=_asset("seal.svg"),
        **values,
    )
    answer = HTMLResponse(html, status, headers={"cache-control": "no-store"})
    if i18n.named(http.query_params.get("lang", "")):
        languages.remember(answer, i18n.current())
    return answer


def use_language_of(http: Request) -> None:
    """Speak the reader's language (`languages.of_request`)."""
    i18n.use(languages.of_request(http))


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
