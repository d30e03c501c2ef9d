"""Claims of an application's own in access tokens."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.refreshing import refreshed
from tests.support.server import LiveServer

from keyturn import Verifier
from keyturn.core.model import Session, User
from keyturn.server.logs import TextFormatter
from keyturn.service.refresh import Presented


@dataclass
class Hook:
    """What an application's function gives just now; an exception is raised.

    Attributes:
        given: the claims, or the exception.
        only: the address of the user it is about; for everybody else there are no claims.
    """

    given: Any = field(default_factory=dict)
    only: str | None = None

    def __call__(self, user: User, session: Session) -> Any:
        if self.only not in (None, user.email):
            return {}
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
def server(tmp_path: Path, hook: Hook) -> Iterator[LiveServer]:
    with LiveServer(tmp_path / "data", claims=hook, access_claims="username") as live:
        yield live


def extra_of(server: LiveServer, token: str) -> dict[str, object]:
    """What another service finds in an access token."""
    keys = server.context.tokens.access_keys.jwks()
    verifier = Verifier(issuer=server.issuer, keys=keys, clock=server.clock)
    return dict(verifier.verify(token).extra)


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """What the server writes meanwhile."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter())
    logger = logging.getLogger("keyturn")
    logger.addHandler(handler)
    try:
        yield stream
    finally:
        logger.removeHandler(handler)


def body_of(**more: str) -> dict[str, str]:
    return {"email": EMAIL, "password": PASSWORD, "delivery": "body", **more}


def test_every_access_token_has_them_as_they_are_at_that_moment(
    server: LiveServer, browser: Browser, hook: Hook
) -> None:
    hook.given = {"tenant": "acme", "plan": {"seats": 3, "tags": ["a", "b"]}, "ratio": 0.5, "none": None, "ok": True}
    signed_in = browser.call("POST", "/register", json=body_of(username="alice")).json()
    assert extra_of(server, signed_in["access_token"]) == {
        "username": "alice",
        **hook.given,
        "plan": {"seats": 3, "tags": ("a", "b")},
    }
    assert (
        browser.call("GET", "/me", headers={"authorization": f"Bearer {signed_in['access_token']}"}).status_code == 200
    )
    hook.given = {"tenant": "other"}
    refreshed = browser.call("POST", "/refresh-token", json={"refresh_token": signed_in["refresh_token"]}).json()
    assert extra_of(server, refreshed["access_token"]) == {"username": "alice", "tenant": "other"}


def test_a_hook_sees_the_user_and_the_session(tmp_path: Path) -> None:
    def who(user: User, session: Session) -> dict[str, object]:
        return {"domain": user.email.rpartition("@")[2], "device": session.device.label}

    with LiveServer(tmp_path / "data", claims=who) as server, Browser(server.url) as browser:
        token = browser.register(EMAIL, PASSWORD, delivery="body")["access_token"]
        assert extra_of(server, token) == {"domain": "example.com", "device": "Firefox on Linux"}


NONSENSE = {
    "it raises": ValueError(f"no tenant for {EMAIL}"),
    "it gives nothing": None,
    "it gives a word": "tenant",
    "a reserved name": {"sub": "somebody else"},
    "another reserved name": {"nbf": 5},
    "roles": {"roles": ["admin"]},
    "a name that a setting gives": {"username": "root"},
    "bytes": {"tenant": b"acme"},
    "a set": {"tenants": {"acme"}},
    "no number": {"tenant": float("nan")},
    "too large a number": {"tenant": 10**30},
    "a name that is none": {(1, 2): "acme"},
    "a name twice": {"1": "acme", 1: "acme"},
    "a lone surrogate": {"tenant": "\ud800"},
    "a NUL": {"tenant": "a\0b"},
    "too deep": {"a": [[[[[[[[[1]]]]]]]]]},
    "too many": {"a": list(range(300))},
    "too long": {"a": "x" * 4000},
}


def endless() -> dict[str, object]:
    loop: dict[str, object] = {}
    loop["again"] = loop
    return loop


@pytest.mark.parametrize("given", [*NONSENSE.values(), endless()], ids=[*NONSENSE, "endless"])
def test_nonsense_is_an_error_of_ours_that_names_the_hook_and_nobody(
    server: LiveServer, browser: Browser, hook: Hook, given: object
) -> None:
    browser.register(EMAIL, PASSWORD, username="alice")
    hook.given = given
    with logged() as log:
        answer = browser.call("POST", "/login", json={"login": EMAIL, "password": PASSWORD})
    assert answer.status_code == 500
    problem = answer.json()
    assert problem["code"] == "internal_error"
    assert "hook" not in problem["detail"]
    assert "set-cookie" not in answer.headers
    (line,) = [line for line in log.getvalue().splitlines() if " error " in line]
    assert problem["request_id"] in line
    assert f"{Hook.__module__}:Hook" in line
    for personal in (EMAIL, "alice", PASSWORD, "acme", "somebody", "root"):
        assert personal not in line.replace("test_claims_hook", "")
    assert "Traceback" not in log.getvalue()


def test_a_hook_that_fails_is_found_by_the_place_of_its_error(server: LiveServer, browser: Browser, hook: Hook) -> None:
    browser.register(EMAIL, PASSWORD)
    hook.given = KeyError(EMAIL)
    with logged() as log:
        browser.call("POST", "/login", json={"login": EMAIL, "password": PASSWORD})
    line = Hook.__call__.__code__.co_firstlineno + 4
    assert f"failed: KeyError at {__file__}:{line}." in log.getvalue()


def test_a_refresh_that_was_decided_is_recovered_when_the_hook_works_again(
    server: LiveServer, browser: Browser, hook: Hook
) -> None:
    first = browser.call("POST", "/register", json=body_of()).json()["refresh_token"]
    hook.given = RuntimeError()
    for _ in range(3):
        assert browser.call("POST", "/refresh-token", json={"refresh_token": first}).status_code == 500
        server.clock.advance(3600)
    hook.given = {"tenant": "acme"}
    again = browser.call("POST", "/refresh-token", json={"refresh_token": first})
    assert again.status_code == 200
    assert extra_of(server, again.json()["access_token"]) == {"tenant": "acme"}
    # The session is whole: its next token rotates, and the first one counts as reuse from then on.
    server.clock.advance(3600)
    second = again.json()["refresh_token"]
    assert browser.call("POST", "/refresh-token", json={"refresh_token": second}).status_code == 200
    server.clock.advance(3600)
    reused = browser.call("POST", "/refresh-token", json={"refresh_token": first})
    assert reused.json()["reason"] == "reuse_detected"


def test_a_failure_for_one_user_is_nobody_elses(server: LiveServer, hook: Hook) -> None:
    tokens = []
    for number in range(3):
        with Browser(server.url) as browser:
            tokens.append(browser.register(f"user{number}@example.com", PASSWORD, delivery="body")["refresh_token"])
    hook.given, hook.only = KeyError("x"), "user1@example.com"
    now = server.clock.monotonic()
    batch = [Presented(raw, server.context.tokens.parse_refresh(raw), True, now) for raw in tokens]
    kinds = [type(outcome).__name__ for outcome in refreshed(server.context, batch)]
    assert kinds == ["Grant", "ClaimsHookFailed", "Grant"]
