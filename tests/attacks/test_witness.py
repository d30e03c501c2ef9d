"""The watch on the logs is awake: what it must notice, it notices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Wire
from tests.support.witness import Witness

LEAKS: dict[str, Callable[[dict[str, str]], str]] = {
    "an access token": lambda signed_in: signed_in["access_token"],
    "a refresh token": lambda signed_in: signed_in["refresh_token"],
    "the claims of a token": lambda signed_in: signed_in["refresh_token"].split(".")[1],
    "a signature": lambda signed_in: signed_in["access_token"].split(".")[2],
    "a token cut short": lambda signed_in: signed_in["refresh_token"][:150],
    "a token in a URL": lambda signed_in: f"GET /x?t={signed_in['access_token']}&y=1",
    "a password": lambda _: PASSWORD,
    "a password in a sentence": lambda _: f"login with {PASSWORD!r} failed",
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_secret_in_a_line_of_the_log_is_noticed(tmp_path: Path, leak: str) -> None:
    """L2: with the secrets of a real session, in either format of the log."""
    witness = Witness()
    with LiveServer(tmp_path / "data", wrap=witness.wrap) as server, Wire(server.address) as wire:
        signed_in = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD, "delivery": "body"}).json
    said = {"fact": LEAKS[leak](signed_in), "session": signed_in["session"]["id"]}
    assert witness.leaks() == []
    witness.handle(_record(said))
    assert len(witness.leaks()) == 2
    witness.begin()
    innocent = {"session": signed_in["session"]["id"], "user": signed_in["user"]["id"], "address": "127.0.0.1"}
    witness.handle(_record(innocent))
    assert witness.leaks() == []


def test_an_error_in_the_log_is_noticed() -> None:
    witness = Witness()
    witness.handle(_record({}, logging.WARNING))
    assert witness.errors == []
    witness.handle(_record({}, logging.ERROR))
    assert len(witness.errors) == 2


def _record(facts: dict[str, str], level: int = logging.INFO) -> logging.LogRecord:
    values = {"name": "keyturn.events", "msg": "told", "facts": facts, "levelno": level}
    return logging.makeLogRecord({**values, "levelname": logging.getLevelName(level)})
