"""What people do on the pages of the example of tours."""

from __future__ import annotations

from examples.tours.app import PASSWORD, PEOPLE
from playwright.sync_api import Locator, Page, expect
from tests.support.server import LiveServer

from keyturn.service import administration

GUEST, GUIDE, ADMIN = "guest@example.com", "guide@example.com", "admin@example.com"
EXPIRED = 601  # seconds after which no access token is good


def sign_in(page: Page, url: str, login: str = GUEST) -> None:
    page.goto(url)
    fill_in(page, login)


def fill_in(page: Page, login: str = GUEST) -> None:
    page.get_by_label("E-mail address", exact=True).fill(login)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    see(page, PEOPLE[login][0])


def see(page: Page, name: str) -> None:
    expect(page.get_by_role("banner").get_by_text(name)).to_be_visible()


def book_first(page: Page) -> None:
    page.get_by_role("button", name="Book", exact=True).first.click()
    expect(page.get_by_role("heading", name="Your bookings")).to_be_visible()


def end_sessions(tours: LiveServer, login: str = GUEST) -> None:
    """As another device of theirs does, or an operator."""
    user = administration.find_account(tours.context, login).user
    administration.end_sessions_of(tours.context, user.id)


def choose(page: Page, tour: str, seats: str) -> Locator:
    """Type a number of seats beside a tour; gives the card of the tour."""
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name=tour))
    card.get_by_label("Seats").fill(seats)
    return card
