"""P15, O17, rows 59 and 60: every one-time token at every other door, and as a token of a session; only the diagonal passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.support.attacks import Visitor
from tests.support.client import Browser
from tests.support.mail import Post, rows
from tests.support.pages import Person, is_home, words_of
from tests.support.provider import Provider, come_back, start
from tests.support.server import LiveServer

NEW = "seven quiet lanterns drift"

CALLBACK = "/providers/example/callback"

Door = Callable[[Browser, Person, str], int]


def with_state(browser: Browser, token: str) -> int:
    """Begin a way to a provider, and come back with a token for its state."""
    start(browser)
    return browser.call("GET", CALLBACK, params={"code": "x", "state": token}).status_code


def with_cookie(browser: Browser, token: str) -> int:
    """Come back from a provider with a token for the cookie of the way, and for the state as well."""
    cookie = {"cookie": f"keyturn_way={token}"}
    return browser.call("GET", CALLBACK, params={"code": "x", "state": token}, headers=cookie).status_code


DOORS: dict[str, Door] = {
    "reset": lambda b, _, t: b.call("POST", "/password/reset", {"token": t, "new_password": NEW}).status_code,
    "reset page": lambda _, p, t: p.submit("/reset-password", token=t, new_password=NEW).status_code,
    "verification": lambda b, _, t: b.call("POST", f"/email/verification/{t}").status_code,
    "verification page": lambda _, p, t: p.submit("/verify-email", token=t).status_code,
    "was it you": lambda _, p, t: p.submit("/was-it-you", token=t).status_code,
    "reset link": lambda _, p, t: p.open(f"/reset-password/{t}").status_code,
    "verification link": lambda _, p, t: p.open(f"/verify-email/{t}").status_code,
    "was-it-you link": lambda _, p, t: p.open(f"/was-it-you/{t}").status_code,
    "bearer": lambda b, _, t: b.call("GET", "/me", bearer=t).status_code,
    "access cookie": lambda b, _, t: b.call("GET", "/me", headers={"cookie": f"keyturn_access={t}"}).status_code,
    "refresh cookie": lambda b, _, t: (
        b.call("POST", "/refresh-token", headers={"cookie": f"keyturn_refresh={t}"}).status_code
    ),
    "refresh body": lambda b, _, t: b.call("POST", "/refresh-token", {"refresh_token": t}).status_code,
    "state": lambda b, _, t: with_state(b, t),
    "cookie of a way": lambda b, _, t: with_cookie(b, t),
    "password": lambda b, _, t: b.call("POST", "/login", {"login": "alice@example.com", "password": t}).status_code,
}

OWN = {
    "/reset-password": ["reset link", "reset page", "reset"],
    "/verify-email": ["verification link", "verification page", "verification"],
    "/was-it-you": ["was-it-you link", "was it you"],
}
"""The doors of each token: the page, which leaves it good, then the one that uses it up, then what finds it gone."""

OF_A_WAY = ["state", "cookie of a way"]


def refusals(name: str) -> set[int]:
    """What a door that stays closed answers."""
    return {400} if name in OF_A_WAY else {401, 403, 404}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[LiveServer]:
    data_dir = Path(tmp_path_factory.mktemp("shared")) / "data"
    with LiveServer(data_dir, clock=_provider.clock, providers={"example": _provider.settings()}) as live:
        yield live


@pytest.fixture
def owner(shared: LiveServer) -> Iterator[Visitor]:
    with Visitor(shared) as owner:
        yield owner


@pytest.fixture
def tokens(shared: LiveServer, owner: Visitor) -> dict[str, str]:
    """One of each kind, of one user."""
    with Visitor(shared, headers={"user-agent": "Elsewhere/1.0"}) as elsewhere:
        owner.join()
        owner.call("POST", "/password/forgot", {"email": owner.email})
        elsewhere.login(owner.email)
        post = Post(shared)
        return {path: post.newest(owner.email, path).token for path in OWN}


@pytest.mark.parametrize("kind", OWN)
def test_a_one_time_token_opens_its_own_door_once_and_no_other(
    shared: LiveServer, owner: Visitor, tokens: dict[str, str], kind: str
) -> None:
    token = tokens[kind]
    with Browser(shared.url) as browser, Person(shared.url) as person:
        person.sign_in(owner.email)
        others = {name: door(browser, person, token) for name, door in DOORS.items() if name not in OWN[kind]}
        assert {name: status for name, status in others.items() if status not in refusals(name)} == {}
        link, use, *again = [DOORS[name] for name in OWN[kind]]
        assert link(browser, person, token) == 200
        assert use(browser, person, token) in {200, 303}
        assert {door(browser, person, token) for door in (link, use, *again)} == {403}


def test_the_state_nonce_and_cookie_of_a_way_open_no_other_door(
    shared: LiveServer, owner: Visitor, provider: Provider
) -> None:
    """O17: each of them where a one-time token belongs, or a token of a session; the way itself leads on all the same."""
    owner.join()
    with Browser(shared.url) as browser, Browser(shared.url) as other, Person(shared.url) as person:
        person.sign_in(owner.email)
        url = start(browser)
        sent, way = dict(parse_qsl(urlsplit(url).query)), browser.cookies["keyturn_way"]
        for token in (sent["state"], sent["nonce"], sent["code_challenge"], way):
            found = {name: door(other, person, token) for name, door in DOORS.items()}
            # A form and a body refuse what is far too long.
            too_long = {422} if token == way else set()
            wrong = {name: status for name, status in found.items() if status not in refusals(name) | too_long}
            assert wrong == {}
        assert come_back(browser, provider.visit(url)).status_code == 303


def test_an_address_is_verified_on_the_page_only_for_whoever_is_signed_in_to_the_account(
    shared: LiveServer, owner: Visitor, tokens: dict[str, str]
) -> None:
    """O6: whoever has the mailbox need not have made the account, and would let its maker in for good."""
    token = tokens["/verify-email"]
    with Visitor(shared) as other, Person(shared.url) as person:
        other.join()
        for told in ("Sign in to the account", "Sign out here"):
            page, refused = person.open(f"/verify-email/{token}"), person.submit("/verify-email", token=token)
            assert [answer.status_code for answer in (page, refused)] == [200, 403]
            assert all(told in words_of(answer) for answer in (page, refused))
            assert not owner.me().json()["email_verified"]
            person.sign_in(other.email)
        assert is_home(person.submit("/sign-out"))
        person.sign_in(owner.email)
        assert person.submit("/verify-email", token=token).status_code == 200
        assert owner.me().json()["email_verified"]


def test_the_tokens_of_a_session_open_no_door_of_a_mail(shared: LiveServer) -> None:
    with Visitor(shared) as owner, Person(shared.url) as person:
        signed_in = owner.join(delivery="body")
        doors = {name: DOORS[name] for names in OWN.values() for name in names}
        for token in (signed_in["access_token"], signed_in["refresh_token"], signed_in["session"]["id"]):
            found = {door(owner, person, token) for door in doors.values()}
            # A form and a body refuse what is far too long.
            assert found <= {403, 404, 422}
        assert owner.me().status_code == 200


def test_what_the_database_keeps_of_a_token_opens_nothing(shared: LiveServer, tokens: dict[str, str]) -> None:
    """B1."""
    kept = [row["digest"] for row in rows(shared.data_dir / "keyturn.db", "one_time_tokens")]
    assert len(kept) >= len(tokens)
    with Browser(shared.url) as browser, Person(shared.url) as person:
        for digest in kept[-3:]:
            found = {DOORS[name](browser, person, digest) for names in OWN.values() for name in names}
            assert found == {403}
