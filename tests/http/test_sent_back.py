"""Without Keyturn's pages, a failed way to a provider or back leads to where it began, with a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from tests.support.client import BASE, Browser
from tests.support.provider import Answer, Provider, come_back, sign_in, start
from tests.support.server import LiveServer

from keyturn.server.sent_back import with_error

ACCEPT = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[LiveServer]:
    data_dir: Path = tmp_path_factory.mktemp("without") / "data"
    tables = {"example": _provider.settings(), "other": _provider.settings()}
    with LiveServer(data_dir, clock=_provider.clock, providers=tables, pages=False) as live:
        yield live


@pytest.fixture
def server(_server: LiveServer) -> LiveServer:
    return _server


@pytest.fixture
def person(browser: Browser) -> Browser:
    """A browser that asks for pages."""
    browser.headers |= ACCEPT
    return browser


def place(answer: httpx2.Response) -> str:
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def begun(person: Browser, provider: Provider, **more: str | None) -> str:
    """The way back of somebody who began at the bookings."""
    return provider.visit(start(person, return_to="/bookings?page=2#last"), **more)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"error": "access_denied", "code": None}, "provider_denied"),
        ({"error": "<script>", "error_description": "Call +1 555", "code": None}, "provider_denied"),
        ({"error": "server_error"}, "provider_unavailable"),
        ({"code": "made-up"}, "provider_invalid"),
        ({"iss": "https://evil.example"}, "provider_invalid"),
        ({"state": "another"}, "sign_in_state_invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_who_fails_comes_back_to_where_they_began_with_the_reason(
    person: Browser, provider: Provider, more: dict[str, str | None], code: str
) -> None:
    answer = come_back(person, begun(person, provider, **more))
    assert place(answer) == f"/bookings?page=2&error={code}#last"
    assert answer.headers["cache-control"] == "no-store"
    assert person.refresh().status_code == 401


def test_who_has_an_account_already_is_told_where_they_began(person: Browser, provider: Provider) -> None:
    provider.claims = {"sub": "kim", "email": "kim@example.com"}
    person.register(email="kim@example.com")
    assert place(come_back(person, begun(person, provider))) == "/bookings?page=2&error=account_exists#last"


def test_who_took_too_long_comes_back_to_where_they_began(person: Browser, provider: Provider) -> None:
    back = begun(person, provider)
    provider.clock.advance(601)
    assert place(come_back(person, back)) == "/bookings?page=2&error=sign_in_state_invalid#last"


def test_who_cannot_even_leave_stays_where_they_are(person: Browser, provider: Provider) -> None:
    provider.answers["/.well-known/openid-configuration"] = Answer(500)
    answer = person.call("GET", "/providers/example/start", params={"return_to": "/bookings"})
    assert place(answer) == "/bookings?error=provider_unavailable"


@pytest.mark.parametrize("return_to", ["", "//evil.example", "/\\evil.example", "https://evil.example", "/%0d%0aa:b"])
def test_no_failure_leads_to_another_site(person: Browser, provider: Provider, return_to: str) -> None:
    answer = sign_in(person, provider, return_to=return_to)
    assert place(answer) == "/"
    back = provider.visit(start(person, return_to=return_to), error="access_denied")
    assert place(come_back(person, back)) == "/?error=provider_denied"
    provider.reset()
    provider.clock.advance(3601)
    provider.answers["/.well-known/openid-configuration"] = Answer(500)
    answer = person.call("GET", "/providers/example/start", params={"return_to": return_to})
    assert place(answer) == "/?error=provider_unavailable"


def without_the_cookie(person: Browser) -> None:
    person.cookies.clear()


def with_a_forged_cookie(person: Browser) -> None:
    person.cookies.clear()
    person.cookies.set("keyturn_way", "eyJyZXR1cm5fdG8iOiIvZXZpbCJ9." + "A" * 43)


@pytest.mark.parametrize("change", [without_the_cookie, with_a_forged_cookie])
def test_a_way_that_did_not_begin_in_this_browser_leads_to_the_first_page(
    person: Browser, provider: Provider, change: Callable[[Browser], None]
) -> None:
    """Whoever sends somebody a link to the way back chooses no place and no word."""
    back = begun(person, provider) + "&return_to=/evil&error=evil&error_description=evil"
    change(person)
    assert place(come_back(person, back)) == "/?error=sign_in_state_invalid"


def test_two_cookies_lead_to_the_first_page(person: Browser) -> None:
    headers = {"cookie": "keyturn_way=a; keyturn_way=b"}
    assert place(person.call("GET", "/providers/example/callback", headers=headers)) == "/?error=duplicate_cookie"


def test_a_script_gets_the_problem_itself(browser: Browser, provider: Provider) -> None:
    answer = come_back(browser, begun(browser, provider, error="access_denied"))
    assert (answer.status_code, answer.json()["code"]) == (403, "provider_denied")


def test_a_link_that_is_wrong_is_a_problem_and_leads_nowhere(person: Browser) -> None:
    assert person.call("GET", "/providers/nobody/start", params={"return_to": "/a"}).status_code == 404
    assert person.call("GET", "/providers/example/start?delivery=body&return_to=/a").status_code == 422


def test_the_log_says_why(person: Browser, provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    come_back(person, begun(person, provider, state="another"))
    told = [record.facts for record in caplog.records if record.getMessage() == "authn_provider_fail"]
    assert [(facts["provider"], facts["why"]) for facts in told] == [("example", "sign_in_state_invalid")]


def test_a_way_that_leads_to_itself_comes_to_an_end(person: Browser, provider: Provider) -> None:
    """An address of the way there, as the place to come back to, is no loop."""
    provider.answers["/.well-known/openid-configuration"] = Answer(500)
    there = f"{BASE}/providers/example/start"
    url = f"{there}?return_to={there}"
    for expected in (f"{there}?error=provider_unavailable", "/?error=provider_unavailable"):
        url = place(person.get(url))
        assert url == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/?error=x"),
        ("/a?", "/a?error=x"),
        ("/a?b=1&c", "/a?b=1&c&error=x"),
        ("/a?error=evil&b=1", "/a?b=1&error=x"),
        ("/a?%65rror=evil&error&errors=1", "/a?errors=1&error=x"),
        ("/a#b?error=c", "/a?error=x#b?error=c"),
    ],
)
def test_a_path_has_one_reason(path: str, expected: str) -> None:
    assert with_error(path, "x") == expected
