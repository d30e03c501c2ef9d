"""What people do on the pages, by what they read there."""

from __future__ import annotations

from collections.abc import Iterable

from playwright.sync_api import Page, Request, Response, Route, expect
from tests.support.client import EMAIL, PASSWORD

REFRESH = "**/api/v1/auth/refresh-token"


def sign_up(page: Page, url: str, email: str = EMAIL, name: str = "") -> None:
    page.goto(url)
    page.get_by_text("New here? Sign up").click()
    page.get_by_label("E-mail address", exact=True).fill(email)
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Choose a password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    see_account(page)


def sign_in(page: Page, url: str, login: str = EMAIL, password: str = PASSWORD) -> None:
    page.goto(url)
    page.get_by_label("E-mail address or username").fill(login)
    page.get_by_label("Password", exact=True).fill(password)
    page.keyboard.press("Enter")


def see_account(page: Page) -> None:
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()
    expect(page).to_have_title("Your account · Keyturn")


def see_sign_in(page: Page) -> None:
    expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
    expect(page.get_by_role("heading", name="Your devices")).to_have_count(0)


def is_refresh(message: Request | Response) -> bool:
    return message.url.endswith("/refresh-token")


def is_refreshed(response: Response) -> bool:
    return is_refresh(response) and response.status == 200


def navigations(page: Page) -> list[str]:
    """Every address that the page goes to from now on."""
    found: list[str] = []
    page.on("framenavigated", lambda frame: found.append(frame.url))
    return found


def trouble(page: Page, answers: Iterable[int | str]) -> None:
    """Let the next refreshes of a page come to this, and those after them to the server.

    Args:
        answers: a status; `abort`: no answer; `html`: one that is not from Keyturn, but of something in between.
    """
    left = iter(answers)

    def answer(route: Route) -> None:
        match next(left, None):
            case None:
                route.continue_()
            case "abort":
                route.abort()
            case "html":
                route.fulfill(status=403, content_type="text/html", body="<h1>Forbidden</h1>")
            case status:
                route.fulfill(status=int(status), json={"code": "session_ended", "reason": "idle"})

    page.route(REFRESH, answer)
