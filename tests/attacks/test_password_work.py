"""Passwords under attack: the same work and answer for every failure, floods that stay in their lane, no second identity."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.counted import CountedHasher
from tests.support.processes import eventually
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer

from keyturn.core.model import Account, User
from keyturn.ports import Transaction, fresh_id
from keyturn.service.administration import set_disabled

CONCURRENCY, QUEUE = 2, 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server where two passwords are verified at a time, and four more may wait."""
    limits = {"hash_concurrency": CONCURRENCY, "hash_queue": QUEUE}
    with LiveServer(tmp_path / "data", **limits) as live:
        yield live


@pytest.fixture
def hasher(server: LiveServer) -> CountedHasher:
    assert isinstance(server.context.hasher, CountedHasher)
    return server.context.hasher


def register(wire: Wire, email: str = EMAIL, **more: str) -> Answer:
    answer = wire.call("POST", "/register", {"email": email, "password": PASSWORD, "delivery": "body", **more})
    assert answer.status == 201, answer
    return answer


def login(wire: Wire, login: str = EMAIL, password: str = PASSWORD) -> Answer:
    return wire.call("POST", "/login", {"login": login, "password": password})


def without_password(server: LiveServer, email: str) -> None:
    """An account that no password opens."""
    user = User(fresh_id(server.entropy), email, server.clock.now(), username="nobody")
    server.context.database.transact(lambda tx: tx.users.insert(Account(user, None)))


@pytest.fixture
def causes(server: LiveServer, wire: Wire) -> dict[str, tuple[str, str]]:
    """Why a sign-in fails, and the login and password that it fails with."""
    register(wire)
    disabled = register(wire, "disabled@example.com", username="disabled").json["user"]["id"]
    set_disabled(server.context, disabled, disabled=True)
    without_password(server, "nobody@example.com")
    return {
        "wrong password": (EMAIL, "some other password"),
        "unknown address": ("stranger@example.com", PASSWORD),
        "unknown username": ("stranger", PASSWORD),
        "disabled, right password": ("disabled@example.com", PASSWORD),
        "disabled, wrong password": ("disabled", "some other password"),
        "no password": ("nobody@example.com", PASSWORD),
        "no password, by username": ("nobody", "some other password"),
        "nothing at all": ("", ""),
        "an empty password": (EMAIL, ""),
        "half a surrogate": ("a\ud800b", PASSWORD),
        "a NUL": (f"{EMAIL}\0", PASSWORD),
    }


def test_every_sign_in_that_fails_costs_one_verification(
    wire: Wire, hasher: CountedHasher, causes: dict[str, tuple[str, str]]
) -> None:
    """P7, row 53: counted, since a stopwatch lies."""
    for cause, (name, password) in causes.items():
        hashed, verified = hasher.work
        answer = login(wire, name, password)
        if answer.status != 400:  # no such text reaches anything
            assert hasher.work == (hashed, verified + 1), cause


def test_every_sign_in_that_fails_gets_the_same_answer(wire: Wire, causes: dict[str, tuple[str, str]]) -> None:
    """P8, row 53: status, headers, cookies, length and body, but for the date and the request id."""
    looks = {}
    for cause, (name, password) in causes.items():
        answer = login(wire, name, password)
        if cause == "half a surrogate":
            assert answer.code == "malformed_json"
            continue
        assert (answer.status, answer.code, answer.cookies) == (401, "invalid_credentials", {}), cause
        looks[cause] = answer.looks
    assert len(set(looks.values())) == 1, looks


def test_an_account_without_a_password_is_opened_by_none(server: LiveServer, wire: Wire) -> None:
    """P17: whatever might be what an absent hash is taken for."""
    without_password(server, "nobody@example.com")
    for name, password in itertools.product(
        ("nobody@example.com", "nobody"), ("", "None", "null", "!", "*", "x", " ", "\0", "undefined", "false", "0")
    ):
        assert login(wire, name, password).code == "invalid_credentials", password


def test_the_password_of_one_who_has_none_cannot_be_changed_or_confirmed(server: LiveServer, wire: Wire) -> None:
    """P17, P14: a stolen access token of such an account sets no password and closes nothing."""
    signed_in = register(wire).json
    user = signed_in["user"]["id"]

    def forget(tx: Transaction) -> None:
        account = tx.users.lock(user)
        assert account is not None
        tx.users.delete(user)
        tx.users.insert(replace(account, password_hash=None))

    server.context.database.transact(forget)
    headers = [bearer(signed_in["access_token"])]
    for guess in ("", "None", "!", PASSWORD):
        change = {"current_password": guess, "new_password": "another long password"}
        assert wire.call("POST", "/password", change, headers=headers).code == "current_password_wrong"
        closing = wire.call("DELETE", "/me", {"current_password": guess}, headers=headers)
        assert closing.code == "current_password_wrong"
    assert wire.call("GET", "/me", headers=headers).status == 200


@pytest.mark.parametrize(
    ("path", "member"), [("/login", "password"), ("/register", "password"), ("/password", "new_password")]
)
def test_a_huge_password_is_refused_before_it_is_hashed(
    wire: Wire, hasher: CountedHasher, path: str, member: str
) -> None:
    """Row 58, P2: a megabyte is 413; what fits into a body but is longer than any password is 422."""
    headers = [bearer(register(wire).json["access_token"])]
    names = {"/login": {"login": EMAIL}, "/register": {"email": "bob@example.com"}}
    body = names.get(path, {"current_password": PASSWORD})
    before = hasher.work
    answer = wire.call("POST", path, {**body, member: "x" * 1_000_000}, headers=headers)
    assert (answer.status, answer.code) == (413, "too_large")
    assert hasher.work == before
    answer = wire.call("POST", path, {**body, member: "x" * 513}, headers=headers)
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert hasher.work == before


def test_a_registration_that_fails_hashes_nothing(wire: Wire, hasher: CountedHasher) -> None:
    """D6: names are checked before anything slow is done."""
    register(wire, username="alice")
    before = hasher.work
    for body in (
        {"email": EMAIL, "password": PASSWORD},
        {"email": "bob@example.com", "username": "alice", "password": PASSWORD},
        {"email": "no address", "password": PASSWORD},
        {"email": "bob@example.com", "password": "short"},
    ):
        assert wire.call("POST", "/register", body).status in {409, 422}
    assert hasher.work == before


def test_a_flood_of_sign_ins_is_bounded_and_slows_no_refresh(
    server: LiveServer, wire: Wire, hasher: CountedHasher
) -> None:
    """Row 58, D5: so many are verified, so many wait, the rest get 503 at once; whoever is signed in notices nothing."""
    signed_in = register(wire).json
    flood = 50
    hasher.gate.clear()

    def knock(_: int) -> Answer:
        with Wire(server.address, timeout=60) as own:
            return login(own)

    with ThreadPoolExecutor(flood) as threads:
        answers: list[Future[Answer]] = [threads.submit(knock, number) for number in range(flood)]
        try:
            eventually(
                lambda: sum(answer.done() for answer in answers) == flood - CONCURRENCY - QUEUE,
                "the flood is not refused",
            )
            refused = [answer.result() for answer in answers if answer.done()]
            assert {(answer.status, answer.code) for answer in refused} == {(503, "overloaded")}
            assert all(int(answer.values("retry-after")[0]) > 0 for answer in refused)
            assert hasher.verified == CONCURRENCY
            for _ in range(20):
                refreshed = wire.call("POST", "/refresh-token", {"refresh_token": signed_in["refresh_token"]})
                assert refreshed.status == 200
                assert wire.call("GET", "/me", headers=[bearer(refreshed.json["access_token"])]).status == 200
                assert wire.call("GET", "/verify", headers=[bearer(refreshed.json["access_token"])]).status == 204
            assert sum(not answer.done() for answer in answers) == CONCURRENCY + QUEUE
        finally:
            hasher.gate.set()
    statuses = [answer.result().status for answer in answers]
    assert statuses.count(200) == CONCURRENCY + QUEUE
    assert hasher.verified == CONCURRENCY + QUEUE
    assert login(wire).status == 200


# One and the same name to whoever reads it, in encodings of its own.
SAME_ADDRESS = [
    "Alice.K@Example.com",
    "ALICE.K@EXAMPLE.COM",
    "alice.\u212a@example.com",  # the Kelvin sign
    "\uff41lice.k@example.com",  # fullwidth
    "alice.k@\uff45xample.com",
    "alice.k@example.com.",
    " alice.k@example.com ",
    "alice.k@example\u3002com",  # the ideographic full stop
    "alice.k\uff20example.com",  # a fullwidth @
    "\u24d0lice.k@example.com",  # circled
    "alice\u2024k@example.com",  # the one dot leader
]
SAME_USERNAME = ["Alice-K", "ALICE-K", "alice-\u212a", "\uff41lice-k", " alice-k ", "\u24d0lice-k", "alice\uff0dk"]


@pytest.mark.parametrize("variant", SAME_ADDRESS)
def test_no_second_account_has_the_same_address(wire: Wire, variant: str) -> None:
    """P16: refused as taken, or as no address at all."""
    register(wire, "alice.k@example.com")
    answer = wire.call("POST", "/register", {"email": variant, "password": PASSWORD})
    assert answer.code in {"email_taken", "invalid_request"}, answer
    assert answer.cookies == {}


@pytest.mark.parametrize("variant", SAME_USERNAME)
def test_no_second_account_has_the_same_username(wire: Wire, variant: str) -> None:
    """P16: at registration and at a change of name."""
    register(wire, username="alice-k")
    bob = register(wire, "bob@example.com").json
    answer = wire.call("POST", "/register", {"email": "eve@example.com", "password": PASSWORD, "username": variant})
    assert answer.code in {"username_taken", "invalid_request"}, answer
    answer = wire.call("PATCH", "/me", {"username": variant}, headers=[bearer(bob["access_token"])])
    assert answer.code in {"username_taken", "invalid_request"}, answer


def test_a_username_never_stands_for_somebody_elses_address(wire: Wire) -> None:
    """P16: a sign-in with an address finds that address or nobody."""
    register(wire)
    for variant in (EMAIL, EMAIL.replace("@", "\uff20"), EMAIL.replace("@", "\ufe6b")):
        body = {"email": "eve@example.com", "password": "the password of eve", "username": variant}
        assert wire.call("POST", "/register", body).code == "invalid_request"
    assert login(wire, EMAIL).json["user"]["email"] == EMAIL


def test_a_letter_that_only_looks_alike_is_another_name(wire: Wire) -> None:
    """P16: the dotless i becomes an i in no form of ours, so neither opens the other's account."""
    register(wire, "mike@example.com")
    other = wire.call("POST", "/register", {"email": "m\u0131ke@example.com", "password": "the password of eve"})
    assert other.status == 201
    assert login(wire, "mike@example.com", "the password of eve").status == 401
    assert login(wire, "m\u0131ke@example.com", PASSWORD).status == 401
    assert login(wire, "M\u0130KE@example.com", PASSWORD).status == 401
