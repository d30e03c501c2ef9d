"""The log of a server: every event, one line each, and nothing secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie

from keyturn.server.logs import JsonFormatter, TextFormatter

NASTY = "a\x1b[2Jb\u2028c\u0085d\u202ee"


@contextmanager
def written(formatter: logging.Formatter) -> Iterator[io.StringIO]:
    """What the server writes meanwhile."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("keyturn")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


def whole_flow(server: LiveServer, wire: Wire) -> list[str]:
    """Everything that can happen to a user; gives every secret that occurred."""
    secrets = [PASSWORD, "a wrong password", "another good password"]

    def call(method: str, path: str, body: object = None, headers: list[tuple[str, str]] | None = None) -> Answer:
        answer = wire.call(method, path, body, headers=headers or [])
        if answer.body and answer.values("content-type") == ["application/json"]:
            secrets.extend(answer.json[name] for name in ("access_token", "refresh_token") if name in answer.json)
        secrets.extend(value for value in answer.cookies.values() if value)
        return answer

    for delivery in ("split", "cookie", "body"):
        signed_in = call("POST", "/register", {"email": delivery + EMAIL, "password": PASSWORD, "delivery": delivery})
    access, first = signed_in.json["access_token"], signed_in.json["refresh_token"]
    call("POST", "/login", {"login": "body" + EMAIL, "password": "a wrong password"})
    call("GET", f"/me?access_token={access}", headers=[bearer(access)])
    call("GET", f"//{access}")
    call("GET", "/verify", headers=[cookie(keyturn_access=access)])
    call("POST", "/refresh-token", {"refresh_token": access})
    call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=first)])
    call("POST", "/refresh-token", {"refresh_token": first, access: 1})
    newest = first
    for _ in range(2):
        server.clock.advance(60)
        newest = call("POST", "/refresh-token", {"refresh_token": newest}).json["refresh_token"]
    changed = call(
        "POST",
        "/password",
        {"current_password": PASSWORD, "new_password": "another good password"},
        [bearer(call("POST", "/refresh-token", {"refresh_token": newest}).json["access_token"])],
    )
    call("DELETE", "/me", {"current_password": "a wrong password"}, [bearer(changed.json["access_token"])])
    current = changed.json["refresh_token"]
    for _ in range(3):
        server.clock.advance(60)
        current = call("POST", "/refresh-token", {"refresh_token": current}).json["refresh_token"]
    assert (
        call("POST", "/refresh-token", {"refresh_token": changed.json["refresh_token"]}).json["reason"]
        == "reuse_detected"
    )
    call("POST", "/logout", {"refresh_token": current}, [bearer(access)])
    return secrets


FORMATS = [pytest.param(TextFormatter(), id="text"), pytest.param(JsonFormatter(), id="json")]


@pytest.mark.parametrize("formatter", FORMATS)
def test_no_token_no_cookie_and_no_password_is_ever_logged(server: LiveServer, formatter: logging.Formatter) -> None:
    with written(formatter) as log, Wire(server.address) as wire:
        secrets = whole_flow(server, wire)
    text = log.getvalue()
    assert len(secrets) > 20
    for secret in secrets:
        # Nor any telling part of a token: the payload, the signature.
        assert not [part for part in secret.split(".") if part in text]
    for event in (
        "user_created",
        "authn_login_fail",
        "session_renewed",
        "authn_password_change",
        "authn_reauthentication_fail",
        "authn_token_reuse",
        "session_ended",
        "request",
    ):
        assert event in text
    assert "Traceback" not in text


def test_a_json_line_is_an_object_that_says_what_happened(server: LiveServer) -> None:
    with written(JsonFormatter()) as log, Wire(server.address) as wire:
        answer = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD})
        wire.call("POST", "/refresh-token")
    created, registered, refused = (json.loads(line) for line in log.getvalue().splitlines())
    assert created["event"] == "user_created"
    assert created["user"] == answer.json["user"]["id"]
    assert created["session"] == answer.json["session"]["id"]
    assert (registered["logger"], registered["event"], registered["level"]) == ("keyturn.access", "request", "info")
    assert {name: registered[name] for name in ("method", "path", "status", "address", "request_id")} == {
        "method": "POST",
        "path": "/api/v1/auth/register",
        "status": 201,
        "address": "127.0.0.1",
        "request_id": answer.values("x-request-id")[0],
    }
    assert (refused["status"], refused["code"]) == (401, "refresh_token_missing")
    assert refused["time"].endswith("Z")


@pytest.mark.parametrize("formatter", FORMATS)
def test_nothing_that_a_client_sends_makes_a_line_of_its_own(server: LiveServer, formatter: logging.Formatter) -> None:
    encoded = "%0d%0aevent=forged%1b%5b2J%e2%80%a8"
    with written(formatter) as log, Wire(server.address) as wire:
        for number in range(3):
            names = {"email": f"a{number}@example.com", "full_name": NASTY, "username": NASTY}
            wire.call("POST", "/register", {**names, "password": PASSWORD}, headers=[("user-agent", "x\x85y\xa0z")])
            wire.call("POST", "/login", {"login": f"{NASTY}\r\n{number}", "password": PASSWORD})
            wire.call("GET", f"/{encoded}?{encoded}")
            wire.call("DELETE", f"/sessions/{encoded}", headers=[("x-forwarded-for", "1.1.1.1\x85forged")])
    lines = log.getvalue().splitlines()
    assert sum("request" in line for line in lines) == 12
    assert len(lines) == 12 + 3  # each of the failed sign-ins has one
    assert log.getvalue().isascii()
    assert "\x1b" not in log.getvalue()
    assert "forged" not in log.getvalue()


def test_a_path_that_is_none_of_ours_is_not_logged(server: LiveServer) -> None:
    with written(JsonFormatter()) as log, Wire(server.address) as wire:
        wire.call("GET", "//some/secret/path")
        wire.call("GET", "/sessions/some-secret")
        wire.call("BREW", "//x")
    for line in log.getvalue().splitlines():
        assert "secret" not in line
    assert json.loads(log.getvalue().splitlines()[0])["status"] == 404


@pytest.mark.parametrize(
    "nasty", ["\n", "\r\n", "\x1b[31m", "\u2028", "\u2029", "\x85", "\x00", "\u202e", "\ud800", '"', "\\n"]
)
@pytest.mark.parametrize("formatter", FORMATS)
def test_a_quoted_value_stays_on_its_line(formatter: logging.Formatter, nasty: str) -> None:
    record = logging.LogRecord("keyturn.x", logging.INFO, "", 0, f"event{nasty}forged", None, None)
    record.facts = {"value": f"a{nasty}b c", "nothing": None}
    line = formatter.format(record)
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert line.isprintable()
    assert "nothing" not in line
