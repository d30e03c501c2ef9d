"""Ten thousand refreshes of three tabs, over a network that loses one answer in twenty."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.e2e.conftest import OpenBrowser
from tests.e2e.tabs import METRICS_TOKEN, events, me, state, tabs_of, verdicts
from tests.support.programs import needs
from tests.support.proxy import LOST, UnrulyProxy
from tests.support.server import LiveServer

pytestmark = needs("chromium")

REFRESHES = 10_000
TOGETHER = 0.08  # how often all tabs refresh at once; else one of them does
NEXT_WINDOW = 4  # seconds, of the server's clock

REFRESH = """() => {
  globalThis.done = new Promise((resolve) => session.addEventListener("refreshed", () => resolve(), { once: true }));
  session.refresh().catch(() => {}); // who waits is told after three losses in a row; the client goes on
}"""
LEAST = {"rotated": 3000, "recovered": 300, "converged": 1000}


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_three_tabs_refresh_over_a_bad_network_and_nobody_is_signed_out(
    tmp_path: Path, open_browser: OpenBrowser
) -> None:
    """A client that waits to ask again does so in the next window, where the answer that it lost is recovered."""
    chance = random.Random(5)
    with (
        LiveServer(tmp_path / "data", refresh_window="3s", metrics_token=METRICS_TOKEN) as server,
        UnrulyProxy(server.address, seed=5, fates={"passed": 1}) as proxy,
    ):
        tabs = tabs_of(open_browser(), proxy.url, 3)
        before = sum(verdicts(server).values())
        proxy.fates = {"passed": 95, LOST: 5}
        asked = 0
        while asked < REFRESHES:
            server.clock.advance(NEXT_WINDOW)
            who = tabs if chance.random() < TOGETHER else [chance.choice(tabs)]
            answered, lost = proxy.answered, proxy.met[LOST]
            for tab in who:
                tab.evaluate(REFRESH)
            asked += len(who)
            if len(who) == 1:
                proxy.wait_for_answer(answered + 1)
                if proxy.met[LOST] > lost:
                    server.clock.advance(NEXT_WINDOW)
            for tab in who:
                tab.evaluate("done")
        proxy.fates = {"passed": 1}
        found = verdicts(server)
        print(found, proxy.met)
        assert found["reused"] == found["ended"] == found["caught_up"] == 0
        assert all(found[verdict] >= count for verdict, count in LEAST.items())
        # Each lost answer was asked for once more, and nothing went round in circles.
        assert sum(found.values()) - before <= 1.01 * (asked + proxy.met[LOST])
        for tab in tabs:
            assert (state(tab), me(tab), events(tab, "signedout")) == ("signed-in", 200, [])
