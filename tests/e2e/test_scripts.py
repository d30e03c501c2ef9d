"""A script that does not belong in a page (XSS): what it can reach, and what it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser as Chromium
from tests.e2e.conftest import OpenBrowser
from tests.support.client import PASSWORD, Browser
from tests.support.server import LiveServer

SIGN_IN = """
async ([call, body]) => {
  const answer = await fetch("/api/v1/auth/" + call, {
    method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body)
  });
  return {text: await answer.text(), headers: [...answer.headers].join("\\n")};
}
"""

LOOK_EVERYWHERE = """
async () => {
  const found = [document.cookie, document.documentElement.outerHTML, location.href, document.referrer, window.name];
  found.push(JSON.stringify({...localStorage}), JSON.stringify({...sessionStorage}));
  found.push(JSON.stringify(await indexedDB.databases()));
  for (const name of await caches.keys()) {
    const cache = await caches.open(name);
    for (const request of await cache.keys()) found.push(request.url + await (await cache.match(request)).text());
  }
  found.push(JSON.stringify(performance.getEntries()), JSON.stringify(history.state));
  if (window.cookieStore) found.push(JSON.stringify(await cookieStore.getAll()));
  for (const path of ["me", "sessions", "verify"]) {
    const answer = await fetch("/api/v1/auth/" + path);
    found.push([...answer.headers].join("\\n") + await answer.text());
  }
  return found.join("\\n");
}
"""


def tokens_of(page: Any) -> dict[str, str]:
    """What the browser keeps from scripts."""
    return {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}


@pytest.mark.parametrize("delivery", ["split", "cookie"])
def test_a_foreign_script_reads_no_refresh_token_wherever_it_looks(
    server: LiveServer, open_browser: OpenBrowser, delivery: str
) -> None:
    """Row 86, C14: with `cookie` no token at all; with `split` the page itself holds the access token, and that alone."""
    page = open_browser()
    page.goto(server.url)
    body = {"email": "alice@example.com", "password": PASSWORD, "delivery": delivery}
    answer = page.evaluate(SIGN_IN, ["register", body])
    tokens = tokens_of(page)
    assert tokens["keyturn_refresh"].count(".") == 2
    seen = answer["text"] + answer["headers"] + page.evaluate(LOOK_EVERYWHERE)
    refreshed = page.evaluate(SIGN_IN, ["refresh-token", {}])
    seen += refreshed["text"] + refreshed["headers"] + page.evaluate(LOOK_EVERYWHERE)
    # The page's own access token, with `split`, is in no cookie.
    for token in (*tokens.values(), *tokens_of(page).values()):
        _, claims, signature = token.split(".")
        assert signature not in seen
        assert claims[-32:] not in seen
    assert ("access_token" in seen) == (delivery == "split")


@pytest.mark.parametrize(
    "attributes", ["path=/", "path=/; max-age=9999", "path=/api", "path=/api/v1/auth/refresh-token"]
)
def test_a_cookie_that_a_script_plants_never_becomes_the_session(
    server: LiveServer, open_browser: OpenBrowser, attributes: str
) -> None:
    """Row 86: neither in the place of the real one nor beside it."""
    with Browser(server.url) as attacker:
        attacker.register("mallory@example.com", delivery="cookie")
        planted = {name: value or "" for name, value in attacker.cookies.items()}
    page = open_browser()
    page.goto(server.url)
    page.evaluate(SIGN_IN, ["register", {"email": "alice@example.com", "password": PASSWORD, "delivery": "cookie"}])
    for name, value in planted.items():
        page.evaluate("cookie => { document.cookie = cookie }", f"{name}={value}; {attributes}")
        page.evaluate("cookie => { document.cookie = cookie }", f"__Host-{name}={value}; secure; {attributes}")
    answer = page.evaluate(SIGN_IN, ["refresh-token", {}])
    assert "mallory" not in answer["text"]
    assert '"alice@example.com"' in answer["text"] or '"duplicate_cookie"' in answer["text"]
    page.goto(server.url)
    assert "mallory" not in page.content()


def test_a_foreign_script_cannot_bring_in_another(server: LiveServer, chromium: Chromium) -> None:
    """Row 86: the pages' policy lets nothing inline run and nothing from elsewhere load."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(server.url)
    page.evaluate(
        """() => {
          document.body.insertAdjacentHTML("beforeend", '<img src="x" onerror="window.ran = 1">');
          for (const [name, value] of [["textContent", "window.ran = 2"], ["src", "http://localhost:9/x.js"]]) {
            const script = document.createElement("script");
            script[name] = value;
            document.body.append(script);
          }
          const style = document.createElement("style");
          style.textContent = "body { display: none }";
          document.head.append(style);
        }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    assert page.evaluate("getComputedStyle(document.body).display") != "none"
    refused = page.evaluate("fetch('http://localhost:9/').then(() => 'sent', () => 'refused')")
    assert refused == "refused"
    context.close()
