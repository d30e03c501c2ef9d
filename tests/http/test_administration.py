"""What an administrator decides is so for everybody who is signed in, at once."""

from __future__ import annotations

import pytest
from tests.support.client import EMAIL, Browser
from tests.support.server import LiveServer

from keyturn.core.model import EndReason
from keyturn.errors import InvalidCredentials, InvalidInput, NotFound
from keyturn.service import administration
from keyturn.service.context import SignInOptions
from keyturn.service.sign_in import sign_in

NEW_PASSWORD = "another horse, another battery"


@pytest.mark.parametrize("seconds_later", [0, 0.5, 1, 60])
def test_a_demoted_administrators_token_is_refused_at_once_and_the_refresh_tells_the_new_roles(
    server: LiveServer, browser: Browser, seconds_later: float
) -> None:
    user = browser.register()["user"]["id"]
    administration.set_roles(server.context, user, ("admin", "staff"))
    assert browser.refresh().status_code == 200
    assert browser.call("GET", "/verify", bearer=browser.access_token).headers["x-auth-roles"] == "admin,staff"

    server.clock.advance(seconds_later)
    administration.set_roles(server.context, user, ())
    assert browser.call("GET", "/verify", bearer=browser.access_token).json()["code"] == "access_token_invalid"
    assert browser.me().status_code == 401
    assert browser.refresh().status_code == 200
    assert browser.call("GET", "/verify", bearer=browser.access_token).headers["x-auth-roles"] == ""
    assert browser.me().json()["roles"] == []


def test_a_change_of_roles_elsewhere_is_seen_by_a_server_that_starts_later(
    server: LiveServer, browser: Browser
) -> None:
    user = browser.register()["user"]["id"]
    administration.set_roles(server.context, user, ("admin",))
    with LiveServer(server.data_dir, clock=server.clock, issuer=server.issuer) as twin, Browser(twin.url) as other:
        assert other.call("GET", "/verify", bearer=browser.access_token).status_code == 401


def test_another_password_ends_every_session_and_is_the_one_to_sign_in_with(
    server: LiveServer, browser: Browser
) -> None:
    user = browser.register()["user"]["id"]
    administration.set_password(server.context, user, NEW_PASSWORD)
    assert browser.me().status_code == 401
    assert browser.refresh().json()["reason"] == EndReason.PASSWORD_CHANGED
    with pytest.raises(InvalidCredentials):
        sign_in(server.context, EMAIL, "correct horse battery staple", SignInOptions())
    browser.login(password=NEW_PASSWORD)


def test_a_deleted_user_is_gone_with_every_session(server: LiveServer, browser: Browser) -> None:
    user = browser.register()["user"]["id"]
    administration.delete_user(server.context, user)
    assert browser.me().status_code == 401
    assert browser.refresh().json()["reason"] == EndReason.ACCOUNT_DELETED
    browser.register()


def test_one_session_all_of_a_user_or_all_there_are_can_be_ended(server: LiveServer, browser: Browser) -> None:
    first = browser.register()
    sessions = [first["session"]["id"], *(browser.login()["session"]["id"] for _ in range(2))]
    with Browser(server.url) as bob:
        bob.register("bob@example.com")
        live = administration.sessions_of(server.context, first["user"]["id"])
        # Each sign-in replaced the session before it.
        assert [session.id for session in live] == sessions[-1:]
        assert administration.end_each(server.context, sessions) == 1
        assert administration.end_each(server.context, sessions) == 0
        assert browser.refresh().json()["reason"] == EndReason.REVOKED
        browser.login()
        assert administration.end_sessions_of(server.context, first["user"]["id"]) == 1
        assert browser.me().status_code == 401
        server.clock.advance(1)
        browser.login()
        assert [session.user_id for session in administration.newest_sessions(server.context, 1)] == [
            first["user"]["id"]
        ]
        assert administration.end_all_sessions(server.context) == 2
        assert (browser.me().status_code, bob.me().status_code) == (401, 401)


def test_all_sessions_are_ended_however_many_pages_of_them_there_are(
    server: LiveServer, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(administration, "PAGE", 2)
    for name in ("a", "b", "c", "d", "e"):
        with Browser(server.url) as one:
            one.register(f"{name}@example.com")
    assert sorted(user.email[0] for user in administration.list_users(server.context)) == ["a", "b", "c", "d", "e"]
    assert administration.end_all_sessions(server.context) == 5
    assert administration.end_all_sessions(server.context) == 0


def test_an_account_is_found_by_id_by_address_and_by_name(server: LiveServer, browser: Browser) -> None:
    user = browser.register(username="alice")["user"]
    for name in (user["id"], EMAIL.upper(), "ALICE"):
        assert administration.find_account(server.context, name).user.id == user["id"]
    with pytest.raises(NotFound):
        administration.find_account(server.context, "nobody")


def test_nothing_is_done_to_a_user_who_is_not_there(server: LiveServer) -> None:
    for act in (
        lambda: administration.set_roles(server.context, "nobody", ("admin",)),
        lambda: administration.set_password(server.context, "nobody", NEW_PASSWORD),
        lambda: administration.set_disabled(server.context, "nobody", disabled=True),
        lambda: administration.delete_user(server.context, "nobody"),
        lambda: administration.end_sessions_of(server.context, "nobody"),
        lambda: administration.end_each(server.context, ["nobody"]),
    ):
        with pytest.raises(NotFound):
            act()


def test_roles_and_passwords_are_held_to_the_rules(server: LiveServer, browser: Browser) -> None:
    user = browser.register()["user"]["id"]
    with pytest.raises(InvalidInput):
        administration.set_roles(server.context, user, ("two words",))
    with pytest.raises(InvalidInput):
        administration.set_password(server.context, user, "short")
    assert browser.me().status_code == 200
