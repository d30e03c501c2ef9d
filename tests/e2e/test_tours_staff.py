"""What the tours show to their guide and their admin, in Chromium: on the pages of the script and on those of the server."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.axe import complaints_by_day_on_a_phone_and_by_night_on_a_desk as look
from tests.e2e.conftest import OpenBrowser
from tests.e2e.touring import ADMIN, EXPIRED, GUEST, GUIDE, book_first, end_sessions, fill_in, sign_in
from tests.support.programs import needs
from tests.support.server import LiveServer

pytestmark = needs("chromium")

TEN_MINUTES = 601
PAGES = pytest.mark.parametrize("pages", ["", "/plain"], ids=["script", "twin"])
OLD_TOWN = "The old town before breakfast"


def guests(page: Page) -> list[str]:
    """Whom the page names as guests of the first tour, once they are unfolded."""
    page.get_by_text("Guests (1)").click()
    return page.locator(".guests li").all_inner_texts()


@PAGES
def test_a_guide_and_an_admin_read_who_comes_and_a_guest_does_not(
    tours: LiveServer, open_browser: OpenBrowser, pages: str
) -> None:
    guest, guide, admin = (open_browser() for _ in range(3))
    sign_in(guest, f"{tours.url}{pages}/sign-in", GUEST)
    book_first(guest)
    expect(guest.locator(".guests")).to_have_count(0)
    for page, login in ((guide, GUIDE), (admin, ADMIN)):
        sign_in(page, f"{tours.url}{pages}/sign-in", login)
        assert guests(page) == ["Greta Holm, 1"]
    for page in (guest, guide):
        expect(page.get_by_role("button", name="Delete")).to_have_count(0)
        expect(page.get_by_role("button", name="Add the tour")).to_be_hidden()


@PAGES
def test_staff_whose_session_ended_elsewhere_read_why_and_come_back(
    tours: LiveServer, open_browser: OpenBrowser, pages: str
) -> None:
    page = open_browser()
    sign_in(page, f"{tours.url}{pages}/sign-in", GUIDE)
    end_sessions(tours, GUIDE)
    page.get_by_role("button", name="Book", exact=True).first.click()
    expect(page.get_by_role("status")).to_contain_text("signed out")
    tours.clock.advance(60)
    fill_in(page, GUIDE)
    expect(page.get_by_text("No guests yet").first).to_be_visible()


def test_an_admin_adds_a_tour_though_the_access_token_has_expired(tours: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser(timezone_id="Europe/Lisbon")
    sign_in(page, f"{tours.url}/sign-in", ADMIN)
    tours.clock.advance(EXPIRED)
    for label, text in (("Title", "By night"), ("Place", "Porto"), ("Begins", "2030-06-01T21:00")):
        page.get_by_role("region", name="Add a tour").get_by_label(label).fill(text)
    page.get_by_role("button", name="Add the tour").click()
    expect(page.get_by_role("status")).to_have_text("Added: By night.")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="By night"))
    expect(card.get_by_role("time")).to_have_text("Saturday, 1 June 2030 at 21:00")
    expect(page.get_by_label("Title")).to_have_value("")


def test_an_admin_deletes_a_tour_and_is_asked_for_the_password_ten_minutes_after_the_sign_in(
    tours: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    sign_in(page, f"{tours.url}/sign-in", ADMIN)
    tours.clock.advance(TEN_MINUTES)
    page.get_by_role("button", name="Delete").first.click()
    expect(page.get_by_role("status")).to_have_text("Deleting a tour needs your password once more.")
    fill_in(page, ADMIN)
    expect(page.get_by_role("heading", name=OLD_TOWN)).to_be_visible()
    page.get_by_role("button", name="Delete").first.click()
    expect(page.get_by_role("heading", name=OLD_TOWN)).to_have_count(0)
    expect(page.get_by_role("status")).to_have_text(f"Deleted: {OLD_TOWN}.")


def test_axe_finds_nothing_on_any_page_of_the_tours(tours: LiveServer, open_browser: OpenBrowser) -> None:
    found = {}
    for pages in ("", "/plain"):
        page = open_browser()
        page.goto(tours.url + (pages or "/"))
        expect(page.get_by_role("link", name="Sign in to book").first).to_be_visible()
        found[f"{pages}/ as a stranger"] = look(page)
        page.goto(f"{tours.url}{pages}/sign-in?reason=reuse_detected")
        page.get_by_label("E-mail address", exact=True).fill("nobody@example.com")
        page.get_by_label("Password", exact=True).fill("nothing of the kind")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert").filter(has_text="wrong")).to_be_visible()
        page.get_by_text("Sign up").first.click()
        found[f"{pages}/sign-in"] = look(page)
        sign_in(page, f"{tours.url}{pages}/sign-in", ADMIN)
        book_first(page)
        guests(page)
        expect(page.get_by_role("status")).to_contain_text("Booked")
        found[f"{pages}/ as the admin"] = look(page)
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("heading", name="Your bookings")).to_be_hidden()
    assert found == {place: [] for place in found}
