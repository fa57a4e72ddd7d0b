"""Attacks that once worked, against a live shared server: nobody, a guest and a trainer who was deleted."""

import contextlib
import os
import resource
import sqlite3
import subprocess
import time

import httpx
import pytest
import websockets.sync.client as sockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import WebSocketException

from glm_core.auth import accounts, database
from glm_core.auth.network.page_sockets import SocketLimits
from glm_core.auth.requests.sender import COOKIE
from tests.browser.conftest import Server

pytestmark = pytest.mark.slow

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """`streamlit run app.py`, shared and open to guests, begun with 256 file descriptors."""
    folder = tmp_path_factory.mktemp("live")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EASYAIGC_HOME", str(folder / "home"))
        patch.setenv("EASYAIGC_SHARE", "1")
        for role in reversed(accounts.ROLES):
            accounts.create(f"the-{role}", PASSWORD, role)
        accounts.create("to-delete", PASSWORD, "trainer")
        accounts.set_open_guest(True)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        try:
            live = Server(folder / "home", folder / "server.log")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        yield live
        log = live.log.read_text()
        live.stop()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture
def browser(server, monkeypatch):
    """Gives a client for a name, signed in unless it is empty."""
    monkeypatch.setenv("EASYAIGC_HOME", str(server.home))
    with contextlib.ExitStack() as stack:

        def new(name="", **options):
            client = stack.enter_context(httpx.Client(base_url=server.url, timeout=60, **options))
            fields = {"name": name, "password": PASSWORD} if name != "guest" else {"guest": "1"}
            if name:
                assert client.post("/login", data=fields).status_code == 303
            return client

        yield new


def open_page(server, client, session=""):
    """A page's socket with the cookie of `client`, resuming `session` where one is given."""
    return sockets.connect(
        f"ws://localhost:{server.port}/_stcore/stream",
        additional_headers={"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"},
        origin=server.url,
        subprotocols=["streamlit", "x", *([session] if session else [])],
        open_timeout=60,
    )


def run_page(socket, page="") -> tuple[str, str]:
    """Run a page; returns its Streamlit session and everything it sent as text."""
    message = BackMsg()
    message.rerun_script.page_name = page
    socket.send(message.SerializeToString())
    session, seen = "", ""
    while "script_finished" not in seen:
        answer = ForwardMsg.FromString(socket.recv(timeout=120))
        session = answer.new_session.initialize.session_id or session
        seen += answer.WhichOneof("type") + str(answer)
    return session, seen


def test_nobody_resumes_the_page_of_somebody_else(server, browser):
    """A deleted trainer's page, taken over with a guest's cookie, once went on working with the trainer's rights."""
    trainer = browser("to-delete")
    with open_page(server, trainer) as socket:
        session, _ = run_page(socket, "runs")
    with open_page(server, trainer, session) as socket:
        assert run_page(socket, "runs")[0] == session, "one's own page is resumed"
    accounts.remove(next(one for one in accounts.accounts() if one.name == "to-delete"))
    for thief in (browser("guest"), browser("the-trainer")):
        with open_page(server, thief, session) as socket:
            assert run_page(socket, "chat")[0] not in ("", session)
    assert trainer.get("/chat").status_code == 303


def test_an_open_page_ends_with_its_account(server, browser):
    accounts.create("short", PASSWORD, "trainer")
    with open_page(server, browser("short")) as socket:
        run_page(socket, "runs")
        accounts.set_role(next(one for one in accounts.accounts() if one.name == "short"), "guest")
        with pytest.raises(WebSocketException):
            run_page(socket, "runs")


@pytest.mark.parametrize("path", ["/metrics%0a", "/metrics%0d", "/_stcore/metrics%00", "/metrics%7f", "/%5cmetrics"])
def test_control_characters_in_a_path_are_refused(browser, path):
    assert browser("the-guest").get(path).status_code == 400


@pytest.mark.parametrize("path", ["/metrics/", "/x/y", "/_stcore/anything", "/app/static/x", "/_stcore/agent/mcp"])
def test_unknown_paths_are_refused_and_not_passed(browser, path):
    assert browser("the-guest").get(path).status_code == 404


@pytest.mark.parametrize("value", ["nonsense", "256.1.1.1", "", "::g", "127.0.0.1:x", "unknown, nonsense"])
def test_an_address_that_makes_no_sense_is_a_strangers(server, value):
    headers = {"x-forwarded-for": value, "host": "evil.example"}
    assert httpx.post(f"{server.url}/login", headers=headers, data={"name": "x"}).status_code == 403


def test_rotating_addresses_lock_nobody_out(server, browser):
    attacker = browser()
    for number in range(102):
        address = f"203.0.{number // 250}.{number % 250}"
        form = {"name": "the-administrator", "password": "guess"}
        assert attacker.post("/login", data=form, headers={"x-forwarded-for": address}).status_code in (401, 429)
    assert browser("the-administrator").get("/chat").status_code == 200


def test_a_right_password_from_this_computer_is_never_refused(browser):
    codes = [
        browser().post("/login", data={"name": "the-trainer", "password": f"guess{n}"}).status_code for n in range(7)
    ]
    assert codes == [401] * 5 + [429] * 2
    assert browser("the-trainer").get("/chat").status_code == 200


@pytest.mark.parametrize("fields", [11, 500])
def test_a_form_with_many_fields_is_a_failed_attempt(browser, fields):
    data = {"name": f"many{fields}", "password": "x"} | {f"f{number}": "" for number in range(fields)}
    assert browser().post("/login", data=data).status_code in (401, 429)


def test_a_guests_sockets_are_capped_and_others_go_on(server, browser):
    guest = browser("guest")
    with contextlib.ExitStack() as stack:
        for _ in range(SocketLimits().guest):
            stack.enter_context(open_page(server, guest))
        with pytest.raises(WebSocketException):
            open_page(server, guest)
        with open_page(server, browser("guest")) as other:
            assert run_page(other, "chat")[0]


def test_a_guests_message_is_small(server, browser):
    with open_page(server, browser("guest")) as socket:
        message = BackMsg()
        message.rerun_script.query_string = "x" * (SocketLimits().guest_bytes + 1)
        socket.send(message.SerializeToString())
        with pytest.raises(WebSocketException):
            run_page(socket)


def test_page_loads_leave_the_server_its_descriptors(server, browser):
    """Twenty loads may hold ten descriptors that were not held before: one that leaks with each load is found."""
    guests = [browser("guest") for _ in range(4)]
    descriptors = f"/proc/{server.process.pid}/fd"
    allowed = len(os.listdir(descriptors)) + 10
    for number in range(20):
        with open_page(server, guests[number % 4]) as socket:
            message = BackMsg()
            message.rerun_script.page_name = "chat"
            socket.send(message.SerializeToString())
            socket.recv(timeout=60)
    assert browser().get("/health").json() == {"status": "ok"}
    deadline = time.monotonic() + 120
    while (left := len(os.listdir(descriptors))) > allowed and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left <= allowed


def test_a_locked_file_holds_up_nobody(server, browser):
    trainer, leaver = browser("the-trainer"), browser("the-trainer")
    with sqlite3.connect(database.path(), isolation_level=None) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert trainer.get("/chat").status_code == 200
        refused = browser().post("/login", data={"guest": "1"}, headers={"accept-language": "en"})
        assert refused.status_code == 503 and "in use by another program" in refused.text
        stolen = {"cookie": f"{COOKIE}={leaver.cookies[COOKIE]}"}
        left = leaver.post("/logout", headers={"accept-language": "en"})
        assert left.status_code == 503 and "still on the disk" in left.text
        assert leaver.get("/chat").status_code == 303, "the browser keeps no session that was asked to end"
        assert browser().get("/chat", headers=stolen).status_code == 303, "nor does anybody who has its cookie"
        writer.execute("ROLLBACK")
    browser("guest")


FULL = """
import os, sys
from glm_core.auth import accounts, api_keys, database, sessions
trainer = accounts.create("a", "correct horse", "trainer")
token, secret = sessions.open_session(trainer), api_keys.create(trainer, "k")[1]
others = [sessions.open_session(trainer) for _ in range(3)]
database.keep_open()
if sys.argv[1] == "full":
    filler = os.open(os.environ["EASYAIGC_HOME"] + "/filler", os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(filler, b"x" * 4096)
    except OSError:
        pass
else:
    database.let_go()
    os.system("mount -o remount,ro " + os.environ["EASYAIGC_HOME"])
assert sessions.session(token) == trainer and api_keys.find(secret)[1] == trainer
assert accounts.check("a", "correct horse") == trainer
sessions.last_uses.store()
ended = others.pop()
try:
    for _ in range(500):
        sessions.open_session(trainer)
except database.StoreError as error:
    print("said", error.key)
assert sessions.session(token) == trainer
for end in (lambda: sessions.close_session(ended), lambda: sessions.close_sessions(trainer)):
    try:
        end()
    except database.StoreError as error:
        print("left", error.key)
    assert sessions.session(ended) is None
assert not any(map(sessions.session, (token, *others)))
"""


@pytest.mark.parametrize("state", ["full", "read-only"])
def test_a_full_or_read_only_disk_locks_nobody_out(tmp_path, state):
    script = tmp_path / "script.py"
    script.write_text(FULL)
    disk = tmp_path / "disk"
    disk.mkdir()
    inner = f"mount -t tmpfs -o size=1m none {disk} && exec {os.sys.executable} {script} {state}"
    environment = {**os.environ, "EASYAIGC_HOME": str(disk), "PYTHONPATH": os.getcwd()}
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no mounts")
    done = subprocess.run(["unshare", "-m", "sh", "-c", inner], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "said accounts.store_unwritable" in done.stdout
    assert state == "full" or done.stdout.count("left accounts.still_on_disk") == 2
