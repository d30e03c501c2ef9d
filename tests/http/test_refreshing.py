"""`POST /refresh-token`: what the client gets, and how it is told that a session has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.faults import failing
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie

from keyturn.ports import Database, Transaction
from keyturn.service.administration import set_disabled
from keyturn.service.context import Context
from keyturn.testing.fakes import FakeClock

T = TypeVar("T")

DAY = 86_400
NEW_PASSWORD = "another good password"


class Device:
    """A client that keeps its refresh token itself, so that it can present any of them."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        answer = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD, "delivery": "body"})
        assert answer.status == 201
        self._take(answer)

    def present(self, token: str) -> Answer:
        """Present a token and do not look at what comes."""
        return self.wire.call("POST", "/refresh-token", {"refresh_token": token})

    def refresh(self) -> Answer:
        answer = self.present(self.token)
        if answer.status == 200:
            self._take(answer)
        return answer

    def _take(self, answer: Answer) -> None:
        self.token: str = answer.json["refresh_token"]
        self.access: str = answer.json["access_token"]
        self.session: str = answer.json["session"]["id"]
        self.user: str = answer.json["user"]["id"]


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    with Wire(server.address) as connection:
        yield connection


@pytest.fixture
def device(wire: Wire) -> Device:
    return Device(wire)


def reason_of(answer: Answer) -> str:
    assert (answer.status, answer.code) == (403, "session_ended")
    reason: str = answer.json["reason"]
    return reason


def test_a_refresh_gives_what_a_sign_in_gives(server: LiveServer, device: Device) -> None:
    server.clock.advance(600)
    assert device.wire.call("GET", "/me", headers=[bearer(device.access)]).status == 401
    answer = device.refresh()
    assert answer.status == 200
    assert set(answer.json) == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
        "user",
        "session",
    }
    assert answer.json["refresh_expires_in"] == 180 * DAY - 600
    assert answer.json["session"]["refresh_timeout"] == 10.0
    assert answer.json["session"]["id"] == device.session
    assert device.wire.call("GET", "/me", headers=[bearer(device.access)]).status == 200


def test_a_refresh_needs_neither_a_body_nor_a_content_type(browser: Browser) -> None:
    browser.register()
    assert browser.call("POST", "/refresh-token", content=b"").status_code == 200
    assert browser.call("POST", "/refresh-token", {}).status_code == 200
    assert browser.call("POST", "/refresh-token", {"refresh_token": None}).status_code == 200


def test_without_a_refresh_token_nobody_is_signed_in(wire: Wire) -> None:
    for answer in (
        wire.call("POST", "/refresh-token"),
        wire.call("POST", "/refresh-token", {}),
        wire.call("POST", "/refresh-token", {"refresh_token": ""}),
        wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh="")]),
    ):
        assert (answer.status, answer.code) == (401, "refresh_token_missing")


def test_a_refresh_token_stands_in_the_cookie_or_in_the_body_not_in_both(browser: Browser) -> None:
    browser.register()
    token = browser.cookies["keyturn_refresh"]
    for value in (token, "garbage", ""):
        answer = browser.call("POST", "/refresh-token", {"refresh_token": value})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "refresh_token")
    assert browser.refresh().status_code == 200


def test_what_is_no_refresh_token_of_ours_ends_nothing(device: Device) -> None:
    head, payload, signature = device.token.split(".")
    flipped = signature[:-2] + ("AA" if not signature.endswith("AA") else "BB")
    for token in ("garbage", "a.b.c", device.access, f"{head}.{payload}.", f"{head}.{payload}.{flipped}", "ÿ" * 40):
        answer = device.present(token)
        assert (answer.status, answer.code) == (403, "refresh_token_invalid")
    assert device.refresh().status == 200


def test_a_refresh_token_elsewhere_than_in_its_place_is_none(device: Device) -> None:
    for answer in (
        device.wire.call("POST", f"/refresh-token?refresh_token={device.token}"),
        device.wire.call("POST", "/refresh-token", headers=[bearer(device.token)]),
        device.wire.call("POST", "/refresh-token", headers=[("x-refresh-token", device.token)]),
        device.wire.call("POST", "/refresh-token", headers=[cookie(refresh_token=device.token)]),
    ):
        assert answer.code == "refresh_token_missing"


@pytest.mark.parametrize("later", [0, 5, 3600, 3 * DAY])
def test_a_lost_response_is_recovered_however_late_the_retry(server: LiveServer, device: Device, later: float) -> None:
    server.clock.advance(60)
    lost = device.present(device.token)
    server.clock.advance(later)
    retried = device.refresh()
    assert (lost.status, retried.status) == (200, 200)
    server.clock.advance(60)
    assert device.refresh().status == 200


def test_many_tabs_that_refresh_at_once_get_the_same_token(server: LiveServer, device: Device) -> None:
    server.clock.advance(60)
    answers = [device.present(device.token) for _ in range(5)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    # Every tab has an access token of its own, and each is good.
    access = {answer.json["access_token"] for answer in answers}
    assert len(access) == 5
    assert all(device.wire.call("GET", "/me", headers=[bearer(token)]).status == 200 for token in access)


def test_within_a_window_the_token_stays_as_it_is_byte_for_byte(server: LiveServer, device: Device) -> None:
    device.refresh()
    kept = device.token
    device.refresh()
    server.clock.advance(30)
    assert device.refresh().json["refresh_token"] == kept
    server.clock.advance(1)
    assert device.refresh().json["refresh_token"] != kept


def test_the_token_before_is_good_for_a_window_and_theft_after_that(server: LiveServer, device: Device) -> None:
    first = device.token
    device.refresh()
    server.clock.advance(60)
    second = device.token
    device.refresh()
    server.clock.advance(30)
    assert device.present(first).status == 200
    assert device.present(first).json["refresh_token"] == device.token
    server.clock.advance(1)
    assert reason_of(device.present(first)) == "reuse_detected"
    assert reason_of(device.present(device.token)) == "reuse_detected"
    assert reason_of(device.present(second)) == "reuse_detected"


def test_theft_ends_the_access_tokens_too_at_once(server: LiveServer, device: Device) -> None:
    first = device.token
    for _ in range(2):
        server.clock.advance(60)
        device.refresh()
    server.clock.advance(31)
    assert reason_of(device.present(first)) == "reuse_detected"
    for call in ("/me", "/verify", "/sessions"):
        assert device.wire.call("GET", call, headers=[bearer(device.access)]).code == "access_token_invalid"


def test_a_refresh_moves_the_idle_end_and_never_the_absolute_one(server: LiveServer, device: Device) -> None:
    ends = set()
    for _ in range(6):
        server.clock.advance(29 * DAY)
        answer = device.refresh()
        assert answer.status == 200
        ends.add(answer.json["session"]["expires_at"])
    assert ends == {"2026-06-30T00:00:00Z"}
    server.clock.advance(6 * DAY)
    assert reason_of(device.refresh()) == "expired"


def test_last_used_at_is_to_the_hour(server: LiveServer, device: Device) -> None:
    server.clock.advance(3 * 3600 + 1234)
    assert device.refresh().json["session"]["last_used_at"] == "2026-01-01T03:00:00Z"


def test_a_session_ends_where_it_lay_idle_for_thirty_days(server: LiveServer, device: Device) -> None:
    server.clock.advance(30 * DAY - 1)
    assert device.refresh().status == 200
    server.clock.advance(30 * DAY)
    assert reason_of(device.refresh()) == "idle"


def sign_out(server: LiveServer, device: Device) -> None:
    device.wire.call("POST", "/logout", {"refresh_token": device.token})


def sign_out_everywhere(server: LiveServer, device: Device) -> None:
    device.wire.call("POST", "/logout-all", headers=[bearer(device.access)])


def sign_in_again(server: LiveServer, device: Device) -> None:
    # A cookie counts as presented at a sign-in whatever the delivery of its session.
    body = {"login": EMAIL, "password": PASSWORD}
    device.wire.call("POST", "/login", body, headers=[cookie(keyturn_refresh=device.token)])


def change_password(server: LiveServer, device: Device) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    device.wire.call("POST", "/password", body, headers=[bearer(device.access)])


def revoke(server: LiveServer, device: Device) -> None:
    other = device.wire.call("POST", "/login", {"login": EMAIL, "password": PASSWORD, "delivery": "body"})
    device.wire.call("DELETE", f"/sessions/{device.session}", headers=[bearer(other.json["access_token"])])


def disable(server: LiveServer, device: Device) -> None:
    set_disabled(server.context, device.user, disabled=True)


def delete_account(server: LiveServer, device: Device) -> None:
    device.wire.call("DELETE", "/me", {"current_password": PASSWORD}, headers=[bearer(device.access)])


ENDS = {
    "signed_out": sign_out,
    "signed_out_everywhere": sign_out_everywhere,
    "replaced": sign_in_again,
    "password_changed": change_password,
    "revoked": revoke,
    "account_disabled": disable,
    "account_deleted": delete_account,
}


@pytest.mark.parametrize("reason", ENDS)
def test_a_session_that_was_ended_says_why_for_as_long_as_it_would_have_lasted(
    server: LiveServer, device: Device, reason: str
) -> None:
    ENDS[reason](server, device)
    assert reason_of(device.refresh()) == reason
    assert device.wire.call("GET", "/me", headers=[bearer(device.access)]).code == "access_token_invalid"
    server.clock.advance(180 * DAY - 1)
    assert reason_of(device.refresh()) == reason


def test_when_the_tombstone_is_gone_the_reason_is_that_time_is_up(server: LiveServer, device: Device) -> None:
    sign_out(server, device)
    server.clock.advance(180 * DAY + 1)
    purged = server.context.database.transact(lambda tx: tx.sessions.purge(1000))
    assert purged == 1
    assert reason_of(device.refresh()) == "expired"


def test_the_purge_leaves_what_lives_and_what_ended_early(server: LiveServer, device: Device) -> None:
    server.clock.advance(170 * DAY)
    # The first session lay idle; it and the next one would still last.
    signed_in = device.wire.call("POST", "/login", {"login": EMAIL, "password": PASSWORD, "delivery": "body"})
    assert server.context.database.transact(lambda tx: tx.sessions.purge(1000)) == 0
    assert device.present(signed_in.json["refresh_token"]).status == 200
    assert reason_of(device.refresh()) == "idle"


def test_a_user_enabled_again_gets_no_session_back(server: LiveServer, device: Device) -> None:
    disable(server, device)
    set_disabled(server.context, device.user, disabled=False)
    assert reason_of(device.refresh()) == "account_disabled"


def test_no_answer_to_a_refresh_clears_a_cookie(server: LiveServer, browser: Browser) -> None:
    browser.register()
    sent = {"cookie": f"keyturn_refresh={browser.cookies['keyturn_refresh']}"}
    browser.call("POST", "/logout")
    assert not browser.cookies
    for headers, code in (
        (sent, "session_ended"),
        ({"cookie": "keyturn_refresh=garbage"}, "refresh_token_invalid"),
        ({}, "refresh_token_missing"),
    ):
        answer = browser.call("POST", "/refresh-token", headers=headers)
        assert answer.json()["code"] == code
        assert "set-cookie" not in answer.headers


def test_a_database_that_is_away_ends_no_session(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", wrap=failing) as live, Wire(live.address) as wire:
        device = Device(wire)
        database = live.context.database
        database.away = True
        for answer in (
            device.refresh(),
            wire.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}),
            wire.call("GET", "/me", headers=[bearer(device.access)]),
            wire.call("GET", "//readyz"),
        ):
            assert (answer.status, answer.code) == (503, "store_unavailable")
            assert answer.values("retry-after") == ["1"]
            assert answer.values("set-cookie") == []
        # What needs no database goes on.
        assert wire.call("GET", "/verify", headers=[bearer(device.access)]).status == 204
        assert wire.call("GET", "//healthz").status == 200
        database.away = False
        assert wire.call("GET", "//readyz").status == 200
        assert device.refresh().status == 200


class SlowDatabase:
    """A database in whose transactions time passes before anything is read."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self._database = database
        self._clock = clock
        self.seconds = 0.0

    def transact(self, work: Callable[[Transaction], T]) -> T:
        def later(tx: Transaction) -> T:
            self._clock.advance(self.seconds)
            return work(tx)

        return self._database.transact(later)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def test_a_refresh_that_the_server_held_too_long_is_answered_undecided(tmp_path: Path) -> None:
    clock = FakeClock()

    def slow(context: Context) -> Context:
        return replace(context, database=SlowDatabase(context.database, clock))

    with LiveServer(tmp_path / "data", clock=clock, wrap=slow) as live, Wire(live.address) as wire:
        device = Device(wire)
        live.context.database.seconds = 10.001
        answer = device.refresh()
        assert (answer.status, answer.code, answer.values("retry-after")) == (503, "overloaded", ["1"])
        (row,) = live.context.database.read(lambda tx: tx.sessions.load_many([device.session])).values()
        assert row.generation == 0
        live.context.database.seconds = 10.0
        assert device.refresh().status == 200
