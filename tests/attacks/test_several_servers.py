"""Several servers on one database, and many requests at a time: a theft, an end and a disabling reach all of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.counted import CountedHasher
from tests.support.postgres import clocked
from tests.support.programs import needs
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, refresh, register
from tests.support.witness import Witness

from keyturn.service.administration import set_disabled

T = TypeVar("T")

ROUNDS = 50


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs("postgres"))])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveServer]:
    """A server on either engine, with a clock that stands still."""
    over: dict[str, Any] = {}
    if request.param == "postgresql":
        over = {"database_url": request.getfixturevalue("postgres").database(), "wrap": clocked}
    with LiveServer(tmp_path / "data", **over) as live:
        yield live


@pytest.fixture
def twin(server: LiveServer) -> Iterator[LiveServer]:
    """Another server on the same database."""
    url = server.settings.database_url
    over: dict[str, Any] = {} if url is None else {"database_url": url, "wrap": clocked}
    with LiveServer(server.data_dir, clock=server.clock, issuer=server.issuer, **over) as other:
        yield other


@pytest.fixture
def connect() -> Iterator[Callable[[LiveServer], Wire]]:
    """Opens connections that are closed at the end."""
    with ExitStack() as stack:
        yield lambda to: stack.enter_context(Wire(to.address, timeout=60))


def at_once(acts: Sequence[Callable[[], T]]) -> list[T]:
    """What acts give that all begin at the same moment, each in a thread of its own."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], T]) -> T:
        start.wait(30)
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


def test_refreshes_at_two_servers_have_one_successor(
    server: LiveServer, twin: LiveServer, wire: Wire, connect: Callable[[LiveServer], Wire]
) -> None:
    """Row 29, R3: the compare-and-swap is the database's, so it does not matter who asks it."""
    token = register(wire)["refresh_token"]
    for _ in range(3):
        server.clock.advance(60)
        connections = [connect(to) for to in (server, twin) * 20]
        answers = at_once([lambda wire=wire, token=token: refresh(wire, token) for wire in connections])
        assert {answer.status for answer in answers} == {200}
        (successor,) = {answer.json["refresh_token"] for answer in answers}
        assert successor != token
        token = successor


def test_everybody_at_once_gets_a_token_of_their_own(
    server: LiveServer, wire: Wire, connect: Callable[[LiveServer], Wire]
) -> None:
    """Row 29: refreshes of many users, decided and committed together, are answered to each their own."""
    crowd = [register(wire, f"user{number}@example.com") for number in range(40)]
    server.clock.advance(60)
    knocks = [(connect(server), one["refresh_token"]) for one in crowd]
    answers = at_once([lambda wire=wire, token=token: refresh(wire, token) for wire, token in knocks])
    for one, answer in zip(crowd, answers, strict=True):
        assert (answer.json["user"], answer.json["session"]["id"]) == (one["user"], one["session"]["id"])
        me = wire.call("GET", "/me", headers=[bearer(answer.json["access_token"])])
        assert me.json == one["user"]
        assert refresh(wire, answer.json["refresh_token"]).json["session"]["id"] == one["session"]["id"]


def test_a_theft_among_many_refreshes_at_two_servers_ends_the_session_once(
    server: LiveServer, twin: LiveServer, wire: Wire, connect: Callable[[LiveServer], Wire], witness: Witness
) -> None:
    """Row 32, R4: a token of the past among many of the present; one event tells of it, whoever saw it first."""
    old = new = register(wire)["refresh_token"]
    for _ in range(3):
        server.clock.advance(60)
        new = refresh(wire, new).json["refresh_token"]
    witness.begin()
    knocks = [(connect(to), token) for token in (old, new) for to in (server, twin) * 10]
    answers = at_once([lambda wire=wire, token=token: refresh(wire, token) for wire, token in knocks])
    refused = [answer for answer in answers if answer.status != 200]
    assert len(refused) >= 20
    assert {(answer.code, answer.json["reason"]) for answer in refused} == {("session_ended", "reuse_detected")}
    assert refresh(wire, new).json["reason"] == "reuse_detected"
    assert len([line for line in witness.lines if '"event": "authn_token_reuse"' in line]) == 1


def test_what_one_server_ended_no_other_refreshes(
    twin: LiveServer, wire: Wire, connect: Callable[[LiveServer], Wire]
) -> None:
    """Row 72, Z6: there is one row, and whoever decides reads it."""
    signed_in = register(wire)
    headers = [bearer(signed_in["access_token"])]
    elsewhere = connect(twin)
    assert elsewhere.call("GET", "/me", headers=headers).status == 200
    assert wire.call("POST", "/logout", {"refresh_token": signed_in["refresh_token"]}).status == 204
    assert refresh(elsewhere, signed_in["refresh_token"]).json["reason"] == "signed_out"
    assert elsewhere.call("GET", "/me", headers=headers).status == 401


def test_no_sign_in_under_way_outlives_a_disabling(
    server: LiveServer, twin: LiveServer, wire: Wire, connect: Callable[[LiveServer], Wire]
) -> None:
    """Row 40 for an administrator's act, at another server: the password is being verified when it happens."""
    user = register(wire)["user"]["id"]
    elsewhere, hasher = connect(twin), twin.context.hasher
    assert isinstance(hasher, CountedHasher)
    hasher.gate.clear()
    with ThreadPoolExecutor(1) as thread:
        signing_in = thread.submit(lambda: elsewhere.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}))
        try:
            while hasher.verified == 0:
                assert not signing_in.done()
            set_disabled(server.context, user, disabled=True)
        finally:
            hasher.gate.set()
        assert signing_in.result().code == "invalid_credentials"


def test_no_session_comes_back_when_its_user_is_enabled_again(
    server: LiveServer, twin: LiveServer, wire: Wire, connect: Callable[[LiveServer], Wire]
) -> None:
    """Row 40: sign-ins that race the disabling at another server end with it for good."""
    user = register(wire)["user"]["id"]
    elsewhere = connect(twin)
    sign_in = {"login": EMAIL, "password": PASSWORD, "delivery": "body"}
    for _ in range(ROUNDS):
        entered, _ = at_once(
            [
                lambda: elsewhere.call("POST", "/login", sign_in),
                lambda: set_disabled(server.context, user, disabled=True),
            ]
        )
        set_disabled(server.context, user, disabled=False)
        assert isinstance(entered, Answer)
        assert entered.status in {200, 401}
        if entered.status == 200:
            assert refresh(wire, entered.json["refresh_token"]).json["reason"] == "account_disabled"
            assert elsewhere.call("GET", "/me", headers=[bearer(entered.json["access_token"])]).status == 401
