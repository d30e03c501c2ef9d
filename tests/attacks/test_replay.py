"""Refresh tokens presented again, by whomever: what converges, what ends the session, and what stays ended."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.refreshing import refreshed
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie, refresh, register
from tests.support.witness import Witness

from keyturn.core.model import SECOND, Delivery, EndReason
from keyturn.errors import SessionEnded
from keyturn.service.context import Grant, SignInOptions
from keyturn.service.refresh import Presented
from keyturn.service.register import NewUser
from keyturn.service.register import register as sign_up
from keyturn.stores.memory import MemoryDatabase

WINDOW = 30


def successor(wire: Wire, token: str) -> str:
    answer = refresh(wire, token)
    assert answer.status == 200, answer
    given: str = answer.json["refresh_token"]
    return given


def assert_ended(answer: Answer, reason: str) -> None:
    """The user is told that the session is over, and why; no cookie is touched."""
    assert (answer.status, answer.code, answer.json["reason"]) == (403, "session_ended", reason)
    assert answer.cookies == {}


@pytest.fixture
def tokens(server: LiveServer, wire: Wire) -> Iterator[list[str]]:
    """Four generations of a session, the first and the second used and superseded; the third was presented just now."""
    chain = [register(wire)["refresh_token"]]
    for _ in range(3):
        server.clock.advance(3600)
        chain.append(successor(wire, chain[-1]))
    return chain


def test_the_parent_converges_within_the_window(server: LiveServer, wire: Wire, tokens: list[str]) -> None:
    """Row 31: the second and the third, presented again in any order, come to the same fourth."""
    for wait in (0, 10, 10, 10):
        server.clock.advance(wait)
        assert {successor(wire, token) for token in tokens[1:]} == {tokens[3]}


def test_the_parent_ends_the_session_after_the_window(server: LiveServer, wire: Wire, tokens: list[str]) -> None:
    """Row 30, R4: with every access token of the session, at once."""
    access = refresh(wire, tokens[3]).json["access_token"]
    server.clock.advance(WINDOW + 1)
    assert_ended(refresh(wire, tokens[1]), "reuse_detected")
    for path in ("/me", "/verify"):
        assert wire.call("GET", path, headers=[bearer(access)]).status == 401
    for token in tokens:
        assert_ended(refresh(wire, token), "reuse_detected")


def test_the_grandparent_ends_the_session_within_the_window(wire: Wire, tokens: list[str], witness: Witness) -> None:
    """Row 32, R6: the window forgives the step before, never two steps; one event tells of it."""
    assert_ended(refresh(wire, tokens[0]), "reuse_detected")
    assert_ended(refresh(wire, tokens[3]), "reuse_detected")
    assert len([line for line in witness.lines if '"event": "authn_token_reuse"' in line]) == 1


def test_a_thief_who_refreshes_first_is_caught(server: LiveServer, wire: Wire) -> None:
    """Row 36: both are out as soon as both have gone on, and the owner learns why."""
    stolen = register(wire)["refresh_token"]
    thief = refresh(wire, stolen).json
    server.clock.advance(WINDOW + 1)
    owner = refresh(wire, stolen).json
    server.clock.advance(WINDOW + 1)
    # Whoever comes now shows that he holds one of two children of one token; whoever comes next holds the other.
    thief = refresh(wire, thief["refresh_token"]).json
    server.clock.advance(WINDOW + 1)
    assert_ended(refresh(wire, owner["refresh_token"]), "reuse_detected")
    assert_ended(refresh(wire, thief["refresh_token"]), "reuse_detected")
    for access in (thief["access_token"], owner["access_token"]):
        assert wire.call("GET", "/me", headers=[bearer(access)]).status == 401
        assert wire.call("GET", "/verify", headers=[bearer(access)]).status == 401


def test_a_thief_who_takes_two_steps_ahead_is_caught_at_the_owners_first(server: LiveServer, wire: Wire) -> None:
    """Row 36: whoever has moved on from the stolen token leaves nothing for the other to recover."""
    stolen = register(wire)["refresh_token"]
    thief = successor(wire, stolen)
    server.clock.advance(WINDOW + 1)
    thief = successor(wire, thief)
    server.clock.advance(WINDOW + 1)
    assert_ended(refresh(wire, stolen), "reuse_detected")
    assert_ended(refresh(wire, thief), "reuse_detected")


def test_an_old_token_of_one_session_ends_no_other(server: LiveServer, wire: Wire, tokens: list[str]) -> None:
    """R4: a session's theft is its own."""
    other = wire.call("POST", "/login", {"login": EMAIL, "password": PASSWORD, "delivery": "body"}).json
    assert_ended(refresh(wire, tokens[0]), "reuse_detected")
    assert wire.call("GET", "/me", headers=[bearer(other["access_token"])]).status == 200
    assert refresh(wire, other["refresh_token"]).status == 200


def test_signed_out_is_signed_out(server: LiveServer, wire: Wire, tokens: list[str]) -> None:
    """Row 72, S3: every token the session ever had, replayed after the sign-out, now and later."""
    access = refresh(wire, tokens[3]).json["access_token"]
    assert wire.call("POST", "/logout", {"refresh_token": tokens[0]}).status == 204
    for _ in range(2):
        for path, door in itertools.product(("/me", "/verify", "/sessions"), ("bearer", "cookie")):
            header = bearer(access) if door == "bearer" else cookie(keyturn_access=access)
            assert wire.call("GET", path, headers=[header]).status == 401, (path, door)
        for token in tokens:
            assert_ended(refresh(wire, token), "signed_out")
        server.clock.advance(WINDOW + 1)


def test_signed_out_by_cookies_is_signed_out(wire: Wire) -> None:
    """Row 72, C10, C11: cookies that are replayed by hand after they were cleared."""
    jar = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD, "delivery": "cookie"}).cookies
    headers = [cookie(**jar)]
    assert wire.call("GET", "/me", headers=headers).status == 200
    gone = wire.call("POST", "/logout", headers=headers)
    assert gone.cookies == {"keyturn_refresh": "", "keyturn_access": ""}
    assert wire.call("GET", "/me", headers=headers).status == 401
    assert wire.call("GET", "/verify", headers=headers).status == 401
    assert_ended(wire.call("POST", "/refresh-token", headers=headers), "signed_out")


def test_a_session_does_not_outlive_its_absolute_end(server: LiveServer, wire: Wire) -> None:
    """Row 38, R9: used every day, it ends on the day that was set when it began."""
    signed_in = register(wire)
    token, end = signed_in["refresh_token"], signed_in["session"]["expires_at"]
    for _ in range(179):
        server.clock.advance(86_400)
        answer = refresh(wire, token)
        assert answer.json["session"]["expires_at"] == end
        token = answer.json["refresh_token"]
    server.clock.advance(86_400 - 1)
    last = refresh(wire, token).json
    assert last["expires_in"] == last["refresh_expires_in"] == 1
    server.clock.advance(1)
    assert_ended(refresh(wire, last["refresh_token"]), "expired")
    assert wire.call("GET", "/me", headers=[bearer(last["access_token"])]).status == 401


def test_ten_thousand_refreshes_do_not_move_the_absolute_end(
    server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Row 38: as many as fit into the life of a session, each of them a rotation; in memory, for the disk's sake."""
    caplog.set_level(logging.WARNING, logger="keyturn")
    clock = server.clock
    context = replace(server.context, database=MemoryDatabase(clock=clock))
    opened = sign_up(context, NewUser(EMAIL, PASSWORD), SignInOptions(delivery=Delivery.BODY))
    seen, ends = {opened.refresh_token}, {opened.session.expires_at}
    token, step = opened.refresh_token, context.policy.session_lifetime // SECOND // 10_000
    for _ in range(10_000):
        clock.advance(step)
        presented = Presented(token, context.tokens.parse_refresh(token), in_body=True, received_at=clock.monotonic())
        (outcome,) = refreshed(context, [presented])
        assert isinstance(outcome, Grant)
        token = outcome.refresh_token
        seen.add(token)
        ends.add(outcome.session.expires_at)
    assert len(seen) == 10_001
    (end,) = ends
    assert end == opened.session.created_at + context.policy.session_lifetime
    clock.set(end)
    (refused,) = refreshed(
        context, [Presented(token, context.tokens.parse_refresh(token), in_body=True, received_at=clock.monotonic())]
    )
    assert isinstance(refused, SessionEnded)
    assert refused.reason == EndReason.EXPIRED
