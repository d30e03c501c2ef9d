"""The example of tours in Chromium: access tokens expire under the user's hands, and sessions end elsewhere."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from tests.e2e.conftest import OpenBrowser
from tests.e2e.people import navigations
from tests.e2e.touring import ADMIN, EXPIRED, book_first, end_sessions, fill_in, see, sign_in
from tests.support.programs import needs
from tests.support.server import LiveServer

pytestmark = needs("chromium")


def test_from_signing_up_to_signing_out(tours: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.goto(tours.url)
    page.get_by_role("link", name="Sign in to book").first.click()
    page.get_by_text("New here? Sign up").click()
    page.get_by_label("Your name").fill("Nora Lind")
    page.get_by_label("Your e-mail address").fill("nora@example.com")
    page.get_by_label("Choose a password", exact=True).fill("correct horse battery staple")
    page.get_by_role("button", name="Sign up").click()
    see(page, "Nora Lind")
    book_first(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Your bookings")).to_be_hidden()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in", exact=True)).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Sign in", exact=True)).to_be_visible()


def test_an_access_token_that_expires_in_the_middle_of_a_booking_shows_nowhere(
    tours: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    sign_in(page, f"{tours.url}/sign-in")
    page.get_by_label("Seats").first.fill("2")
    moves = navigations(page)
    tours.clock.advance(EXPIRED)
    with page.expect_response(lambda answer: answer.url.endswith("/bookings") and answer.status == 401):
        book_first(page)
    expect(page.get_by_role("main")).to_contain_text("2 seats")
    assert moves == []
    expect(page.get_by_role("button", name="Cancel")).to_have_count(1)


def test_a_session_that_ended_elsewhere_leads_to_the_sign_in_page_and_back(
    tours: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    sign_in(page, f"{tours.url}/sign-in")
    end_sessions(tours)
    page.get_by_role("button", name="Book", exact=True).first.click()
    expect(page.get_by_role("status")).to_contain_text("signed out from another device")
    tours.clock.advance(60)
    fill_in(page)
    expect(page).to_have_url(f"{tours.url}/")
    expect(page.get_by_role("heading", name="Your bookings")).to_be_hidden()


def test_the_twin_stays_signed_in_though_its_cookie_has_expired(tours: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_in(page, f"{tours.url}/plain/sign-in")
    tours.clock.advance(EXPIRED)
    book_first(page)
    tours.clock.advance(EXPIRED)
    page.reload()
    see(page, "Greta Holm")
    expect(page.get_by_role("heading", name="Your bookings")).to_be_visible()


def test_the_twin_says_why_a_session_has_ended(tours: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_in(page, f"{tours.url}/plain/sign-in")
    end_sessions(tours)
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("signed out")
    fill_in(page)
    expect(page).to_have_url(f"{tours.url}/plain")


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_is_wider_than_the_screen(tours: LiveServer, open_browser: OpenBrowser, width: int) -> None:
    page = open_browser(viewport={"width": width, "height": 800})
    for path in ("/sign-in", "/plain/sign-in"):
        sign_in(page, f"{tours.url}{path}", ADMIN)
        if path == "/sign-in":
            book_first(page)
        expect(page.get_by_role("heading", name="Your bookings")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
