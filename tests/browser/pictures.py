"""Take pictures of every page in every combination of language, theme and width, to be looked at.

    python -m tests.browser.pictures FOLDER [--home WORKSPACE] [--page NAME ...]

Starts a server on a copy of the workspace (an empty one by default) and writes FOLDER/PAGE-LANGUAGE-THEME-WIDTH.png. Pages of a run
(run, report) show its newest run with an adapter. Prints what the browser's console says: errors, blocked scripts, missing files.
"""

import argparse
import shutil
import sys
import tempfile
from itertools import product
from pathlib import Path

from tests.browser.conftest import CHROMIUM, Server, settle

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
LANGUAGES = {"zh": ("zh-CN", "中文"), "en": ("en-US", "English")}
THEMES = ("light", "dark")
OF_A_RUN = ("run", "report")
PHONE = {
    "is_mobile": True,
    "has_touch": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36",
}


def addresses(home: Path) -> dict[str, str]:
    """The address of every page, those of a run only where there is one with an adapter."""
    from glm_core import ui

    runs = sorted(path.parent.parent.name for path in (home / "runs").glob("*/adapter/easyaigc.json"))
    found = {entry.name: "" if entry.name == "home" else entry.name for entry in ui.PAGES if entry.name != "vote"}
    for name in OF_A_RUN:
        if runs:
            found[name] = f"{name}?run={runs[-1]}"
        else:
            del found[name]
    return found


def take(browser, url: str, pages: dict[str, str], folder: Path, language: str, theme: str, size: str) -> list[str]:
    """Take the pictures of one combination; returns what the console complained about."""
    locale, word = LANGUAGES[language]
    width, height = SIZES[size]
    device = PHONE if size == "phone" else {}
    context = browser.new_context(
        locale=locale, color_scheme=theme, viewport={"width": width, "height": height}, **device
    )
    page, said = context.new_page(), []
    page.set_default_timeout(180_000)
    page.on("console", lambda one: said.append(f"{page.url}: {one.text}") if one.type == "error" else None)
    page.on("response", lambda one: said.append(f"{one.status} {one.url}") if one.status >= 400 else None)
    for name, address in pages.items():
        page.goto(f"{url}/{address}{'&' if '?' in address else '?'}lang={word}")
        settle(page)
        page.wait_for_timeout(1200)
        page.locator("[data-testid=stSkeleton]:visible").first.wait_for(state="detached")  # parts still being loaded
        page.screenshot(path=folder / f"{name}-{language}-{theme}-{size}.png")
    context.close()
    return said


def main(arguments: list[str] | None = None) -> int:
    """Take all pictures; returns 1 where the console complained."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--home", type=Path, help="a workspace, which is copied")
    parser.add_argument("--page", action="append", default=[], help="only this page; may be given several times")
    given = parser.parse_args(arguments)
    from playwright.sync_api import sync_playwright

    given.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        if given.home:
            shutil.copytree(given.home, home, symlinks=True)
        pages = {name: one for name, one in addresses(home).items() if not given.page or name in given.page}
        server, said = Server(home, Path(place) / "server.log"), []
        try:
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
                for language, theme, size in product(LANGUAGES, THEMES, SIZES):
                    said += take(browser, server.url, pages, given.folder, language, theme, size)
                browser.close()
        finally:
            server.stop()
    print(f"{len(pages) * len(LANGUAGES) * len(THEMES) * len(SIZES)} pictures in {given.folder}")
    for line in dict.fromkeys(said):
        print(line)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
