"""The pages in a real browser: forms, devices, Back, no scripts, what a screen reader is told."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from tests.e2e.conftest import OpenBrowser
from tests.e2e.people import see_account, see_sign_in, sign_in, sign_up
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.programs import needs
from tests.support.server import LiveServer

pytestmark = needs("chromium")

PHONE = {"viewport": {"width": 390, "height": 844}}


def test_from_sign_up_to_sign_out(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url, name="Ada <b>Lovelace")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada <b>Lovelace")
    expect(page.get_by_text("this device")).to_have_count(1)
    page.get_by_role("button", name="Sign out", exact=True).click()
    see_sign_in(page)
    assert page.context.cookies() == []
    sign_in(page, server.url)
    see_account(page)


def test_one_device_signs_out_another_which_then_says_why(server: LiveServer, open_browser: OpenBrowser) -> None:
    here, there = open_browser(), open_browser(user_agent="Mozilla/5.0 (iPhone) Version/18.0 Safari/605")
    sign_up(here, server.url)
    sign_in(there, server.url)
    see_account(there)
    here.reload()
    here.get_by_role("listitem").filter(has_text="Safari on iPhone").get_by_role("button", name="Sign out").click()
    expect(here.get_by_role("listitem")).to_have_count(1)
    there.reload()
    see_sign_in(there)
    expect(there.get_by_role("status")).to_contain_text("signed out from another one")
    expect(there.get_by_role("status")).to_contain_text("change your password")


def test_everything_is_signed_out_at_once(server: LiveServer, open_browser: OpenBrowser) -> None:
    here, there = open_browser(), open_browser()
    sign_up(here, server.url)
    sign_in(there, server.url)
    see_account(there)
    here.get_by_role("button", name="Sign out everywhere").click()
    see_sign_in(here)
    there.reload()
    expect(there.get_by_role("status")).to_contain_text("all your devices were signed out")


def test_forms_say_where_they_come_from(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.goto(server.url)
    page.get_by_label("E-mail address or username").fill("nobody")
    page.get_by_label("Password", exact=True).fill("nothing")
    with page.expect_request(f"{server.url}/sign-in") as sent:
        page.get_by_role("button", name="Sign in").click()
    headers = sent.value.all_headers()
    assert (headers["origin"], headers["sec-fetch-site"]) == (server.url, "same-origin")


def test_a_mistake_gets_the_focus_and_its_sentence_belongs_to_it(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.goto(server.url)
    page.get_by_text("New here? Sign up").click()
    page.get_by_label("E-mail address", exact=True).fill("nonsense")
    page.get_by_label("Choose a password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page).to_have_title("Error: Sign up · Keyturn")
    field = page.get_by_label("E-mail address")
    expect(field).to_be_focused()
    expect(field).to_have_value("nonsense")
    expect(field).to_have_accessible_description("Enter an e-mail address such as name@example.org.")
    expect(page.get_by_label("Choose a password", exact=True)).to_have_value("")
    page.get_by_role("link", name="I have an account").click()
    sign_in(page, server.url, EMAIL, "not this one")
    expect(page.get_by_role("alert")).to_have_text("The login or the password is wrong.")
    expect(page.get_by_label("Password", exact=True)).to_have_accessible_description(
        "The login or the password is wrong."
    )


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_what_is_wrong_with_a_whole_form_gets_the_focus(
    server: LiveServer, open_browser: OpenBrowser, scripts: bool
) -> None:
    page = open_browser(java_script_enabled=scripts)
    sign_in(page, server.url, login="nobody@example.com")
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_label("E-mail address or username")).to_have_value("nobody@example.com")
    page.keyboard.press("Tab")
    expect(page.get_by_label("E-mail address or username")).to_be_focused()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_a_change_of_the_account_is_said_to_be_saved(
    server: LiveServer, open_browser: OpenBrowser, scripts: bool
) -> None:
    page = open_browser(java_script_enabled=scripts)
    sign_up(page, server.url)
    page.get_by_role("heading", name="Change your name").click()
    page.get_by_label("Your name").fill("Ada Lovelace")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ada Lovelace")
    expect(page.get_by_role("status")).to_have_text("Your name and username are saved.")
    expect(page.get_by_role("status")).to_be_focused()


def test_what_was_saved_is_said_once(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url)
    page.goto(f"{server.url}/?saved=email")
    expect(page.get_by_role("status")).to_contain_text("e-mail address is changed")
    page.reload()
    see_account(page)
    expect(page.get_by_role("status")).to_have_count(0)


def test_everything_can_be_done_by_keyboard(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.goto(server.url)
    seen = []
    for _ in range(9):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.name"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", "the focus is to be seen"
    assert seen == [
        "Skip to the content",
        "Keyturn",
        "login",
        "password",
        "Show password",
        "remember",
        "Sign in",
        "Forgot your password?",
        "New here? Sign up",
    ]
    page.keyboard.press("Enter")
    expect(page.get_by_label("Choose a password", exact=True)).to_be_visible()


def test_whoever_signs_in_or_out_in_one_tab_does_so_in_all(server: LiveServer, open_browser: OpenBrowser) -> None:
    """C15, C16: at once, so that nobody types into the form of somebody else."""
    with Browser(server.url) as other:
        other.register("bob@example.com")
    page = open_browser()
    late = page.context.new_page()
    late.goto(server.url)
    see_sign_in(late)
    sign_up(page, server.url)
    page.evaluate("globalThis.typed = 'is not lost by what goes wrong elsewhere'")
    late.get_by_label("E-mail address or username").fill("bob@example.com")
    late.get_by_label("Password", exact=True).fill("wrong")
    late.keyboard.press("Enter")
    expect(late.get_by_role("alert")).to_be_visible()
    assert page.evaluate("globalThis.typed")
    late.get_by_label("Password", exact=True).fill(PASSWORD)
    late.keyboard.press("Enter")
    see_account(late)
    expect(page.get_by_text("bob@example.com").first).to_be_visible()
    expect(page.get_by_text(EMAIL)).to_have_count(0)
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    see_sign_in(late)


def test_back_after_signing_out_shows_nothing_of_the_account(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url)
    page.goto(f"{server.url}/nothing")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    page.go_back()
    see_account(page)
    page.get_by_role("button", name="Sign out", exact=True).click()
    see_sign_in(page)
    page.go_back()
    see_sign_in(page)
    assert EMAIL not in page.content()


def test_a_page_out_of_the_browsers_memory_is_asked_for_anew(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url)
    with page.expect_response(f"{server.url}/"):
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    see_account(page)


def test_a_page_out_of_the_browsers_memory_shows_nothing_of_the_account_before_the_server_has_answered(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    """Chromium keeps no page that is not to be stored; where one is kept, this is what happens."""
    page = open_browser()
    sign_up(page, server.url)
    left = page.evaluate(
        """() => {
          dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
          return document.body.innerHTML;
        }"""
    )
    assert 'We are looking whether you are signed in. <a href="/">Try again</a>' in left
    assert EMAIL not in left
    see_account(page)


def test_without_scripts_people_sign_up_and_out_and_in_again(
    server: LiveServer, open_scriptless_browser: OpenBrowser
) -> None:
    page = open_scriptless_browser()
    sign_up(page, server.url)
    page.context.clear_cookies(name="keyturn_access")
    page.goto(server.url)
    # Playwright finds nothing by its text within <noscript>.
    expect(page.locator("noscript .notice")).to_be_visible()
    page.locator("#sign-in-login").fill(EMAIL)
    page.locator("#sign-in-password").fill(PASSWORD)
    page.keyboard.press("Enter")
    see_account(page)
    expect(page.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_text("Signed in 1 January 2026, 00:00 UTC")).to_be_visible()
    expect(page.get_by_text("Last used within the last hour")).to_be_visible()
    page.get_by_role("button", name="Sign out", exact=True).click()
    see_sign_in(page)


def test_times_are_those_of_the_reader(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser(timezone_id="Asia/Tokyo")
    sign_up(page, server.url)
    expect(page.get_by_text("Signed in 1 January 2026 at 09:00")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read_by_day_and_by_night(
    server: LiveServer, open_browser: OpenBrowser, scheme: str
) -> None:
    page = open_browser(**PHONE, color_scheme=scheme)
    sign_up(page, server.url, name="A name that is quite long " * 5)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for selector in ("h1", ".quiet", "dt", "button", ".danger", ".chip"):
        assert contrast(page, selector) >= 4.5, selector
    page.get_by_role("button", name="Sign out", exact=True).click()
    sign_in(page, server.url, EMAIL, "wrong")
    for selector in ("label", ".notice.bad", "button.primary", "button.show", ".other a"):
        assert contrast(page, selector) >= 4.5, selector


def contrast(page: Page, selector: str) -> float:
    """The ratio of text to background (WCAG 2.2, 1.4.3)."""
    script = """(element) => {
      const numbers = (color) => color.match(/[0-9.]+/g).map(Number);
      const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
      let behind = element;
      while (numbers(getComputedStyle(behind).backgroundColor)[3] === 0) behind = behind.parentElement;
      const shades = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor].map(numbers).map(light);
      return (Math.max(...shades) + 0.05) / (Math.min(...shades) + 0.05);
    }"""
    return float(page.locator(selector).first.evaluate(script))
