"""Films the playground for the documentation: `python -m docs.film http://127.0.0.1:8000`, with `make serve` in another terminal.

Needs Chromium and Pillow (`pip install pillow`), which nothing else here does.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FILM = Path(__file__).with_name("playground.webp")
SIZE = {"width": 920, "height": 720}
LOST = ("start", "refresh", "minute", "lose", "days", "refresh")
THEFT = ("start", "refresh", "minute", "thief", "minute", "refresh", "minute", "again", "minute", "refresh")
LOOK, READ, END = 1300, 3000, 6000
"""Milliseconds for a step that time makes, for one that the server decided, and for the last."""


def take(page: Page, step: str) -> Image.Image:
    """Press a button, wait until what it does has been drawn, and photograph it."""
    page.evaluate("step => document.querySelector(`[data-do=${step}]`).click()", step)
    page.wait_for_selector("html:not([data-busy])")
    page.wait_for_timeout(900)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    bottom = page.evaluate("document.querySelector('.stage').getBoundingClientRect().bottom")
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": SIZE["width"], "height": min(bottom + 16, SIZE["height"])})
    return Image.open(BytesIO(shot)).convert("RGB")


def film(url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(f"{url}/playground")
        page.wait_for_selector("svg")
        steps = (*LOST, *THEFT)
        shots = [take(page, step) for step in steps]
        browser.close()
    height = max(shot.height for shot in shots)
    frames = [Image.new("RGB", (SIZE["width"], height), shot.getpixel((2, 2))) for shot in shots]
    for frame, shot in zip(frames, shots, strict=True):
        frame.paste(shot, (0, 0))
    durations = [LOOK if step in {"minute", "days", "start"} else READ for step in steps]
    durations[len(LOST) - 1] = durations[-1] = END
    frames[0].save(FILM, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=82, method=6)
    print(f"{FILM.name}: {len(frames)} frames, {FILM.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    film(sys.argv[1].rstrip("/"))
