"""Signing in with a provider's account, as a browser does it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.client import BASE, Browser
from tests.support.provider import EMAIL, Provider, sign_in
from tests.support.server import LiveServer

from keyturn.testing.fakes import FakeClock


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider(FakeClock()) as live:
        yield live


@pytest.fixture
def server(tmp_path: Path, provider: Provider) -> Iterator[LiveServer]:
    with LiveServer(tmp_path / "data", clock=provider.clock, providers={"example": provider.settings()}) as live:
        yield live


def test_the_buttons_to_show_are_listed(browser: Browser) -> None:
    listed = browser.call("GET", "/providers").json()
    assert listed == {
        "providers": [{"name": "example", "label": "Example", "start": f"{BASE}/providers/example/start"}]
    }


def test_somebody_new_gets_an_account_and_is_signed_in(browser: Browser, provider: Provider) -> None:
    answer = sign_in(browser, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.refresh().status_code == 200
    user = browser.me().json()
    assert (user["email"], user["email_verified"], user["full_name"]) == (EMAIL, False, "Alice Ax")
