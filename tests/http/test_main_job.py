"""The main job over HTTP: sign in, stay signed in, sign out."""

from __future__ import annotations

from tests.support.client import Browser
from tests.support.server import LiveServer


def test_a_user_signs_in_once_stays_signed_in_and_signs_out(server: LiveServer, browser: Browser) -> None:
    signed_in = browser.register()
    assert browser.me().json()["id"] == signed_in["user"]["id"]

    server.clock.advance(600)
    assert browser.me().json()["code"] == "access_token_invalid"

    assert browser.refresh().status_code == 200
    assert browser.me().status_code == 200

    assert browser.call("POST", "/logout").status_code == 204
    assert browser.me().status_code == 401
    assert browser.refresh().json()["code"] == "refresh_token_missing"
