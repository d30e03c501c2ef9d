"""Going to a provider and back in a loop: the provider is asked no more often than the limit, and nobody is locked out."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.support.client import BASE, Browser
from tests.support.provider import Provider, come_back, sign_in, start
from tests.support.server import LiveServer

ADDRESS, DEVICE = 6, 4
HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"

Visit = Callable[..., Browser]


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[LiveServer]:
    data_dir: Path = tmp_path_factory.mktemp("limits") / "data"
    settings = {"rate_limits": True, "rate_limit_address": ADDRESS, "rate_limit_client": 1}
    tables = {"example": _provider.settings()}
    with LiveServer(
        data_dir, clock=_provider.clock, providers=tables, trusted_proxies=("127.0.0.1",), **settings
    ) as live:
        yield live


@pytest.fixture
def server(_server: LiveServer, provider: Provider) -> LiveServer:
    """An hour after the last test: what it counted is forgotten."""
    return _server


@pytest.fixture
def visit(server: LiveServer) -> Iterator[Visit]:
    """Gives a browser at an address."""
    with ExitStack() as stack:

        def visit(address: str = HERE) -> Browser:
            browser = stack.enter_context(Browser(server.url))
            browser.headers["x-forwarded-for"] = address
            return browser

        yield visit


def lie(browser: Browser, times: int) -> list[int]:
    """Begin, and come back so many times with a code that the provider never gave; what that is answered."""
    url = dict(part.split("=", 1) for part in urlsplit(start(browser)).query.split("&"))
    back = f"{BASE}/providers/example/callback?state={url['state']}"
    return [come_back(browser, f"{back}&code={number}").status_code for number in range(times)]


def refused(answer: httpx2.Response) -> bool:
    if answer.status_code != 429:
        return False
    assert answer.json()["code"] == "too_many_attempts"
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    return True


def counted(server: LiveServer) -> list[str]:
    with closing(sqlite3.connect(server.data_dir / "keyturn.db")) as database:
        return sorted(map(str, database.execute("SELECT key, count FROM counters")))


def test_codes_that_were_made_up_reach_the_provider_no_more_often_than_the_limit(
    visit: Visit, provider: Provider
) -> None:
    browser = visit()
    assert lie(browser, ADDRESS + 5) == [502] * ADDRESS + [429] * 5
    assert provider.requests["/token"] == ADDRESS
    # Nor with another cookie, nor by another way of writing the address; and whoever begins is told before they leave.
    for address in (HERE, f"10.0.0.1, {HERE}", f"::ffff:{HERE}"):
        assert refused(visit(address).call("GET", "/providers/example/start"))
    provider.clock.advance(3601)
    assert sign_in(browser, provider).status_code == 303


def test_of_many_codes_at_once_no_more_reach_the_provider_than_the_limit(visit: Visit, provider: Provider) -> None:
    browsers = [visit() for _ in range(2 * ADDRESS)]
    backs = [provider.visit(start(browser), code="made-up") for browser in browsers]
    with ThreadPoolExecutor(len(browsers)) as threads:
        statuses = list(threads.map(lambda pair: come_back(*pair).status_code, zip(browsers, backs, strict=True)))
    assert sorted(statuses) == [429] * ADDRESS + [502] * ADDRESS
    assert provider.requests["/token"] == ADDRESS


def test_a_person_is_shown_a_page_that_says_how_long_to_wait(visit: Visit, server: LiveServer) -> None:
    browser = visit()
    lie(browser, ADDRESS)
    headers = {"accept": "text/html", "x-forwarded-for": HERE}
    page = httpx2.get(f"{server.url}{BASE}/providers/example/start", headers=headers)
    assert page.status_code == 429
    assert page.headers["content-type"].startswith("text/html")
    assert int(page.headers["retry-after"]) > 0
    assert "There were too many attempts. Wait 60 minutes, then try again." in page.text


def test_what_a_stranger_does_keeps_no_known_device_of_the_same_network_out(visit: Visit, provider: Provider) -> None:
    """And nobody of another network."""
    owner, newcomer = visit(), visit(ELSEWHERE)
    assert sign_in(owner, provider).status_code == 303
    lie(visit(), ADDRESS)
    assert refused(visit().call("GET", "/providers/example/start"))
    assert sign_in(owner, provider).status_code == 303
    assert sign_in(newcomer, provider).status_code == 303


def test_a_known_device_has_a_limit_of_its_own(visit: Visit, provider: Provider) -> None:
    browser = visit()
    assert sign_in(browser, provider).status_code == 303
    assert lie(browser, DEVICE + 2) == [502] * DEVICE + [429] * 2
    assert refused(browser.call("GET", "/providers/example/start"))
    assert sign_in(visit(), provider).status_code == 303


@pytest.mark.parametrize("name", ["garbage", "another tag", "another device", "a tag too few"])
def test_a_device_cookie_that_somebody_wrote_makes_no_device_known(visit: Visit, provider: Provider, name: str) -> None:
    browser = visit()
    assert sign_in(browser, provider).status_code == 303
    device, account, anybody = browser.cookies["keyturn_device"].split(".")
    forged = {
        "garbage": "x",
        "another tag": f"{device}.{account}.{'A' * 22}",
        "another device": f"{'0' * 24}.{account}.{anybody}",
        "a tag too few": f"{device}.{account}",
    }[name]
    lie(visit(), ADDRESS)
    assert refused(visit().call("GET", "/providers/example/start", headers={"cookie": f"keyturn_device={forged}"}))


def test_who_signs_in_again_and_again_never_meets_the_limit(visit: Visit, provider: Provider) -> None:
    browser = visit()
    for _ in range(ADDRESS + 2):
        assert sign_in(browser, provider).status_code == 303
        browser.cookies.clear()


def test_beginning_in_a_loop_counts_nothing_stores_nothing_and_asks_nobody(
    visit: Visit, server: LiveServer, provider: Provider
) -> None:
    before = counted(server)
    browser = visit()
    for _ in range(3 * ADDRESS):
        start(browser)
        browser.cookies.clear()
    assert counted(server) == before
    assert provider.requests == {"/.well-known/openid-configuration": 1}


def test_coming_back_without_the_state_asks_nobody_and_counts_nothing(
    visit: Visit, server: LiveServer, provider: Provider
) -> None:
    browser, before = visit(), counted(server)
    start(browser)
    for more in ("state=x&code=x", "code=x", "state=x&error=access_denied", ""):
        assert browser.call("GET", f"/providers/example/callback?{more}").status_code == 400
    assert (counted(server), provider.requests["/token"]) == (before, 0)


def test_a_device_stays_known_after_signing_in_with_a_provider(visit: Visit, provider: Provider) -> None:
    """The way back comes without its cookie, from another site."""
    browser = visit()
    browser.register(email="kim@example.com")
    before = browser.cookies["keyturn_device"]
    assert sign_in(browser, provider).status_code == 303
    after = browser.cookies["keyturn_device"]
    assert after.split(".")[0] == before.split(".")[0]
    assert set(before.split(".")) < set(after.split("."))
