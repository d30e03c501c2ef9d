"""Renews the pictures of the README: `make film`. Films the playground and photographs the account page, on a server of its own.

Needs Chromium.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

FOLDER = Path(__file__).parent
FILM, PAGE = FOLDER / "playground.webp", FOLDER / "page.png"
SIZE = {"width": 920, "height": 720}
LOOKS = {"viewport": SIZE, "color_scheme": "light", "reduced_motion": "reduce"}
PAGE_SIZE = {"width": 820, "height": 962}
LOST = ("start", "refresh", "minute", "lose", "days", "refresh")
THEFT = ("start", "refresh", "minute", "thief", "minute", "refresh", "minute", "again", "minute", "refresh")
LOOK, READ, END = 1300, 3000, 6000
"""Milliseconds for a step that time makes, for one that the server decided, and for the last of a story."""

PERSON = {"email": "ada@example.com", "password": "an engine of brass and card", "full_name": "Ada Lovelace"}
ELSEWHERE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/605",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) Firefox/140.0",
)


def film(page: Page, url: str, target: Path, *stories: Sequence[str]) -> None:
    """Play stories on the playground, a frame for each step.

    Args:
        url: of the server.
        target: the file, an animated WebP.
        stories: the buttons, by what they do.
    """
    page.goto(f"{url}/playground")
    page.wait_for_selector("svg")
    shots = [_take(page, step) for story in stories for step in story]
    durations = [READ if decided else LOOK for story in stories for decided in map(_decided, story)]
    for last in _ends(stories):
        durations[last] = END
    height = max(shot.height for shot in shots)
    frames = [Image.new("RGB", (SIZE["width"], height), shot.getpixel((2, 2))) for shot in shots]
    for frame, shot in zip(frames, shots, strict=True):
        frame.paste(shot, (0, 0))
    frames[0].save(target, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=82, method=6)


def photograph(browser: Browser, url: str, target: Path) -> None:
    """The account page of somebody with three devices.

    Args:
        url: of the server.
        target: the file, a PNG.
    """
    page = browser.new_page(viewport=PAGE_SIZE, color_scheme="light")
    page.goto(f"{url}/sign-up")
    for name, value in PERSON.items():
        page.locator(f"[name={name}]").fill(value)
    page.keyboard.press("Enter")
    page.wait_for_selector(".devices")
    for agent in ELSEWHERE:
        device = browser.new_context(user_agent=agent)
        form = {"login": PERSON["email"], "password": PERSON["password"]}
        device.request.post(f"{url}/sign-in", form=form, headers={"origin": url}, max_redirects=0)
    page.reload()
    page.screenshot(path=target)


@contextmanager
def serving() -> Iterator[str]:
    """A server with the default settings, on any port; gives its address."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "JWT_"))}
    environ["KEYTURN_LOG_LEVEL"] = "error"
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "keyturn", "serve", "--port", "0", "--data-dir", f"{folder}/data"]
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as server:
            try:
                greeting = (re.search(r"answers at (\S+)", line) for line in server.stdout or ())
                yield next(found[1] for found in greeting if found)
            finally:
                server.terminate()


def _take(page: Page, step: str) -> Image.Image:
    """Press a button, wait until what it does has been drawn, and photograph it."""
    page.evaluate("step => document.querySelector(`[data-do=${step}]`).click()", step)
    page.wait_for_selector("html:not([data-busy])")
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    bottom = page.evaluate("document.querySelector('.stage').getBoundingClientRect().bottom")
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": SIZE["width"], "height": min(bottom + 16, SIZE["height"])})
    return Image.open(BytesIO(shot)).convert("RGB")


def _decided(step: str) -> bool:
    return step not in {"minute", "days", "start"}


def _ends(stories: Sequence[Sequence[str]]) -> Iterator[int]:
    last = -1
    for story in stories:
        last += len(story)
        yield last


def main() -> None:
    with serving() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        film(browser.new_page(**LOOKS), url, FILM, LOST, THEFT)
        photograph(browser, url, PAGE)
        browser.close()
    for path in (FILM, PAGE):
        print(f"{path.relative_to(FOLDER.parent)}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
