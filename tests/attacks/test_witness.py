"""The watch on the logs of the whole suite is awake: what it must notice, it notices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.server import LiveServer, ServerProcess
from tests.support.wire import Wire
from tests.support.witness import WITNESS, Witness

from keyturn.core.model import RefreshToken
from keyturn.service.tokens import Tokens

_log = logging.getLogger("keyturn.events")

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
def test_a_secret_in_a_line_of_the_log_is_noticed(server: LiveServer, wire: Wire, leak: str) -> None:
    """L2: with the secrets of a real session, in either format of the log."""
    signed_in = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD, "delivery": "body"}).json
    assert WITNESS.leaks() == []
    _log.info("told", extra={"facts": {"fact": LEAKS[leak](signed_in), "session": signed_in["session"]["id"]}})
    assert len(WITNESS.leaks()) == 2
    WITNESS.begin()
    innocent = {"session": signed_in["session"]["id"], "user": signed_in["user"]["id"], "address": "127.0.0.1"}
    _log.info("told", extra={"facts": innocent})
    assert WITNESS.leaks() == []


def test_a_secret_that_no_client_ever_saw_is_noticed(server: LiveServer, browser: Browser) -> None:
    """A token whose answer was lost, the seed of a session, the hash of a password."""
    user = browser.register()["user"]["id"]
    session = server.context.database.transact(lambda tx: tx.sessions.live_of_user(user))[0]
    account = server.context.database.transact(lambda tx: tx.users.lock(user))
    assert account is not None
    assert account.password_hash is not None
    hashed = account.password_hash.rpartition("$")[2]
    minted = server.context.tokens.mint_refresh(RefreshToken(session.id, session.seed, 9, "a" * 24, "b" * 24), session)
    for secret in (minted, session.seed, hashed):
        _log.info("told", extra={"facts": {"fact": secret}})
        assert len(WITNESS.leaks()) == 2
        WITNESS.begin()


def test_the_hash_of_a_password_is_noticed_wherever_its_base64_has_a_sign() -> None:
    witness = Witness()
    told = witness.hash(
        "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA+/c2FsdHNhbHRzYQ$abcdefgh+abcdefgh/abcdefgh+abcdefgh/abcdefg"
    )
    lines = [told, f"x {told.rpartition('$')[2]} y", "c2FsdA+/c2FsdHNhbHRzYQ"]
    assert witness.leaks_in([*lines, "nothing"]) == lines


def test_an_exception_that_quotes_a_token_is_noticed(browser: Browser) -> None:
    browser.register()
    try:
        raise ValueError(browser.access_token)
    except ValueError:
        _log.exception("told")
    assert WITNESS.leaks() != []
    WITNESS.begin()


@pytest.mark.parametrize("speaker", ["keyturn.errors", "uvicorn.error", "asyncio"])
def test_an_error_in_the_log_is_noticed(speaker: str) -> None:
    logging.getLogger(speaker).warning("told")
    assert WITNESS.errors == []
    logging.getLogger(speaker).error("told")
    assert WITNESS.errors == ["told"]
    WITNESS.begin()


def test_an_answer_of_500_in_the_log_is_noticed() -> None:
    _log.info("request", extra={"facts": {"status": 503}})
    assert WITNESS.errors == []
    _log.info("request", extra={"facts": {"status": 500}})
    assert len(WITNESS.errors) == 1
    WITNESS.begin()


def test_a_secret_in_the_log_of_a_process_is_noticed_when_it_ends(tmp_path: Path) -> None:
    """The log of every `keyturn serve` that a test starts is searched."""
    planted = pytest.raises(AssertionError, match="and here it is")
    with planted, ServerProcess(tmp_path / "data") as server, Browser(server.url) as browser:
        token = browser.register(delivery="body")["refresh_token"]
        with server.log.open("a") as log:
            log.write(f"all is well\nand here it is: {token}\n")


def test_every_server_of_the_suite_is_watched(server: LiveServer) -> None:
    """Without asking for it; a second witness hears nothing of the first."""
    assert type(server.context.tokens) is not Tokens
    WITNESS.token(f"x.{'y' * 40}")
    assert WITNESS.leaks_in(["y" * 40]) == ["y" * 40]
    assert Witness().leaks_in(["y" * 40]) == []
