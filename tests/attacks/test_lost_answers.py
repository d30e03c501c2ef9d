"""Answers that never arrive, and commits that fail: the client tries again, and stays signed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.faults import FailingDatabase, failing
from tests.support.proxy import LossyProxy
from tests.support.server import LiveServer
from tests.support.wire import Wire, bearer, cookie, refresh, register
from tests.support.witness import Witness

DAY = 86_400


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server whose database fails when it is told to."""
    with LiveServer(tmp_path / "data", wrap=failing) as live:
        yield live


@pytest.fixture
def proxy(server: LiveServer) -> Iterator[LossyProxy]:
    with LossyProxy(server.address) as between:
        yield between


@pytest.fixture
def far(proxy: LossyProxy) -> Iterator[Wire]:
    """A connection through the proxy."""
    with Wire(proxy.address) as connection:
        yield connection


def lose(proxy: LossyProxy, wire: Wire, *arguments: Any, **more: Any) -> bytes:
    """Make a call whose answer is lost; the server's commit is done by then. Gives what was lost."""
    proxy.lose = 1
    with pytest.raises(ConnectionError):
        wire.call(*arguments, **more)
    assert proxy.lost[-1].startswith(b"HTTP/1.1 20"), "the server did what it was asked"
    return proxy.lost[-1]


def assert_goes_on(server: LiveServer, wire: Wire, token: str) -> None:
    """The session rotates as if nothing had happened."""
    for _ in range(3):
        server.clock.advance(3600)
        answer = refresh(wire, token)
        assert answer.status == 200
        assert answer.json["refresh_token"] != token
        token = answer.json["refresh_token"]


def test_a_lost_answer_is_given_again_at_once(server: LiveServer, proxy: LossyProxy, far: Wire) -> None:
    """Row 34: the retry gets the very token that was lost."""
    token = register(far)["refresh_token"]
    lost = lose(proxy, far, "POST", "/refresh-token", {"refresh_token": token})
    again = refresh(far, token)
    assert again.status == 200
    assert again.json["refresh_token"].encode() in lost
    assert_goes_on(server, far, again.json["refresh_token"])


def test_a_lost_answer_is_recovered_three_days_later(server: LiveServer, proxy: LossyProxy, far: Wire) -> None:
    """Row 34: and whenever the client comes back it gets a token, though another one than was lost."""
    token = register(far)["refresh_token"]
    lost = lose(proxy, far, "POST", "/refresh-token", {"refresh_token": token})
    server.clock.advance(3 * DAY)
    again = refresh(far, token)
    assert again.status == 200
    assert again.json["refresh_token"].encode() not in lost
    assert_goes_on(server, far, again.json["refresh_token"])


@pytest.mark.parametrize("pause", [0, 7, 31, DAY])
def test_answers_lost_over_and_over_sign_nobody_out(
    server: LiveServer, proxy: LossyProxy, far: Wire, pause: int
) -> None:
    """Row 34, where a line is bad: eight answers in a row are lost, then one arrives."""
    token = register(far)["refresh_token"]
    for _ in range(8):
        lose(proxy, far, "POST", "/refresh-token", {"refresh_token": token})
        server.clock.advance(pause)
    again = refresh(far, token)
    assert again.status == 200
    assert_goes_on(server, far, again.json["refresh_token"])


def test_a_lost_cookie_is_set_again(server: LiveServer, proxy: LossyProxy, far: Wire) -> None:
    """Row 34 for a browser."""
    old = far.call("POST", "/register", {"email": EMAIL, "password": PASSWORD}).cookies["keyturn_refresh"]
    lost = lose(proxy, far, "POST", "/refresh-token", headers=[cookie(keyturn_refresh=old)])
    again = far.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=old)])
    assert again.status == 200
    assert again.cookies["keyturn_refresh"].encode() in lost
    server.clock.advance(3 * DAY)
    assert far.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=old)]).status == 200


def test_a_lost_answer_does_not_hide_a_theft(server: LiveServer, proxy: LossyProxy, far: Wire, wire: Wire) -> None:
    """Row 34 beside row 36: what was lost on its way to the owner, and found by a thief, ends the session once both go on."""
    token = register(far)["refresh_token"]
    lost = lose(proxy, far, "POST", "/refresh-token", {"refresh_token": token})
    found = lost.partition(b'"refresh_token":"')[2].partition(b'"')[0].decode()
    server.clock.advance(3600)
    owners = refresh(wire, token).json["refresh_token"]
    server.clock.advance(3600)
    assert refresh(wire, found).status == 200
    server.clock.advance(3600)
    assert refresh(wire, owners).json["reason"] == "reuse_detected"


def test_a_lost_sign_out_can_be_repeated(proxy: LossyProxy, far: Wire) -> None:
    """Row 34: and it was one the first time."""
    signed_in = register(far)
    lose(proxy, far, "POST", "/logout", {"refresh_token": signed_in["refresh_token"]})
    assert far.call("GET", "/me", headers=[bearer(signed_in["access_token"])]).status == 401
    assert far.call("POST", "/logout", {"refresh_token": signed_in["refresh_token"]}).status == 204


def test_a_lost_password_change_has_happened(proxy: LossyProxy, far: Wire) -> None:
    """Row 34: the new password opens the account, the old one does not."""
    signed_in = register(far)
    change = {"current_password": PASSWORD, "new_password": "another long password"}
    lose(proxy, far, "POST", "/password", change, headers=[bearer(signed_in["access_token"])])
    assert far.call("POST", "/password", change, headers=[bearer(signed_in["access_token"])]).status == 401
    assert far.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}).status == 401
    assert far.call("POST", "/login", {"login": EMAIL, "password": change["new_password"]}).status == 200


@pytest.mark.parametrize("pause", [0, 60])
def test_commits_that_fail_burn_no_token(server: LiveServer, wire: Wire, witness: Witness, pause: int) -> None:
    """Row 35, R8: three commits fail, the fourth is as good as the first would have been; nothing looks like reuse."""
    token = register(wire)["refresh_token"]
    database = server.context.database
    assert isinstance(database, FailingDatabase)
    before = sessions_of(server)
    for _ in range(3):
        with database.failing():
            answer = refresh(wire, token)
        assert (answer.status, answer.code) == (503, "store_unavailable")
        assert int(answer.values("retry-after")[0]) > 0
        assert answer.cookies == {}
        assert sessions_of(server) == before
        server.clock.advance(pause)
    again = refresh(wire, token)
    assert again.status == 200
    assert not [line for line in witness.lines if "reuse" in line]
    assert_goes_on(server, wire, again.json["refresh_token"])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/login", {"login": EMAIL, "password": PASSWORD}),
        ("/register", {"email": "bob@example.com", "password": PASSWORD}),
        ("/logout", None),
        ("/logout-all", None),
        ("/password", {"current_password": PASSWORD, "new_password": "another long password"}),
    ],
)
def test_a_commit_that_fails_changes_nothing_at_all(
    server: LiveServer, wire: Wire, path: str, body: dict[str, str] | None
) -> None:
    """Row 35 for every other call that writes: 503, and the call can be repeated."""
    signed_in = register(wire)
    database = server.context.database
    assert isinstance(database, FailingDatabase)
    before = sessions_of(server)
    headers = [bearer(signed_in["access_token"])]
    with database.failing():
        failed = wire.call("POST", path, body, headers=headers)
    assert (failed.status, failed.code, failed.cookies) == (503, "store_unavailable", {})
    assert sessions_of(server) == before
    assert wire.call("GET", "/me", headers=headers).status == 200
    assert wire.call("POST", path, body, headers=headers).status in {200, 201, 204}
    assert sessions_of(server) != before


def sessions_of(server: LiveServer) -> object:
    """Every session of the one user, as stored."""

    def work(tx: Any) -> object:
        user = tx.users.find(EMAIL).user
        return user, tx.users.find("bob@example.com"), tx.sessions.live_of_user(user.id)

    return server.context.database.read(work)
