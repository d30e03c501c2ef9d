"""What axe objects to on a page."""

from __future__ import annotations

from functools import cache

from playwright.sync_api import Page
from tests.support.node import packages

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}


@cache
def _program() -> str:
    return (packages() / "axe-core" / "axe.min.js").read_text()


def complaints(page: Page) -> list[str]:
    """What axe objects to, by day and by night."""
    page.evaluate(_program())
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        result = page.evaluate("axe.run({resultTypes: ['violations']})")
        found += [f"{scheme} {v['id']}: {n['html']}" for v in result["violations"] for n in v["nodes"]]
    return found
