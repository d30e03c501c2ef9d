"""What axe finds on the pages: nothing, in whatever light and however wide they are; and what a first visit weighs."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, Response, expect
from tests.e2e.conftest import OpenBrowser
from tests.e2e.people import see_account, sign_in, sign_up
from tests.support.node import packages
from tests.support.programs import needs
from tests.support.server import LiveServer

pytestmark = needs("chromium")

PHONE = {"width": 360, "height": 740}
DESKTOP = {"width": 1280, "height": 900}
KB = 1000


@pytest.fixture(scope="module")
def axe() -> Path:
    return packages() / "axe-core" / "axe.min.js"


def complaints(page: Page, axe: Path) -> list[str]:
    """What axe objects to, by day and by night."""
    page.evaluate(axe.read_text())
    found = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        result = page.evaluate("axe.run({resultTypes: ['violations']})")
        found += [f"{scheme} {v['id']}: {n['html']}" for v in result["violations"] for n in v["nodes"]]
    return found


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_on_any_page(
    server: LiveServer, open_browser: OpenBrowser, axe: Path, viewport: dict[str, int]
) -> None:
    page = open_browser(viewport=viewport)
    found = {}
    for path in ("/", "/?reason=reuse_detected&return_to=/", "/sign-up", "/playground"):
        page.goto(server.url + path)
        found[path] = complaints(page, axe)
    page.goto(server.url + "/sign-up")
    page.get_by_role("button", name="Sign up").click()
    expect(page.locator("[aria-invalid]")).not_to_have_count(0)
    found["mistakes"] = complaints(page, axe)
    sign_in(page, server.url, login="nobody@example.com")
    expect(page.get_by_role("alert")).to_be_visible()
    found["refused"] = complaints(page, axe)
    sign_up(page, server.url)
    for summary in page.locator("summary").all():
        summary.click()
    found["account"] = complaints(page, axe)
    page.goto(server.url + "/nowhere")
    found["nowhere"] = complaints(page, axe)
    assert found == {place: [] for place in found}


def test_axe_would_find_something(server: LiveServer, open_browser: OpenBrowser, axe: Path) -> None:
    page = open_browser()
    page.goto(server.url)
    page.evaluate("for (const label of document.querySelectorAll('label')) label.remove()")
    assert any("label" in complaint for complaint in complaints(page, axe))


def test_the_sign_in_page_is_one_document_one_stylesheet_and_one_script(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(server.url, wait_until="networkidle")
    kinds = sorted(answer.request.resource_type for answer in answers)
    # Besides the logo, which is also the icon.
    assert [kind for kind in kinds if kind not in {"image", "other"}] == ["document", "script", "stylesheet"]
    assert 5 * KB < sum(len(answer.body()) for answer in answers) < 30 * KB


def test_every_show_button_says_of_which_password_it_is(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url)
    see_account(page)
    page.get_by_role("heading", name="Change your password").click()
    page.get_by_role("button", name="Show password: New password").click()
    assert page.get_by_label("New password", exact=True).get_attribute("type") == "text"
    assert page.locator("input[type=password]").count() >= 2
