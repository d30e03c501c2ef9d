"""What axe objects to on a page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from playwright.sync_api import Page
from tests.support.node import packages

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}


@cache
def _program() -> str:
    return (packages() / "axe-core" / "axe.min.js").read_text()


def complaints(page: Page, schemes: Sequence[str] = ("light", "dark")) -> list[str]:
    """What axe objects to, by day and by night."""
    if not page.evaluate("Boolean(globalThis.axe)"):
        page.evaluate(_program())
    found = []
    for scheme in schemes:
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        result = page.evaluate("axe.run({resultTypes: ['violations']})")
        found += [f"{scheme} {v['id']}: {n['html']}" for v in result["violations"] for n in v["nodes"]]
    return found


def complaints_by_day_on_a_phone_and_by_night_on_a_desk(page: Page) -> list[str]:
    """The same, for each width in one light."""
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    by_day = complaints(page, ["light"])
    page.set_viewport_size({"width": DESKTOP["width"], "height": DESKTOP["height"]})
    return by_day + complaints(page, ["dark"])
