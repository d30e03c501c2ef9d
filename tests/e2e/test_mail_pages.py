"""The pages that mails lead to, in a real browser: with scripts and without."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.axe import DESKTOP, PHONE, complaints
from tests.e2e.conftest import OpenBrowser
from tests.e2e.people import see_account, see_sign_in, sign_in, sign_up
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.mail import Post
from tests.support.programs import needs
from tests.support.server import LiveServer

pytestmark = needs("chromium")

NEW = "seven quiet lanterns drift"


def forget(page: Page, server: LiveServer) -> None:
    page.goto(server.url)
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mail")


def forgotten_password(page: Page, server: LiveServer) -> None:
    """From the sign-in page to the mail and back."""
    with Browser(server.url) as browser:
        browser.register()
    forget(page, server)
    link = Post(server).newest(EMAIL, "/reset-password").link
    page.goto(link)
    page.get_by_label("New password", exact=True).fill("short")
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_label("New password", exact=True)).to_be_focused()
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_role("button", name="Set password").click()
    see_sign_in(page)
    expect(page.get_by_role("status")).to_contain_text("Your password is set")
    page.goto(link)
    expect(page.get_by_role("heading", level=1)).to_have_text("This link is not good any more")
    sign_in(page, server.url, password=NEW)
    see_account(page)
    # The mail was received there.
    expect(page.get_by_text("not verified")).to_have_count(0)


def test_a_forgotten_password_is_set_anew(server: LiveServer, open_browser: OpenBrowser) -> None:
    forgotten_password(open_browser(), server)


@pytest.mark.soak
def test_a_forgotten_password_is_set_anew_without_scripts(
    server: LiveServer, open_scriptless_browser: OpenBrowser
) -> None:
    forgotten_password(open_scriptless_browser(), server)


def test_an_address_is_verified_by_the_button_of_a_page(server: LiveServer, open_browser: OpenBrowser) -> None:
    page, mail_program = open_browser(), open_browser()
    sign_up(page, server.url)
    expect(page.get_by_text("Your e-mail address is not verified.")).to_be_visible()
    page.get_by_role("button", name="Send me a link").click()
    expect(page.get_by_role("status")).to_contain_text("on its way")
    mail_program.goto(Post(server).newest(EMAIL, "/verify-email").link)
    page.goto(server.url)
    expect(page.get_by_text("not verified")).to_be_visible()
    # Whoever has the mailbox need not have made the account.
    mail_program.get_by_role("link", name="Sign in").click()
    mail_program.get_by_label("E-mail address or username").fill(EMAIL)
    mail_program.get_by_label("Password", exact=True).fill(PASSWORD)
    mail_program.get_by_role("button", name="Sign in").click()
    mail_program.get_by_role("button", name="Yes, this is my address").click()
    expect(mail_program.get_by_role("heading", level=1)).to_have_text("Your address is verified")
    page.goto(server.url)
    see_account(page)
    expect(page.get_by_text("not verified")).to_have_count(0)


def test_all_devices_are_signed_out_by_the_button_of_a_page(server: LiveServer, open_browser: OpenBrowser) -> None:
    page, thief, mail_program = open_browser(), open_browser(user_agent="Elsewhere/1.0"), open_browser()
    sign_up(page, server.url)
    sign_in(thief, server.url)
    see_account(thief)
    mail_program.goto(Post(server).newest(EMAIL, "/was-it-you").link)
    thief.reload()
    see_account(thief)
    mail_program.get_by_role("button", name="Sign out all my devices").click()
    expect(mail_program.get_by_role("status")).to_contain_text("whoever knows the old one")
    for browser in (page, thief):
        browser.goto(server.url)
        see_sign_in(browser)
    mail_program.get_by_role("link", name="Set a new password").click()
    expect(mail_program.get_by_role("heading", level=1)).to_have_text("Forgot your password?")


def test_a_page_with_a_token_tells_nobody_where_it_was(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url)
    letter = Post(server).newest(EMAIL, "/verify-email")
    told: list[str | None] = []
    page.on("request", lambda request: told.append(request.all_headers().get("referer")))
    page.goto(letter.link, wait_until="networkidle")
    page.get_by_role("button", name="Yes").click()
    expect(page.get_by_role("status")).to_be_visible()
    assert len(told) > 3
    assert not any(told)
    assert letter.token not in page.url


@pytest.mark.soak
def test_in_development_the_outbox_shows_the_mails_with_their_links(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    sign_up(page, server.url)
    assert Post(server).letters()
    page.goto(f"{server.url}/outbox")
    page.get_by_role("article").get_by_role("link").click()
    expect(page.get_by_role("button", name="Yes, this is my address")).to_be_visible()


@pytest.mark.parametrize("viewport", [PHONE, pytest.param(DESKTOP, marks=pytest.mark.soak)], ids=["phone", "desktop"])
def test_axe_finds_nothing_on_the_pages_of_mails(
    server: LiveServer, open_browser: OpenBrowser, viewport: dict[str, int]
) -> None:
    page = open_browser(viewport=viewport)
    with Browser(server.url) as browser:
        browser.register()
        browser.call("POST", "/password/forgot", {"email": EMAIL})
    with Browser(server.url, headers={"user-agent": "Elsewhere/1.0"}) as browser:
        browser.login(EMAIL, PASSWORD)
    post = Post(server)
    links = {path: post.newest(EMAIL, path).link for path in ("/reset-password", "/verify-email", "/was-it-you")}
    found = {}
    stale = {"stale": f"{server.url}/reset-password/stale"}
    for name, link in {
        "forgot": f"{server.url}/forgot-password",
        "outbox": f"{server.url}/outbox",
        **links,
        **stale,
    }.items():
        page.goto(link)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        found[name] = complaints(page)
    sign_in(page, server.url)
    see_account(page)
    for name in ("/reset-password", "/verify-email", "/was-it-you"):
        page.goto(links[name])
        page.locator("main button").last.click()
        expect(page.locator("[aria-invalid], [role=status]")).not_to_have_count(0)
        found[f"{name}, done"] = complaints(page)
    forget(page, server)
    found["sent"] = complaints(page)
    mail_program = open_browser(viewport=viewport)
    mail_program.set_content(post.newest(EMAIL, "/was-it-you").html)
    found["mail"] = complaints(mail_program)
    assert found == {place: [] for place in found}
