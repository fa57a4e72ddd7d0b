"""A chat page's visitor as the server sees one: signs in over HTTP, then speaks streamlit's protocol over a real WebSocket.

Does what the frontend does with what matters to the server: sends the script runs, the timers of fragments and the stop button,
and reads every message. Draws nothing. Used by `load.py`.
"""

import asyncio
import contextlib

import httpx
import websockets
from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

FINISHED = ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY
ANSWER_SECONDS = 300.0


class Browser:
    """One visitor on a page.

    Args:
        url: the server's address.
        name, password: of an account there.
        page: its address.
        query: what follows the question mark there.
    """

    def __init__(self, url: str, name: str, password: str, page: str = "chat", query: str = ""):
        self._url, self._name, self._password = url, name, password
        self._page, self._query = page, query
        self._elements: dict[tuple[int, ...], object] = {}
        self._timers: dict[str, asyncio.Task] = {}
        self._script = ""
        self._news = asyncio.Condition()
        self.settled = False
        "Whether the latest run of the script has ended, so that the page is whole."

    async def open(self) -> None:
        """Sign in, fetch the page, connect its socket and wait until it is drawn."""
        wanted = {"Accept": "text/html, */*;q=0.8"}
        async with httpx.AsyncClient(base_url=self._url, timeout=60, headers=wanted) as client:
            await client.post("/login", data={"name": self._name, "password": self._password})
            for path in (f"/{self._page}", "/_stcore/health", "/_stcore/host-config"):
                (await client.get(path)).raise_for_status()
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        address = self._url.replace("http", "ws", 1) + "/_stcore/stream"
        headers = {"Cookie": cookie}
        self._socket = await websockets.connect(
            address, additional_headers=headers, origin=self._url, subprotocols=["streamlit"], max_size=None
        )
        self._reader = asyncio.create_task(self._read())
        await self.run()
        await self.until(lambda: self.settled)

    async def close(self) -> None:
        """Close the tab."""
        self._forget_timers()
        self._reader.cancel()
        await self._socket.close()

    # what a reader does

    async def run(self, *states: WidgetState) -> None:
        """Have the page's script run with `states` changed."""
        self.settled = False
        await self._rerun("", states)

    async def stop(self) -> None:
        """Press the stop button of the chat input."""
        await self._send(BackMsg(stop_script=True))

    async def until(self, ready) -> None:
        """Wait until `ready()` is true after some message.

        Raises:
            TimeoutError: it did not become so in five minutes.
            ConnectionError: the server has hung up.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._news:
                await self._news.wait_for(lambda: ready() or self._reader.done())
        except TimeoutError:
            raise TimeoutError(f"{self._name} waits, settled {self.settled}: {self.texts()} {self.alerts()}") from None
        if self._reader.done():
            raise ConnectionError("the socket is closed") from (
                self._reader.cancelled() or self._reader.exception()
            ) or None

    def texts(self) -> list[str]:
        """Every markdown text on the page, from the top."""
        return [one.markdown.body for _, one in sorted(self._elements.items()) if one.WhichOneof("type") == "markdown"]

    def alerts(self) -> list[str]:
        """Every warning or error on the page."""
        return [one.body for one in self._alerts()]

    def errors(self) -> list[str]:
        """Every error on the page."""
        return [one.body for one in self._alerts() if one.format == Alert.ERROR]

    def _alerts(self) -> list[Alert]:
        return [one.alert for one in self._elements.values() if one.WhichOneof("type") == "alert"]

    def widget(self, kind: str, key: str) -> WidgetState:
        """The state of the widget of that kind and key, to fill in.

        Raises:
            LookupError: the page has none.
        """
        for element in self._elements.values():
            if element.WhichOneof("type") == kind and getattr(element, kind).id.endswith(f"-{key}"):
                return WidgetState(id=getattr(element, kind).id)
        raise LookupError(f"no {kind} {key!r} on the page: {self.alerts() or self.texts()}")

    def has(self, kind: str, key: str) -> bool:
        """Return whether the page has a widget of that kind and key."""
        try:
            return bool(self.widget(kind, key).id)
        except LookupError:
            return False

    def keys(self, kind: str, start: str) -> list[str]:
        """Return the keys of the widgets of that kind that begin with `start`."""
        ids = (getattr(one, kind).id for one in self._elements.values() if one.WhichOneof("type") == kind)
        return [start + rest for _, found, rest in (one.partition(f"-{start}") for one in ids) if found]

    async def press(self, key: str) -> None:
        """Press a button and wait until the page has been drawn."""
        button = self.widget("button", key)
        button.trigger_value = True
        await self.run(button)
        await self.until(lambda: self.settled)

    # the protocol

    async def _rerun(self, fragment: str, states=()) -> None:
        message = BackMsg()
        run = message.rerun_script
        run.page_name, run.page_script_hash, run.fragment_id = (
            ("" if self._script else self._page),
            self._script,
            fragment,
        )
        run.is_auto_rerun = bool(fragment)
        run.context_info.timezone, run.context_info.locale, run.context_info.url = (
            "Asia/Shanghai",
            "zh-CN",
            f"{self._url}/{self._page}",
        )
        run.query_string = self._query
        run.widget_states.widgets.extend(states)
        await self._send(message)

    async def _send(self, message: BackMsg) -> None:
        await self._socket.send(message.SerializeToString())

    async def _read(self) -> None:
        try:
            async for content in self._socket:
                self._take(ForwardMsg.FromString(content))
                async with self._news:
                    self._news.notify_all()
        finally:
            asyncio.get_running_loop().call_soon(asyncio.ensure_future, self._wake())

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            self._elements[tuple(message.metadata.delta_path)] = message.delta.new_element
        elif kind == "new_session":
            if not message.metadata.run.fragment_ids:
                self.settled = False
                self._elements.clear()
                self._forget_timers()
        elif kind == "navigation":
            self._script = message.navigation.page_script_hash
        elif kind == "script_finished":
            self.settled |= message.script_finished == FINISHED
        elif kind == "auto_rerun":
            timer = message.auto_rerun
            self._timers.setdefault(
                timer.fragment_id, asyncio.create_task(self._tick(timer.fragment_id, timer.interval))
            )

    async def _tick(self, fragment: str, seconds: float) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await asyncio.sleep(seconds)
                await self._rerun(fragment)

    def _forget_timers(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
