"""The browser client, as the server hands it out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.client import Browser
from tests.support.server import ROOT, LiveServer

MODULES = ("client.js", "axios.js")
each_module = pytest.mark.parametrize("module", MODULES)


@each_module
def test_the_client_is_at_an_address_that_stays(browser: Browser, module: str) -> None:
    answer = browser.get(f"/keyturn/{module}")
    assert answer.text == (ROOT / "js" / module).read_text()
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


@each_module
def test_a_browser_asks_before_it_uses_the_client_it_has_and_gets_it_only_if_it_is_another(
    browser: Browser, module: str
) -> None:
    first = browser.get(f"/keyturn/{module}")
    assert first.headers["cache-control"] == "public, no-cache"
    again = browser.get(f"/keyturn/{module}", headers={"if-none-match": f'W/"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = browser.get(f"/keyturn/{module}", headers={"if-none-match": '"other"'})
    assert other.text == first.text


def test_a_server_without_pages_has_the_client_all_the_same(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", pages=False) as server, Browser(server.url) as browser:
        assert browser.get("/").status_code == 404
        assert browser.get("/keyturn/client.js").status_code == 200


def test_pages_of_a_listed_origin_may_load_the_client_and_no_other_site(tmp_path: Path) -> None:
    front = "http://localhost:5173"
    with LiveServer(tmp_path / "data", allowed_origins=front) as server, Browser(server.url) as browser:
        for origin, allowed in ((front, front), ("http://evil.example", None)):
            answer = browser.get("/keyturn/client.js", headers={"origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
            assert answer.headers["cross-origin-resource-policy"] == "same-site"
            assert answer.headers["vary"] == "Origin"
