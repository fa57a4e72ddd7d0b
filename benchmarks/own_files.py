"""Files of people, each to a trained model in a real browser: a csv of odd columns, a workbook of two sheets, a FAQ text, a document.

    python -m benchmarks.own_files --pictures FOLDER [--language en] [--only csv,workbook,faq,document]

Starts the dashboard on a workspace of its own, uploads each file as a reader would, trains a few steps of the embedded model and
keeps a picture of every stage. The document's questions are written by a small OpenAI-compatible server on 127.0.0.1 that answers
from the passage in its prompt. Prints what was seen; exits 1 where a run did not finish. Needs Chromium and playwright.
"""

import argparse
import io
import json
import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from glm_core import i18n
from tests.browser.conftest import CHROMIUM, Server, settle
from tests.data.documents import papers

STEPS = 4
FAQ = "问：几点开门？\n答：早上九点。\n问：可以退货吗？\n答：七天内可以。\n问：茶叶产自哪里？\n答：产自杭州。\n"
ODD = "序号,客户说的话,咱们该咋回,哪类\n" + "".join(
    f"{number},第{number}号茶还有货吗,{number}号茶还有，今天下单明天发货,库存\n" for number in range(1, 9)
)
PAGES = [
    ["The warranty of the lamp lasts two years from the day of purchase."],
    ["The lamp must not be used outdoors, since its case is not waterproof."],
    ["Spare bulbs can be ordered in the shop on Market Street until six."],
]


def workbook() -> bytes:
    """Two sheets with rows, and a third with a note."""
    import openpyxl

    book = openpyxl.Workbook()
    for place, name in enumerate(("售前", "售后")):
        sheet = book.active if not place else book.create_sheet()
        sheet.title = name
        sheet.append(["问题", "回答"])
        for number in range(1, 6):
            sheet.append([f"{name}第{number}个问题怎么办？", f"{name}第{number}个问题找店长。"])
    book.create_sheet("说明").append(["由店长维护"])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


class Answers(BaseHTTPRequestHandler):
    """An OpenAI-compatible server that asks one question about the last sentence of its prompt."""

    def do_GET(self):
        self._send({"data": [{"id": "writer", "created": 0}]})

    def do_POST(self):
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"]
        fact = [line for line in prompt.split("\n") if line.strip()][-1]
        words = json.dumps([{"question": f"What about this: {fact[:30]}?", "answer": fact}])
        chunk = {"choices": [{"delta": {"content": words}, "finish_reason": "stop"}]}
        self._reply("text/event-stream", f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())

    def _send(self, record: dict) -> None:
        self._reply("application/json", json.dumps(record).encode())

    def _reply(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        return


class Reader:
    """Somebody at the dashboard, in one language."""

    def __init__(self, page, server: Server, language: str, pictures: Path):
        self.page, self.server, self.language, self.pictures = page, server, language, pictures
        self.name = {"zh": "中文", "en": "English"}[language]

    def say(self, key: str, **values) -> str:
        i18n.use(self.language)
        return i18n.t(key, **values)

    def open(self, where: str) -> None:
        self.page.goto(f"{self.server.url}/{where}{'&' if '?' in where else '?'}lang={self.name}")
        settle(self.page)

    def press(self, key: str, **values) -> None:
        self.page.get_by_role("button", name=self.say(key, **values), exact=False).first.click()
        settle(self.page)

    def picture(self, name: str) -> None:
        settle(self.page)
        self.page.screenshot(path=self.pictures / f"{name}-{self.language}.png", full_page=True)

    def upload(self, where: str, name: str, content: bytes) -> None:
        self.open(where)
        self.page.locator("input[type=file]").first.set_input_files(
            [{"name": name, "mimeType": "application/octet-stream", "buffer": content}]
        )
        self.page.wait_for_timeout(1_500)
        settle(self.page)

    def keep(self, kind: str) -> None:
        """Save what was read, and stay on its page."""
        self.picture(f"{kind}-1-read")
        self.page.locator(".st-key-keep button").click()
        self.page.wait_for_url(re.compile(r"/datasets"))
        self.picture(f"{kind}-2-kept")

    def train(self, kind: str) -> bool:
        """A few steps from the set in view; returns whether the run finished."""
        self.page.locator(".st-key-train button").click()
        self.page.wait_for_url(re.compile("/training"))
        start = self.page.get_by_role("button", name=self.say("train.start")).or_(
            self.page.get_by_role("button", name=self.say("train.enqueue"))
        )
        start.first.wait_for(timeout=120_000)
        self.page.get_by_text(self.say("train.expert")).first.click()
        box = self.page.locator(".st-key-set_max_steps input")
        box.fill(str(STEPS))
        box.press("Enter")
        settle(self.page)
        self.picture(f"{kind}-3-forecast")
        start.first.click()
        self.page.wait_for_url(re.compile(r"/run\?.*run="), timeout=60_000)
        self.page.get_by_role("button", name=self.say("run.compare")).wait_for(timeout=240_000)
        self.picture(f"{kind}-4-trained")
        return True


def csv(reader: Reader) -> bool:
    reader.upload("datasets", "茶.csv", ODD.encode("gb18030"))
    if reader.page.locator(".st-key-proposal-None button").count():
        reader.picture("csv-0-guess")
        reader.page.locator(".st-key-proposal-None button").first.click()
        settle(reader.page)
    reader.keep("csv")
    return reader.train("csv")


def sheets(reader: Reader) -> bool:
    reader.upload("datasets", "店.xlsx", workbook())
    reader.keep("workbook")
    return reader.train("workbook")


def faq(reader: Reader) -> bool:
    reader.upload("datasets", "faq.txt", FAQ.encode())
    reader.keep("faq")
    return reader.train("faq")


def document(reader: Reader, writer: str) -> bool:
    """Three pages, questions by the writing server, two accepted, one thrown away."""
    page = reader.page
    reader.upload("documents", "lamp.pdf", papers.pdf(PAGES))
    page.locator(".st-key-model input").first.click()
    page.get_by_role("option", name=reader.say("drafting.server")).click()
    settle(page)
    page.get_by_label(reader.say("drafting.address_label")).fill(writer)
    page.get_by_label(reader.say("drafting.address_label")).press("Enter")
    settle(page)
    page.locator(".st-key-tokens input").fill("50")
    page.locator(".st-key-tokens input").press("Enter")
    settle(page)
    reader.picture("document-1-passages")
    page.locator(".st-key-begin button").click()
    page.wait_for_url(re.compile("draft="))
    page.locator(".st-key-accept button").wait_for(timeout=60_000)
    reader.picture("document-2-pair")
    page.locator(".st-key-accept button").click()
    settle(page)
    page.reload()
    page.locator(".st-key-accept button").wait_for(timeout=60_000)
    page.locator(".st-key-accept button").click()
    settle(page)
    page.locator(".st-key-save-pairs button").click()
    page.wait_for_url(re.compile("/datasets"))
    reader.picture("document-3-kept")
    return reader.train("document")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--language", choices=i18n.LANGUAGES, default="zh")
    parser.add_argument("--only", default="csv,workbook,faq,document")
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    from playwright.sync_api import sync_playwright

    writer = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=writer.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{writer.server_port}/v1"
    ways = {"csv": csv, "workbook": sheets, "faq": faq, "document": lambda reader: document(reader, address)}
    failed = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        server = Server(Path(folder) / "home", Path(folder) / "server.log")
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        locale = {"zh": "zh-CN", "en": "en-US"}[options.language]
        page = browser.new_context(locale=locale, viewport={"width": 1280, "height": 900}).new_page()
        page.set_default_timeout(60_000)
        reader = Reader(page, server, options.language, options.pictures)
        for kind in options.only.split(","):
            try:
                ways[kind](reader)
                print(f"{kind}: trained", flush=True)
            except Exception as error:  # the picture tells more than the sentence
                page.screenshot(path=options.pictures / f"{kind}-failed-{options.language}.png", full_page=True)
                print(f"{kind}: {error}", flush=True)
                failed.append(kind)
        browser.close()
        server.stop()
    writer.shutdown()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
