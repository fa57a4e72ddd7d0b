"""Signing in and out as an attacker finds it, guests, the first administrator, and who has just turned sharing on."""

import re

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from glm_core.auth import accounts, languages, sessions
from glm_core.auth.plain_pages import login
from glm_core.auth.requests.sender import COOKIE
from tests.auth.shared_server import PASSWORD, sign_in, visitor


def test_the_pages_outside_streamlit_bring_their_icon(stranger):
    assert '<link rel="icon" href="data:image/svg+xml,%3Csvg' in stranger.get("/login").text, (
        "else /favicon.ico is asked for"
    )


def test_signing_in_leads_where_one_wanted_to_go_with_a_cookie_no_script_reads(stranger, people):
    answer = sign_in(stranger, next="/training?run=1")
    assert answer.status_code == 303 and answer.headers["location"] == "/training?run=1"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie and "path=/" in cookie and "domain" not in cookie
    assert len(stranger.cookies[COOKIE]) >= 43
    assert stranger.get("/").text == f"the-trainer {people['trainer'].folder}"


def test_behind_https_the_cookie_is_for_https_alone(app, people):
    client = TestClient(app, base_url="https://192.168.1.2", client=("192.168.1.66", 5), follow_redirects=False)
    assert sign_in(client).headers["set-cookie"].lower().count("; secure") == 1


@pytest.mark.parametrize(
    "where",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/a\r\nset-cookie: x=1",
        "\\\\evil",
        "/\t/evil.example",
        "///evil.example",
        "/login",
        "/logout",
        "evil",
        "",
    ],
)
def test_signing_in_never_leads_elsewhere(stranger, people, where):
    answer = sign_in(stranger, next=where)
    assert answer.status_code == 303 and answer.headers["location"] == "/" and "x" not in answer.cookies


def test_a_planted_session_is_not_the_one_that_gets_in(app, stranger, people):
    """Fixation: the attacker's token in the victim's browser stays the attacker's, or nobody's."""
    attacker = visitor(app, "192.168.1.77")
    for planted in ("a" * 43, sessions.open_session(people["guest"])):
        attacker.cookies.set(COOKIE, planted)
        victim = visitor(app)
        victim.post(
            "/login",
            data={"name": "the-administrator", "password": PASSWORD},
            headers={"cookie": f"{COOKIE}={planted}"},
        )
        assert victim.cookies[COOKIE] != planted
        assert attacker.get("/").status_code == 303, "the planted session has ended"
        attacker.cookies.clear()


def test_after_a_wrong_password_one_types_on_where_it_was_wrong(stranger, people):
    assert _typed_into(stranger.get("/login").text) == ["name"]
    assert _typed_into(sign_in(stranger, "trainer", "wrong password").text) == ["password"]


def _typed_into(page: str) -> list[str]:
    """The fields that have the cursor when the page opens."""
    return re.findall(r'<input id="(\w+)"[^>]* autofocus', page)


def test_wrong_names_and_wrong_passwords_look_the_same(stranger, people):
    one, two = sign_in(stranger, "trainer", "wrong password"), sign_in(stranger, "nobody", "wrong password")
    assert one.status_code == two.status_code == 401
    assert one.text.replace("the-trainer", "") == two.text.replace("the-nobody", "")
    assert COOKIE not in stranger.cookies


def test_brute_force_is_slowed_down_and_nobody_else_is_locked_out(app, stranger, people):
    codes = [sign_in(stranger, password=f"guess number {number}").status_code for number in range(7)]
    assert codes == [401] * 5 + [429] * 2
    refused = sign_in(stranger)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0, "not even with the right password"
    assert sign_in(visitor(app, "192.168.1.80")).status_code == 303


def test_guessing_through_many_names_is_slowed_down_too(stranger, people):
    codes = [sign_in(stranger, f"name{number}", "password1").status_code for number in range(25)]
    assert codes.count(401) == login.LIMITS["address"] and codes[-1] == 429


def test_many_right_passwords_from_one_address_lock_nobody_out(app, people):
    assert {sign_in(visitor(app)).status_code for _ in range(25)} == {303}


def test_a_huge_or_strange_form_is_an_empty_one(stranger, people):
    assert stranger.post("/login", content=b"name=" + b"x" * 100_000).status_code == 401
    assert stranger.post("/login", content=b"\xff\xfe%00=%ff&name=%00").status_code == 401


def test_what_somebody_typed_is_shown_and_never_run(stranger, people):
    page = stranger.post(
        "/login", data={"name": '"><script>alert(1)</script>', "password": "x", "next": '/"><script>'}
    ).text
    assert "<script" not in page and "&#34;&gt;&lt;script&gt;" in page
    page = stranger.get("/login", params={"next": '/"><img src=x onerror=alert(1)>', "lang": '"><b>'}).text
    assert "<img" not in page and "<b>" not in page


def test_signing_out_ends_the_session_itself(app, stranger, people):
    sign_in(stranger)
    token = stranger.cookies[COOKIE]
    assert stranger.post("/logout").status_code == 303
    thief = visitor(app)
    thief.cookies.set(COOKIE, token)
    assert thief.get("/").status_code == 303


def test_signing_out_everywhere_ends_the_others_too(app, stranger, people):
    sign_in(stranger)
    other = visitor(app)
    sign_in(other)
    stranger.post("/logout", data={"everywhere": "1"})
    assert other.get("/").status_code == 303


def test_a_link_alone_signs_nobody_out(stranger, people):
    sign_in(stranger)
    assert stranger.get("/logout").status_code == 200
    assert stranger.get("/").status_code == 200


def test_guests_come_in_only_while_the_door_is_open(stranger, people):
    assert stranger.post("/login", data={"guest": "1"}).status_code == 403
    assert "guest" not in stranger.get("/login").text.replace("the-guest", "")
    accounts.set_open_guest(True)
    assert 'name="guest"' in stranger.get("/login").text
    assert stranger.post("/login", data={"guest": "1"}).status_code == 303
    assert re.fullmatch(r"guest guest-[0-9a-f]{16}", stranger.get("/").text)


def test_guest_visits_from_one_address_are_bounded(stranger, people):
    accounts.set_open_guest(True)
    codes = [stranger.post("/login", data={"guest": "1"}).status_code for _ in range(login.GUEST_LIMIT + 1)]
    assert codes[-1] == 429 and codes[-2] == 303


def test_the_one_time_address_makes_one_administrator(app, stranger, sharing):
    secret = sharing.first_visit()
    assert stranger.get("/first", params={"token": secret}).status_code == 200
    form = {"token": secret, "name": "boss", "password": PASSWORD, "again": PASSWORD}
    assert stranger.post("/first", data=form | {"again": "else"}).status_code == 400
    assert stranger.post("/first", data=form | {"password": "short", "again": "short"}).status_code == 400
    assert stranger.post("/first", data=form | {"token": "guess"}).status_code == 403
    assert stranger.post("/first", data=form).status_code == 303
    assert stranger.get("/").text.startswith("boss local")
    thief = visitor(app, "192.168.1.77")
    used = thief.get("/first", params={"token": secret})
    assert used.status_code == 403 and 'href="/login"' in used.text, "the way on for whoever has an account"
    assert thief.post("/first", data=form | {"name": "thief"}).status_code == 403
    assert [one.name for one in accounts.accounts()] == ["boss"]


@pytest.mark.parametrize("token", ["", "x", "None", "\ud800".encode("utf-8", "surrogatepass")])
def test_no_other_address_makes_one(stranger, sharing, token):
    assert stranger.get("/first", params={"token": token}).status_code == 403
    sharing.first_visit()
    assert stranger.get("/first", params={"token": token}).status_code == 403


def test_a_name_that_nobody_has_costs_a_hash_too(people, monkeypatch):
    checked = []

    class Counting(PasswordHasher):
        def verify(self, hashed, password):
            checked.append(hashed)
            return super().verify(hashed, password)

    monkeypatch.setattr(accounts, "password_hasher", lambda hasher=Counting(1, 8, 1): hasher)
    accounts.check("the-trainer", "wrong password")
    accounts.check("nobody", "wrong password")
    assert len(checked) == 2


def test_who_turned_sharing_on_comes_back_signed_in_once(app, sharing, people):
    ticket = sharing.hand_over("the-administrator")
    assert visitor(app).get("/enter", params={"ticket": ticket}).headers["location"].startswith("/login"), "a stranger"
    owner = visitor(app, "127.0.0.1")
    entered = owner.get("/enter", params={"ticket": ticket, "next": "/settings?lang=English"})
    assert entered.headers["location"] == "/settings?lang=English" and COOKIE in entered.cookies
    assert owner.get("/settings").text.startswith("the-administrator")
    again = visitor(app, "127.0.0.1").get("/enter", params={"ticket": ticket, "next": "/settings?lang=English"})
    assert again.headers["location"].startswith("/login?next=/settings") and COOKIE not in again.cookies


@pytest.mark.parametrize("where", ["//evil.example", "https://evil.example", "/login", "/enter?ticket=x"])
def test_who_comes_back_stays_on_this_server(app, sharing, people, where):
    ticket = sharing.hand_over("the-administrator")
    owner = visitor(app, "127.0.0.1")
    assert owner.get("/enter", params={"ticket": ticket, "next": where}).headers["location"] == "/"


@pytest.mark.parametrize(
    ("address", "cookie", "word"),
    [
        ("/login", "", "登录"),
        ("/login?lang=en", "", "Sign in"),
        ("/login?lang=English", "zh", "Sign in"),
        ("/login?next=%2Fchat%3Flang%3DEnglish", "", "Sign in"),
        ("/login", "en", "Sign in"),
        ("/login?lang=fr", "en", "Sign in"),
    ],
)
def test_the_sign_in_page_speaks_the_readers_language(stranger, address, cookie, word):
    headers = {"accept-language": "zh-CN"} | ({"cookie": f"{languages.COOKIE}={cookie}"} if cookie else {})
    assert f"<h1>{word}</h1>" in stranger.get(address, headers=headers).text


def test_a_browser_remembers_the_language_of_a_switch(stranger):
    stranger.get("/login?lang=en")
    assert "<h1>Sign in</h1>" in stranger.get("/login", headers={"accept-language": "zh-CN"}).text
