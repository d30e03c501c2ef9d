"""Signing in with an account elsewhere, in Chromium: a certified OpenID provider on another site, and every click on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect
from tests.e2e.axe import DESKTOP, PHONE, complaints
from tests.e2e.conftest import OpenBrowser
from tests.e2e.people import see_account, see_sign_in, sign_up
from tests.support.client import BASE, PASSWORD
from tests.support.openid_program import openid_provider
from tests.support.programs import needs
from tests.support.server import LiveServer
from tests.support.wire import free_port

from keyturn.system import SystemClock

pytestmark = needs("chromium")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    port = free_port()
    with openid_provider(f"http://127.0.0.1:{port}{BASE}/providers/example/callback") as issuer:
        table = {
            "issuer": issuer,
            "client_id": "keyturn",
            "client_secret": "a secret of the client: with / and +",
            "label": "Example",
        }
        clock: Any = SystemClock()  # which the provider has as well
        data_dir: Path = tmp_path_factory.mktemp("providers") / "data"
        with LiveServer(data_dir, clock=clock, port=port, providers={"example": table}) as live:
            yield live


def say_who(page: Page, name: str) -> None:
    """What one does at the provider."""
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("anything")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def see_connected(page: Page) -> None:
    card = page.get_by_role("region", name="Connected accounts")
    expect(card.get_by_role("heading", name="Example", exact=True)).to_be_visible()


def test_signing_up_with_a_provider_staying_signed_in_and_coming_back(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    page.goto(server.url)
    page.get_by_role("link", name="Sign in with Example").click()
    say_who(page, "olga")
    see_account(page)
    expect(page.get_by_role("heading", name="Olga Open")).to_be_visible()
    expect(page).to_have_url(f"{server.url}/")
    see_connected(page)
    page.reload()
    see_account(page)
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies(server.url)}
    assert cookies["keyturn_refresh"]["sameSite"] == "Strict"
    assert "keyturn_way" not in cookies
    page.get_by_role("button", name="Sign out", exact=True).click()
    see_sign_in(page)
    # The provider still knows them: nobody is asked anything.
    page.get_by_role("link", name="Sign in with Example").click()
    see_account(page)
    expect(page.get_by_role("heading", name="Olga Open")).to_be_visible()


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_axe_finds_nothing_on_the_pages_about_providers(
    server: LiveServer, open_browser: OpenBrowser, viewport: ViewportSize
) -> None:
    page = open_browser(viewport=viewport)
    page.goto(server.url)
    found = {"sign-in": complaints(page)}
    page.get_by_role("link", name="Sign in with Example").click()
    say_who(page, f"axel-{viewport['width']}")
    see_account(page)
    for summary in page.locator("summary").all():
        summary.click()
    found["account"] = complaints(page)
    page.goto(f"{server.url}{BASE}/providers/example/callback?state=none")
    expect(page.get_by_role("heading", name="Begin again")).to_be_visible()
    found["failure"] = complaints(page)
    assert found == {place: [] for place in found}


def test_a_provider_leads_back_to_where_somebody_was(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.goto(f"{server.url}/sign-in?return_to=/docs")
    page.get_by_role("link", name="Sign in with Example").click()
    say_who(page, "rita")
    expect(page).to_have_url(f"{server.url}/docs")


def test_a_single_page_application_is_signed_in_after_its_first_refresh(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    page.goto(f"{server.url}{BASE}/providers/example/start?return_to=/sign-up")
    say_who(page, "sven")
    expect(page).to_have_url(f"{server.url}/sign-up")
    expect(page.get_by_text("An application of this site is signed in here")).to_be_visible()
    told = page.evaluate("path => fetch(path, {method: 'POST'}).then(answer => answer.json())", f"{BASE}/refresh-token")
    assert told["user"]["email"] == "sven@example.com"
    assert told["session"]["delivery"] == "split"


def test_going_back_at_the_provider_is_told_in_words(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.goto(server.url)
    page.get_by_role("link", name="Sign in with Example").click()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("heading", name="You are not signed in")).to_be_visible()
    page.get_by_role("link", name="Go to the first page").click()
    see_sign_in(page)


def test_an_account_is_connected_signs_in_and_is_disconnected(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url, "paula@example.org", "Paula Pass")
    page.get_by_text("Connect Example").click()
    page.locator("#connect-example-current_password").fill("not the password")
    page.get_by_role("button", name="Go to Example").click()
    expect(page.get_by_text("The current password is wrong.")).to_be_visible()
    page.locator("#connect-example-current_password").fill(PASSWORD)
    page.get_by_role("button", name="Go to Example").click()
    say_who(page, "paula-elsewhere")
    see_account(page)
    see_connected(page)
    expect(page.get_by_text("paula-elsewhere@example.com")).to_be_visible()

    elsewhere = open_browser()
    elsewhere.goto(server.url)
    elsewhere.get_by_role("link", name="Sign in with Example").click()
    say_who(elsewhere, "paula-elsewhere")
    see_account(elsewhere)
    expect(elsewhere.get_by_role("heading", name="Paula Pass")).to_be_visible()

    page.get_by_text("Disconnect Example").click()
    page.locator("[id^=disconnect-][id$=current_password]").fill(PASSWORD)
    page.get_by_role("button", name="Disconnect", exact=True).click()
    see_account(page)
    expect(page.get_by_text("paula-elsewhere@example.com")).to_have_count(0)


def test_an_account_without_a_password_sets_one(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.goto(f"{server.url}/sign-up")
    page.get_by_role("link", name="Sign up with Example").click()
    say_who(page, "tilda")
    see_account(page)
    page.get_by_role("heading", name="Set a password").click()
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Set a password").click()
    see_account(page)
    expect(page.get_by_role("heading", name="Change your password")).to_be_visible()
