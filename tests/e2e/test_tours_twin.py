"""The forms of the server-rendered tours: sent late, sent early or without scripts, they keep what somebody typed."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from tests.e2e.conftest import OpenBrowser
from tests.e2e.touring import EXPIRED, GUEST, choose, end_sessions, fill_in, see, sign_in
from tests.support.programs import needs
from tests.support.server import LiveServer

pytestmark = needs("chromium")

CLIFFS = "Along the cliffs"


def without_its_script(page: Page) -> None:
    """As for somebody whose network is slow: the page is there, its script is not."""
    page.route("**/assets/plain.js", lambda route: None)


def see_booking(page: Page, seats: str) -> None:
    expect(page.get_by_role("region", name="Your bookings")).to_contain_text(f"{CLIFFS}")
    expect(page.get_by_role("region", name="Your bookings")).to_contain_text(seats)
    expect(page.get_by_role("button", name="Cancel")).to_have_count(1)


def test_without_scripts_people_sign_in_book_cancel_and_sign_out(tours: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser(java_script_enabled=False)
    sign_in(page, f"{tours.url}/plain/sign-in")
    choose(page, CLIFFS, "2").get_by_role("button", name="Book").click()
    expect(page.get_by_role("status")).to_contain_text("Booked")
    expect(page.get_by_role("status")).to_be_focused()
    see_booking(page, "2 seats")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("status")).to_have_text("Cancelled.")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in", exact=True)).to_be_visible()


def test_a_form_that_is_sent_before_the_script_is_there_is_not_lost(
    tours: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    sign_in(page, f"{tours.url}/plain/sign-in")
    without_its_script(page)
    page.goto(f"{tours.url}/plain", wait_until="commit")
    card = choose(page, CLIFFS, "3")
    tours.clock.advance(EXPIRED)
    page.unroute_all(behavior="ignoreErrors")
    card.get_by_role("button", name="Book").click()
    see_booking(page, "3 seats")
    expect(page).to_have_url(f"{tours.url}/plain")


def test_without_scripts_an_expired_cookie_asks_for_a_sign_in_and_keeps_what_was_chosen(
    tours: LiveServer, open_scriptless_browser: OpenBrowser
) -> None:
    page = open_scriptless_browser()
    sign_in(page, f"{tours.url}/plain/sign-in")
    tours.clock.advance(EXPIRED)
    choose(page, CLIFFS, "4").get_by_role("button", name="Book").click()
    # Playwright finds nothing by its text within <noscript>.
    page.locator("noscript a").click()
    fill_in(page)
    expect(page.get_by_role("status")).to_contain_text("still there")
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=CLIFFS))
    expect(card.get_by_label("Seats")).to_have_value("4")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    card.get_by_role("button", name="Book").click()
    see_booking(page, "4 seats")


def test_what_was_chosen_outlives_a_session_that_ended_elsewhere(tours: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_in(page, f"{tours.url}/plain/sign-in")
    card = choose(page, CLIFFS, "5")
    end_sessions(tours)
    card.get_by_role("button", name="Book").click()
    expect(page.get_by_role("status")).to_contain_text("signed out")
    fill_in(page)
    expect(card.get_by_label("Seats")).to_have_value("5")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_too_many_seats_are_shown_again_with_what_is_wrong(tours: LiveServer, open_browser: OpenBrowser) -> None:
    here, there = open_browser(), open_browser()
    for page in (here, there):
        sign_in(page, f"{tours.url}/plain/sign-in")
        choose(page, CLIFFS, "11")
    for page in (here, there):
        choose(page, CLIFFS, "11").get_by_role("button", name="Book").click()
        expect(page.get_by_role("heading", name="Your bookings")).to_be_visible()
    expect(there.get_by_role("alert")).to_have_text("There are not that many seats left.")
    expect(there.get_by_role("alert")).to_be_focused()
    card = there.get_by_role("listitem").filter(has=there.get_by_role("heading", name=CLIFFS))
    expect(card.get_by_label("Seats")).to_have_value("11")


def test_a_refused_form_shows_what_was_typed_but_no_password(tours: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser(java_script_enabled=False)
    page.goto(f"{tours.url}/plain/sign-in")
    page.get_by_label("E-mail address", exact=True).fill(GUEST)
    page.get_by_label("Password", exact=True).fill("not this one")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("E-mail address", exact=True)).to_have_value(GUEST)
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Your name").fill("Nora Lind")
    page.get_by_label("Your e-mail address").fill("nora@example.com")
    page.get_by_label("Choose a password").fill("short")
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("alert")).to_contain_text("short")
    expect(page.get_by_label("Your name")).to_have_value("Nora Lind")
    expect(page.get_by_label("Your e-mail address")).to_have_value("nora@example.com")


def test_the_first_sign_in_page_works_without_its_script(tours: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser(java_script_enabled=False)
    sign_in(page, f"{tours.url}/sign-in")
    see(page, "Greta Holm")
    expect(page).to_have_url(f"{tours.url}/plain")
