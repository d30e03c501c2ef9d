"""The configurations for proxies, as printed, in the programs that they are for."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from http.cookies import SimpleCookie

import pytest
from tests.support.client import BASE, PASSWORD
from tests.support.documents import DOCS, blocks
from tests.support.fronts import Address, Visitor, front, mirror
from tests.support.programs import needs
from tests.support.server import PUBLIC, LiveServer

PROGRAMS = [pytest.param("nginx", marks=needs("nginx")), pytest.param("caddy", marks=needs("caddy"))]
LARGE = "x" * 2200
_people = itertools.count(1)


@pytest.fixture
def email() -> str:
    """An address that nobody else has."""
    return f"visitor{next(_people)}@example.com"


@pytest.fixture(scope="module")
def keyturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server in production that trusts the proxy of this machine, and whose access tokens are large."""
    data = tmp_path_factory.mktemp("keyturn") / "data"
    with LiveServer(
        data,
        issuer=PUBLIC,
        trusted_proxies=("127.0.0.1",),
        rate_limits=True,
        claims=lambda user, session: {"large": LARGE},
    ) as live:
        yield live


@pytest.fixture(scope="module")
def application() -> Iterator[Address]:
    with mirror() as address:
        yield address


@pytest.fixture(scope="module", params=PROGRAMS)
def visit(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    keyturn: LiveServer,
    application: Address,
) -> Iterator[Callable[[str], Visitor]]:
    """Begins a proxy with its configuration from a document, for a visitor."""
    with ExitStack() as stack:

        def visited(document: str) -> Visitor:
            (printed,) = blocks(DOCS / document, request.param)
            folder = tmp_path_factory.mktemp(request.param)
            return stack.enter_context(front(request.param, printed, folder, keyturn.address, application))

        yield visited


@pytest.fixture(scope="module")
def alone(visit: Callable[[str], Visitor]) -> Visitor:
    """A visitor of Keyturn behind a proxy."""
    return visit("proxies.md")


@pytest.fixture(scope="module")
def guarded(visit: Callable[[str], Visitor]) -> Visitor:
    """A visitor of an application about which the proxy asks Keyturn."""
    return visit("http-api.md")


def test_behind_a_proxy_the_client_has_its_address_and_the_cookies_their_attributes(alone: Visitor, email: str) -> None:
    answer = alone.ask(
        "POST",
        f"{BASE}/register",
        json={"email": email, "password": PASSWORD, "delivery": "cookie"},
        headers={"x-forwarded-for": "203.0.113.7"},
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["session"]["address"] == "127.0.0.9"
    cookies = SimpleCookie("; ".join(answer.headers.get_list("set-cookie")))
    assert set(cookies) == {"__Host-keyturn_refresh", "__Host-keyturn_access", "__Host-keyturn_device"}
    assert all(cookie["secure"] and cookie["httponly"] and cookie["path"] == "/" for cookie in cookies.values())
    assert cookies["__Host-keyturn_refresh"]["samesite"] == "Strict"
    assert len(cookies["__Host-keyturn_access"].value) > len(LARGE)
    again = alone.ask("POST", f"{BASE}/refresh-token", cookies=carried(cookies))
    assert again.status_code == 200


def carried(cookies: Mapping[str, object]) -> str:
    """What a browser sends of its cookies."""
    return "; ".join(f"{name}={getattr(cookie, 'value', cookie)}" for name, cookie in cookies.items())


def test_a_proxy_passes_on_what_is_too_large_and_what_is_wrong(alone: Visitor) -> None:
    assert alone.ask("POST", f"{BASE}/login", json={"login": "x" * 20_000}).json()["code"] == "too_large"
    assert alone.ask("GET", f"{BASE}/me").json()["code"] == "access_token_missing"


def signed_in(visitor: Visitor, email: str) -> tuple[str, str]:
    """The access cookie and the id of somebody without roles."""
    answer = visitor.ask("POST", f"{BASE}/register", json={"email": email, "password": PASSWORD, "delivery": "cookie"})
    return carried(answer.cookies), answer.json()["user"]["id"]


def test_an_application_is_told_who_it_is_whatever_the_client_says(guarded: Visitor, email: str) -> None:
    cookies, user = signed_in(guarded, email)
    lies = {"x-auth-roles": "admin", "x-auth-subject": "somebody", "x_auth_roles": "admin", "x-auth_roles": "admin"}
    told = guarded.ask("GET", "/page", cookies=cookies, headers=lies).json()["headers"]
    named = [(name.replace("_", "-"), value) for name, value in told if name.replace("_", "-").startswith("x-auth")]
    assert ("x-auth-subject", user) in named
    assert [value for name, value in named if name == "x-auth-roles"] in ([], [""])
    assert len({name for name, _ in named}) == len(named)


def test_an_application_gets_nothing_of_strangers_and_of_other_sites(guarded: Visitor, email: str) -> None:
    assert guarded.ask("GET", "/page").status_code == 401
    expired = guarded.ask("GET", "/page", headers={"authorization": "Bearer expired"})
    assert (expired.status_code, "invalid_token" in expired.headers["www-authenticate"]) == (401, True)
    cookies, _ = signed_in(guarded, email)
    evil = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert guarded.ask("POST", "/page", cookies=cookies, headers=evil).status_code == 403
    assert guarded.ask("GET", "/page", cookies=cookies, headers={"sec-fetch-site": "cross-site"}).status_code == 200
    own = {"origin": PUBLIC, "sec-fetch-site": "same-origin"}
    assert guarded.ask("POST", "/page", cookies=cookies, headers=own, content="a=b").status_code == 200


@pytest.mark.parametrize("others", ["", "theme=dark; ", "theme=dark; lang=en; "])
def test_an_application_is_not_sent_the_refresh_token(guarded: Visitor, email: str, others: str) -> None:
    cookies, _ = signed_in(guarded, email)
    assert "__Host-keyturn_refresh=" in cookies
    told = guarded.ask("GET", "/page", cookies=f"{others}{cookies}; last=1").json()["headers"]
    (sent,) = [value for name, value in told if name == "cookie"]
    pairs = f"{others}{cookies}; last=1".split("; ")
    assert sent.split("; ") == [pair for pair in pairs if not pair.startswith("__Host-keyturn_refresh=")]
