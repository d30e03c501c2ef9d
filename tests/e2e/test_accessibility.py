"""What axe finds on the pages: nothing, in whatever light and however wide they are; and what a first visit weighs."""

from __future__ import annotations

import pytest
from playwright.sync_api import Response, expect
from tests.e2e.axe import DESKTOP, PHONE, complaints
from tests.e2e.conftest import OpenBrowser
from tests.e2e.people import see_account, sign_in, sign_up
from tests.support.programs import needs
from tests.support.server import LiveServer

pytestmark = needs("chromium")

KB = 1000


@pytest.mark.parametrize("viewport", [PHONE, pytest.param(DESKTOP, marks=pytest.mark.soak)], ids=["phone", "desktop"])
def test_axe_finds_nothing_on_any_page(server: LiveServer, open_browser: OpenBrowser, viewport: dict[str, int]) -> None:
    page = open_browser(viewport=viewport)
    found = {}
    for path in ("/", "/?reason=reuse_detected&return_to=/", "/sign-up", "/playground", "/docs"):
        page.goto(server.url + path)
        found[path] = complaints(page)
    page.goto(server.url + "/sign-up")
    page.get_by_role("button", name="Sign up").click()
    expect(page.locator("[aria-invalid]")).not_to_have_count(0)
    found["mistakes"] = complaints(page)
    sign_in(page, server.url, login="nobody@example.com")
    expect(page.get_by_role("alert")).to_be_visible()
    found["refused"] = complaints(page)
    sign_up(page, server.url)
    for summary in page.locator("summary").all():
        summary.click()
    found["account"] = complaints(page)
    page.goto(server.url + "/?saved=profile")
    expect(page.get_by_role("status")).to_be_visible()
    found["saved"] = complaints(page)
    page.goto(server.url + "/nowhere")
    found["nowhere"] = complaints(page)
    assert found == {place: [] for place in found}


def test_axe_would_find_something(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.goto(server.url)
    page.evaluate("for (const label of document.querySelectorAll('label')) label.remove()")
    assert any("label" in complaint for complaint in complaints(page))


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
