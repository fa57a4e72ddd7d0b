"""A small HTTP server on 127.0.0.1 that behaves, and misbehaves, as model hubs do."""

import hashlib
import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit


class FakeHub:
    """Files by repository, and what goes wrong.

    Attributes:
        files: repo -> file name -> content.
        faults: file name -> faults, each taken once in turn: an HTTP status, ("status", {headers}), "drop" (half the body
            is sent, then the line is cut), "no range", "short" (announces less than there is), "long" (announces more).
        asked: (path, Range header, Authorization header, host, monotonic seconds) of every request.
        slow: seconds between blocks of 1 KB.
        redirect: address that file requests are sent on to.
        digests: whether the listing says sha256.
        listed: entries of the listing that are no files here: name -> size.
    """

    def __init__(self):
        self.files: dict[str, dict[str, bytes]] = {}
        self.faults: dict[str, list] = {}
        self.asked: list[tuple[str, str, str, str, float]] = []
        self.slow = 0.0
        self.redirect = ""
        self.digests = True
        self.listed: dict[str, int] = {}
        self.address = ""

    def listing(self, repo: str) -> list[tuple[str, int, str]]:
        real = [(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in self.files[repo].items()]
        return real + [(name, size, "") for name, size in self.listed.items()]

    def requests_for(self, name: str) -> list[tuple[str, str, str, str]]:
        return [one for one in self.asked if one[0].endswith(name)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_):
        pass

    def do_GET(self):  # noqa: N802, the name is http.server's
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        headers = (self.headers.get("Range", ""), self.headers.get("Authorization", ""), self.headers.get("Host", ""))
        name = query["FilePath"][0] if "FilePath" in query else unquote(url.path)
        self.hub.asked.append((name, *headers, time.monotonic()))
        if match := re.fullmatch(r"/api/(?:models|datasets)/(.+)/tree/main", url.path):
            self.answer_listing(match[1], self.huggingface)
        elif match := re.fullmatch(r"/api/v1/(?:models/(.+)/repo/files|datasets/(.+)/repo/tree)", url.path):
            self.answer_listing(match[1] or match[2], self.modelscope)
        elif match := re.fullmatch(r"/api/v1/(?:models|datasets)/(.+)/repo", url.path):
            self.answer_file(match[1], name)
        elif match := re.fullmatch(r"(?:/datasets)?/([^/]+/[^/]+)/resolve/main/(.+)", unquote(url.path)):
            self.answer_file(match[1], match[2])
        else:
            self.plain(404)

    def plain(self, status: int, body: bytes = b"", **headers):
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def answer_listing(self, repo: str, shape):
        fault = self.next_fault("listing")
        if fault is not None:
            self.plain(fault)
        elif repo not in self.hub.files:
            self.plain(404)
        else:
            self.plain(200, json.dumps(shape(self.hub.listing(repo))).encode())

    def huggingface(self, rows):
        entries = [{"type": "directory", "path": "onnx", "size": 0, "oid": "0"}]
        for name, size, sha256 in rows:
            lfs = {"lfs": {"oid": sha256, "size": size}} if self.hub.digests and sha256 and size > 100 else {}
            entries.append({"type": "file", "path": name, "size": size, "oid": "1", **lfs})
        return entries

    def modelscope(self, rows):
        files = [{"Type": "tree", "Path": "onnx", "Size": 0}]
        for name, size, sha256 in rows:
            files.append({"Type": "blob", "Path": name, "Size": size, "Sha256": sha256 if self.hub.digests else ""})
        return {"Code": 200, "Data": {"Files": files}, "Success": True}

    def next_fault(self, name: str):
        waiting = self.hub.faults.get(name)
        return waiting.pop(0) if waiting else None

    def answer_file(self, repo: str, name: str):
        if self.hub.redirect:
            self.plain(302, Location=f"{self.hub.redirect}/{repo}/resolve/main/{quote(name)}")
            return
        data = self.hub.files.get(repo, {}).get(name)
        fault = self.next_fault(name)
        if data is None:
            self.plain(404)
        elif isinstance(fault, int):
            self.plain(fault)
        elif isinstance(fault, tuple):
            self.plain(fault[0], **fault[1])
        else:
            self.send_data(data, fault)

    def send_data(self, data: bytes, fault: str | None):
        begin = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(begin[1]) if begin and fault != "no range" else 0
        if start >= len(data) and begin:
            self.plain(416, Content_Range=f"bytes */{len(data)}")
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        body = data[start:]
        announced = len(body) + {"short": -10, "long": 10}.get(fault, 0)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.send_body(body[: (len(body) + 1) // 2] if fault == "drop" else body[:announced])
        if fault in ("drop", "long"):
            self.close_connection = True

    def send_body(self, body: bytes):
        for place in range(0, len(body), 1024):
            try:
                self.wfile.write(body[place : place + 1024])
            except OSError:
                self.close_connection = True
                return
            time.sleep(self.hub.slow)


@contextmanager
def serving(host: str = "127.0.0.1"):
    """A running `FakeHub`; its `address` is where it listens."""
    hub = FakeHub()
    server = ThreadingHTTPServer((host, 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.address = f"http://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
