"""The watch over the logs of the whole suite finds what it is to find."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.support.canaries import CANARIES
from tests.support.client import PASSWORD, Browser
from tests.support.server import LiveServer

_log = logging.getLogger("keyturn.events")


@pytest.fixture
def secrets(browser: Browser) -> dict[str, str]:
    """What a sign-in gives, by name."""
    signed_in = browser.register(delivery="body")
    with Browser(browser.url) as other:
        other.login(delivery="cookie")
        cookies = {name: value or "" for name, value in other.cookies.items()}
    return {
        "password": PASSWORD,
        "access token": signed_in["access_token"],
        "refresh token": signed_in["refresh_token"],
        **cookies,
    }


def test_every_kind_of_secret_in_a_line_of_the_log_is_noticed(server: LiveServer, secrets: dict[str, str]) -> None:
    assert CANARIES.heard() == []
    assert len(secrets) == 5
    for name, secret in secrets.items():
        pieces = () if name == "password" else (secret[:-5], secret.rpartition(".")[2])
        for told in (secret, f"…{secret}…", *pieces):
            _log.info("planted", extra={"facts": {"value": told}})
            assert CANARIES.heard(), name


def test_an_exception_that_quotes_a_token_is_noticed(server: LiveServer, secrets: dict[str, str]) -> None:
    try:
        raise ValueError(secrets["access token"])
    except ValueError:
        _log.exception("planted")
    assert CANARIES.heard()


def test_a_secret_in_the_log_of_another_process_is_noticed(tmp_path: Path, secrets: dict[str, str]) -> None:
    log = tmp_path / "server.log"
    log.write_text(f"all is well\nrefreshed {secrets['refresh token']}\n")
    assert CANARIES.read(log) == [f"refreshed {secrets['refresh token']}"]


def test_what_is_no_secret_is_none(server: LiveServer, browser: Browser) -> None:
    session = browser.register()["session"]["id"]
    head = str(browser.access_token).partition(".")[0]
    _log.info("session_renewed", extra={"facts": {"session": session, "header": head}})
    assert CANARIES.heard() == []
