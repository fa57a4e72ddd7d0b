"""The language of each reader: the browser keeps it in a cookie, for pages before sign-in too, an account takes it to other browsers."""

from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from glm_core import i18n
from glm_core.auth import accounts, options
from glm_core.auth.accounts import Account
from glm_core.auth.database import writing

COOKIE = "easyaigc_language"
COOKIE_SECONDS = 365 * 86400


def of_account(account: Account) -> str | None:
    """Return the language that `account` chose last; None for visitors, for this computer's user, and before the first choice."""
    return i18n.named(options.option(_option(account)) or "") if _is_named(account) else None


def keep(account: Account, language: str) -> None:
    """Remember the language that `account` has chosen; those without a name have only their browser's cookie."""
    if _is_named(account):
        with writing() as db:
            db.execute("INSERT OR REPLACE INTO options VALUES(?,?)", (_option(account), language))


def _is_named(account: Account) -> bool:
    return account.id != accounts.LOCAL.id and account.name != accounts.GUEST_NAME


def _option(account: Account) -> str:
    return f"language {account.folder}"


def of_request(http: Request) -> str:
    """Return the language of a request: of its address (`?lang=`), of the page to go to, of the browser's cookie, then of the browser."""
    onward = parse_qs(urlsplit(http.query_params.get("next", "")).query).get("lang", [""])[0]
    asked = (http.query_params.get("lang", ""), onward, http.cookies.get(COOKIE, ""))
    return next(filter(None, map(i18n.named, asked)), None) or of_browser(http.headers.get("accept-language", ""))


def of_browser(accepted: str) -> str:
    """Return "en" where an `Accept-Language` header asks for English first, otherwise "zh"."""
    return "en" if accepted.strip().lower().startswith("en") else "zh"


def remember(answer: Response, language: str) -> None:
    """Let the browser that gets `answer` keep `language`."""
    answer.set_cookie(COOKIE, language, max_age=COOKIE_SECONDS, path="/", httponly=True, samesite="lax")


async def choose(http: Request) -> Response:
    """GET /language/zh or /language/en: no content, and the cookie. Pages ask for it as for a picture."""
    answer = Response(status_code=204, headers={"cache-control": "no-store"})
    language = i18n.named(http.path_params["language"])
    if language:
        remember(answer, language)
    return answer


ROUTES = [Route("/language/{language}", choose)]
