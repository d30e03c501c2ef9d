"""The browser client in Chromium: staying signed in with several tabs, expiry, sleep, and networks that lose answers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from tests.e2e.conftest import OpenBrowser
from tests.e2e.people import REFRESH, is_refresh, trouble
from tests.e2e.tabs import (
    APP,
    METRICS_TOKEN,
    events,
    me,
    open_tab,
    ready,
    requests_of,
    serve_app,
    sign_up,
    state,
    tabs_of,
    verdicts,
    wait_for_state,
)
from tests.support.programs import needs
from tests.support.proxy import LossyProxy, UnrulyProxy
from tests.support.server import LiveServer

pytestmark = needs("chromium")

EXPIRED = 601  # seconds after which no access token is good


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[LiveServer]:
    """A server that counts its verdicts."""
    with LiveServer(tmp_path / "data", metrics_token=METRICS_TOKEN) as live:
        yield live


def reach(tab: Page, address: str) -> None:
    """Go to the page until the network lets its module through."""
    while True:
        tab.goto(address)
        with contextlib.suppress(PlaywrightTimeout):
            tab.wait_for_function("globalThis.session", timeout=500)
            tab.evaluate("session.ready")
            return


def test_a_page_with_a_live_session_is_signed_in_within_one_round_trip(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    tabs_of(page, server.url, 1)
    asked = requests_of(page.context, lambda request: "/api/" in request.url)
    page.reload()
    ready(page)
    assert state(page) == "signed-in"
    assert len(asked) == 1


def test_five_tabs_at_once_stay_signed_in_with_one_rotation_in_a_window(
    counted: LiveServer, open_browser: OpenBrowser
) -> None:
    """R15: expiry in all of them, again after sleep."""
    tabs = tabs_of(open_browser(), counted.url, 5)
    for slept in (EXPIRED, 3 * 86_400):
        before = verdicts(counted)
        counted.clock.advance(slept)
        for tab in tabs:
            tab.evaluate(
                "() => { globalThis.answer = session.fetch('/api/v1/auth/me').then((answer) => answer.status); }"
            )
        assert [tab.evaluate("answer") for tab in tabs] == [200] * 5
        rose = {verdict: count - before[verdict] for verdict, count in verdicts(counted).items()}
        assert rose == {**dict.fromkeys(before, 0), "rotated": 1, "converged": 4}
    assert [events(tab, "signedout") for tab in tabs] == [[]] * 5


def test_a_storm_of_reloads_signs_nobody_out(counted: LiveServer, open_browser: OpenBrowser) -> None:
    tabs = tabs_of(open_browser(), counted.url, 3)
    for _ in range(8):
        for tab in tabs:
            tab.reload(wait_until="commit")  # and again before the answer to its refresh is there
        counted.clock.advance(10)
    for tab in tabs:
        tab.goto(counted.url + APP)
        ready(tab)
        assert (state(tab), me(tab)) == ("signed-in", 200)
    assert verdicts(counted)["reused"] == 0


def test_a_token_that_expires_under_the_users_hands_shows_nowhere(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    tabs_of(page, server.url, 1)
    asked = requests_of(page.context)
    server.clock.advance(EXPIRED)
    statuses = page.evaluate(
        """() => Promise.all(Array.from({length: 6}, () => session.fetch("/api/v1/auth/me", {
             method: "PATCH", headers: {"content-type": "application/json"}, body: '{"full_name": "Alice"}'
           }).then((answer) => answer.status)))"""
    )
    assert statuses == [200] * 6
    assert len(asked) == 1


def test_a_machine_that_slept_goes_on_where_it_was(server: LiveServer, open_browser: OpenBrowser) -> None:
    """Whether its own monotonic clock went on meanwhile or stood still."""
    page = open_browser()
    page.clock.install()
    tabs_of(page, server.url, 1)
    for stood_still in (True, False):
        server.clock.advance(8 * 3600)
        if not stood_still:
            page.clock.fast_forward(8 * 3_600_000)
        assert me(page) == 200
    assert events(page, "signedout") == []


def test_an_open_page_refreshes_by_itself_before_its_token_expires(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    page.clock.install()
    tabs_of(page, server.url, 1)
    refused = requests_of(page.context, lambda request: request.url.endswith("/me"))
    for _ in range(3):
        server.clock.advance(575)
        with page.expect_response(REFRESH):
            page.clock.run_for(575_000)
        page.wait_for_function("count => events.filter(([type]) => type === 'refreshed').length >= count", arg=1)
        assert me(page) == 200
    assert len(refused) == 3, "each request went out once"


def test_offline_is_said_and_nobody_is_signed_out(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    tabs_of(page, server.url, 1)
    server.clock.advance(EXPIRED)
    page.context.set_offline(True)
    page.evaluate("session.refresh().catch(() => {})")
    wait_for_state(page, "offline")
    assert page.evaluate("session.user.email") == "alice@example.com"
    code = page.evaluate("session.fetch('/api/v1/auth/me').then(() => 'sent', (error) => error.name)")
    assert code != "sent"
    page.context.set_offline(False)
    wait_for_state(page, "signed-in")
    assert me(page) == 200
    assert events(page, "signedout") == []


def test_answers_that_are_lost_are_asked_for_again(tmp_path: Path, open_browser: OpenBrowser) -> None:
    with LiveServer(tmp_path / "data", metrics_token=METRICS_TOKEN) as server, LossyProxy(server.address) as proxy:
        page = open_browser()
        tabs_of(page, proxy.url, 1)
        for _ in range(3):
            # Past the window, so that the next presentation of the same token is of one whose child was lost.
            server.clock.advance(EXPIRED)
            # Chromium itself repeats a request whose connection it had used before and which is cut.
            proxy.lose = 2
            with page.expect_event("requestfailed", is_refresh):
                page.evaluate("() => { globalThis.done = session.refresh(); }")
            server.clock.advance(31)
            page.evaluate("done")
            assert me(page) == 200
        found = verdicts(server)
        assert found["recovered"] >= 3
        assert found["reused"] == 0
        assert events(page, "signedout") == []


def test_a_network_that_loses_cuts_and_delays_whatever_it_likes_signs_nobody_out(
    tmp_path: Path, open_browser: OpenBrowser
) -> None:
    with LiveServer(tmp_path / "data", metrics_token=METRICS_TOKEN) as server:
        page = open_browser()
        tabs = tabs_of(page, server.url, 3)
        cookies = page.context.cookies()
        with UnrulyProxy(server.address, seed=7) as proxy:
            # Cookies know no ports: the same session, over a bad network.
            serve_app(page.context, proxy.url)
            page.context.add_cookies(cookies)
            for tab in tabs:
                reach(tab, proxy.url + APP)
            for _ in range(6):
                server.clock.advance(EXPIRED)
                for tab in tabs:
                    tab.evaluate("() => { globalThis.done = session.refresh().catch((error) => error.code); }")
                for tab in tabs:
                    assert tab.evaluate("done") in {None, "unreachable"}
            assert proxy.met.total() > 20
            for tab in tabs:
                wait_for_state(tab, "signed-in")
                assert events(tab, "signedout") == []
        assert verdicts(server)["reused"] == 0


def test_a_server_that_is_full_or_away_signs_nobody_out(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.clock.install()
    tabs_of(page, server.url, 1)
    answers = iter([429, 503, 500, 502, "html", "abort"])
    trouble(page, answers)
    page.evaluate("events.length = 0")
    page.evaluate("session.refresh().catch(() => {})")
    while not events(page, "refreshed"):
        page.clock.run_for(1000)
    assert next(answers, None) is None
    assert state(page) == "signed-in"
    assert events(page, "signedout") == []


def test_a_tab_that_is_opened_while_the_server_is_away_finds_its_session_when_it_is_back(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    tabs_of(page, server.url, 1)
    page.context.route(REFRESH, lambda route: route.abort(), times=2)
    other = open_tab(page.context, server.url)
    assert state(other) == "signed-in"
    assert [event["state"] for event in events(other, "statechange")] == ["offline", "signed-in"]


def test_sign_up_to_sign_out(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    serve_app(page.context, server.url)
    page.goto(server.url + APP)
    ready(page)
    assert state(page) == "signed-out"
    sign_up(page)
    assert page.get_by_text("alice@example.com").count() == 1
    assert me(page) == 200
    assert [device["current"] for device in page.evaluate("session.devices()")] == [True]
    page.evaluate("session.signOut()")
    assert (state(page), me(page)) == ("signed-out", 401)
    page.reload()
    ready(page)
    assert state(page) == "signed-out"
    refused = page.evaluate(
        "session.signIn({login: 'alice@example.com', password: 'wrong'}).catch(({code, status}) => [code, status])"
    )
    assert refused == ["invalid_credentials", 401]
