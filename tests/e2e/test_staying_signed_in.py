"""Staying signed in: an open page never meets an expired cookie, and nobody is signed out but by somebody."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Error as Interrupted
from playwright.sync_api import Route, expect
from tests.e2e.conftest import Elsewhere, OpenBrowser
from tests.e2e.people import (
    REFRESH,
    is_refresh,
    is_refreshed,
    navigations,
    see_account,
    see_sign_in,
    sign_in,
    sign_up,
    trouble,
)
from tests.e2e.tabs import METRICS_TOKEN, verdicts
from tests.support.client import EMAIL
from tests.support.faults import FailingDatabase
from tests.support.programs import needs
from tests.support.server import LiveServer, ServerProcess

from keyturn.service.context import Context

pytestmark = needs("chromium")

SHORT = {"KEYTURN_ACCESS_TTL": "2s"}
AWAY = "Object.defineProperty(document, 'hidden', { get: () => globalThis.away === true })"


def test_an_open_page_outlives_its_access_tokens_and_nothing_shows(tmp_path: Path, open_browser: OpenBrowser) -> None:
    with ServerProcess(tmp_path / "data", SHORT) as server:
        page, other = open_browser(), open_browser()
        sign_up(page, server.url)
        sign_in(other, server.url)
        see_account(other)
        page.reload()
        moves = navigations(page)
        for _ in range(5):
            page.wait_for_event("response", is_refreshed)
        assert moves == []
        page.get_by_role("listitem").get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("listitem")).to_have_count(1)
        assert len(moves) == 1, "the form met no expired cookie"


def test_an_open_page_whose_session_is_ended_elsewhere_says_why_by_itself(
    tmp_path: Path, open_browser: OpenBrowser
) -> None:
    with ServerProcess(tmp_path / "data", SHORT) as server:
        page, other = open_browser(), open_browser()
        sign_up(page, server.url)
        sign_in(other, server.url)
        other.get_by_role("listitem").get_by_role("button", name="Sign out").click()
        see_sign_in(page)
        expect(page.get_by_role("status")).to_contain_text("signed out from another one")
        see_account(other)


def test_signing_out_in_one_tab_empties_the_other(tmp_path: Path, open_browser: OpenBrowser) -> None:
    with ServerProcess(tmp_path / "data", SHORT) as server:
        page = open_browser()
        sign_up(page, server.url)
        other = page.context.new_page()
        other.goto(server.url)
        see_account(other)
        page.get_by_role("button", name="Sign out", exact=True).click()
        see_sign_in(page)
        see_sign_in(other)


def test_while_the_server_is_away_an_open_page_waits_for_it(tmp_path: Path, open_browser: OpenBrowser) -> None:
    page = open_browser()
    with ServerProcess(tmp_path / "data", SHORT) as server:
        sign_up(page, server.url)
        moves = navigations(page)
    page.wait_for_event("requestfailed", is_refresh)
    page.wait_for_event("requestfailed", is_refresh)
    port = int(server.url.rpartition(":")[2])
    with ServerProcess(tmp_path / "data", SHORT, port=port):
        page.wait_for_event("response", is_refreshed)
        assert moves == []
        page.reload()
        see_account(page)


def test_a_page_that_asks_says_so_while_the_server_is_away(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url)
    page.context.clear_cookies(name="keyturn_access")
    trouble(page, ["abort", 503, 429, "html"])
    moves = navigations(page)
    page.goto(server.url)
    expect(page.get_by_role("status")).to_have_text("The server does not answer just now. We keep trying …")
    see_account(page)
    assert len(moves) == 2, "it asked on one page, and went from there to the account"


def test_a_page_opened_late_finds_its_session_again(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url)
    for seconds in (601, 3 * 86_400):
        server.clock.advance(seconds)
        page.goto(server.url)
        see_account(page)


def test_a_refresh_is_given_up_in_time_and_asked_again(tmp_path: Path, open_browser: OpenBrowser) -> None:
    broken: list[FailingDatabase] = []

    def wrap(context: Context) -> Context:
        broken.append(FailingDatabase(context.database))
        return replace(context, database=broken[0])

    def stop_first(route: Route) -> None:
        broken[0].gate.clear()
        route.continue_()

    with LiveServer(tmp_path / "data", refresh_window="3s", wrap=wrap) as server:
        page = open_browser()
        sign_up(page, server.url)
        page.context.clear_cookies(name="keyturn_access")
        page.route(REFRESH, stop_first, times=1)
        with page.expect_event("requestfailed", is_refresh):
            page.goto(server.url)
        broken[0].gate.set()
        see_account(page)


def test_a_link_from_another_site_opens_signed_in(
    server: LiveServer, open_browser: OpenBrowser, elsewhere: Elsewhere
) -> None:
    page = open_browser()
    sign_up(page, server.url)
    for access_cookie in (True, False):
        if not access_cookie:
            page.context.clear_cookies(name="keyturn_access")
        page.goto(elsewhere(server.url))
        with page.expect_request(f"{server.url}/") as opened:
            page.get_by_role("link").click()
        headers = opened.value.all_headers()
        assert headers["sec-fetch-site"] == "cross-site"
        assert "keyturn_refresh" not in headers.get("cookie", "")
        see_account(page)


def test_a_link_from_another_site_shows_a_stranger_the_forms(
    server: LiveServer, open_browser: OpenBrowser, elsewhere: Elsewhere
) -> None:
    page = open_browser()
    page.goto(elsewhere(server.url))
    with page.expect_response(is_refresh) as asked:
        page.get_by_role("link").click()
    assert asked.value.status == 401
    see_sign_in(page)


def test_a_form_on_another_site_signs_nobody_out(
    server: LiveServer, open_browser: OpenBrowser, elsewhere: Elsewhere
) -> None:
    page = open_browser()
    sign_up(page, server.url)
    page.goto(elsewhere(f"{server.url}/sign-out"))
    page.get_by_role("button").click()
    expect(page.get_by_role("heading", name="Nothing was done")).to_be_visible()
    page.goto(server.url)
    see_account(page)


def test_an_end_is_believed_when_it_was_said_twice(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url)
    page.context.clear_cookies(name="keyturn_access")
    said: list[int] = []

    def once(route: Route) -> None:
        said.append(1)
        if len(said) == 1:
            route.fulfill(status=403, json={"code": "session_ended", "reason": "replaced"})
        else:
            route.continue_()

    page.route(REFRESH, once)
    moves = navigations(page)
    page.goto(server.url)
    see_account(page)
    assert len(said) == len(moves) == 2


def test_a_browser_that_keeps_no_cookies_is_not_sent_round_for_ever(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    sign_up(page, server.url)
    page.context.clear_cookies(name="keyturn_access")
    page.route(REFRESH, lambda route: route.fulfill(json={"expires_in": 600}))
    moves = navigations(page)
    page.goto(server.url)
    expect(page.get_by_role("heading")).to_have_text("Your browser does not keep our cookies")
    expect(page.get_by_role("alert")).to_contain_text("Allow cookies for this site")
    assert len(moves) == 4
    page.unroute(REFRESH)
    page.get_by_role("link", name="try again").click()
    see_account(page)


def test_a_storm_of_reloads_in_three_tabs_signs_nobody_out(tmp_path: Path, open_browser: OpenBrowser) -> None:
    with LiveServer(tmp_path / "data", metrics_token=METRICS_TOKEN) as server:
        page = open_browser()
        sign_up(page, server.url)
        tabs = [page, page.context.new_page(), page.context.new_page()]
        server.clock.advance(601)
        for _ in range(3):
            for tab in tabs:
                # And again before the answer to its refresh is there, or when it is about to go on by itself.
                with contextlib.suppress(Interrupted):
                    tab.goto(server.url, wait_until="commit")
        for tab in tabs:
            see_account(tab)
        assert verdicts(server)["reused"] == 0


def test_whoever_reloads_while_the_server_is_slow_is_not_told_that_cookies_are_off(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    sign_up(page, server.url)
    page.context.clear_cookies(name="keyturn_access")
    slow = True
    page.route(REFRESH, lambda route: None if slow else route.continue_())
    for _ in range(4):
        page.goto(server.url)
        expect(page.get_by_text("We are looking whether you are signed in.")).to_be_visible()
    slow = False
    page.goto(server.url)
    see_account(page)


def test_a_hidden_page_rests_and_catches_up_when_it_is_seen_again(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    page.clock.install()
    page.add_init_script(AWAY)
    sign_up(page, server.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if is_refresh(request) else None)
    page.evaluate("globalThis.away = true")
    server.clock.advance(3600)
    page.clock.run_for(3_600_000)
    assert asked == []
    page.evaluate("globalThis.away = false")
    with page.expect_response(is_refreshed):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert len(asked) == 1


def test_a_form_sent_right_after_the_machine_has_slept_is_done_at_once(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page, other = open_browser(), open_browser()
    page.clock.install()
    page.add_init_script(AWAY)
    sign_up(page, server.url)
    sign_in(other, server.url, EMAIL)
    see_account(other)
    page.reload()
    page.evaluate("globalThis.away = true")
    server.clock.advance(3600)
    page.clock.run_for(3_600_000)
    page.get_by_role("listitem").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("listitem")).to_have_count(1)


def test_no_token_is_within_the_reach_of_scripts(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_up(page, server.url)
    assert page.evaluate("document.cookie") == ""
    tokens = [str(cookie["value"]) for cookie in page.context.cookies()]
    assert len(tokens) == 2
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    reachable = page.content() + page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert not any(token[-20:] in reachable for token in tokens)
