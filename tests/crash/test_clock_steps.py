"""The host's clock is set under a running server, or it runs where integers used to end: nobody is signed out by it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.client import Browser
from tests.support.server import LiveServer

from keyturn.core.model import SECOND
from keyturn.testing.fakes import FakeClock

HOUR = 3600


def step(server: LiveServer, seconds: int) -> None:
    """As an administrator sets a clock: the time of day moves, and how long ago anything was does not."""
    server.clock.time += seconds * SECOND


@pytest.mark.parametrize("steps", [(HOUR, -HOUR), (-HOUR, HOUR), (-1, 1, -1), (24 * HOUR, -24 * HOUR)])
def test_a_clock_that_is_set_signs_nobody_out(server: LiveServer, browser: Browser, steps: tuple[int, ...]) -> None:
    browser.register()
    for seconds in (*steps, 0):
        step(server, seconds)
        for _ in range(3):
            assert browser.refresh().status_code == 200
            assert browser.me().status_code == 200
            server.clock.advance(60)


def test_no_token_is_good_for_longer_because_the_clock_went_back(server: LiveServer, browser: Browser) -> None:
    browser.register()
    early = browser.access_token
    server.clock.advance(601)
    assert browser.call("GET", "/verify", bearer=early).status_code == 401
    step(server, -HOUR)
    # It is of the future now, by far more than clocks may differ.
    assert browser.call("GET", "/verify", bearer=early).status_code == 401
    assert browser.refresh().status_code == 200
    assert browser.me().status_code == 200


def test_what_expired_while_the_clock_was_wrong_is_well_when_it_is_right_again(
    server: LiveServer, browser: Browser
) -> None:
    browser.register()
    step(server, 365 * 24 * HOUR)
    refused = browser.refresh()
    assert (refused.status_code, refused.json()["reason"]) == (403, "expired")
    step(server, -365 * 24 * HOUR)
    assert browser.refresh().status_code == 200


@pytest.mark.parametrize("year", [2038, 2039, 2106, 2262, 3000])
def test_the_years_in_which_integers_of_others_end_are_years_like_any(tmp_path: Path, year: int) -> None:
    """2038: 31 bits of seconds; 2106: 32 bits; 2262: 63 bits of nanoseconds."""
    eve = datetime(year, 1, 19, 3, 14, tzinfo=UTC)
    clock = FakeClock(int(eve.timestamp()) * SECOND)
    with LiveServer(tmp_path / "data", clock=clock) as server, Browser(server.url) as browser:
        created = browser.register()["session"]["created_at"]
        assert created == f"{year}-01-19T03:14:00Z"
        for _ in range(3):
            clock.advance(HOUR)
            assert browser.refresh().status_code == 200
            assert browser.me().status_code == 200
