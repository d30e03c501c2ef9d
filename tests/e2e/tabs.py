"""A page with nothing on it but the browser client, in as many tabs as need be, and what can be done there."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
from playwright.sync_api import BrowserContext, Page, Request
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.people import is_refresh
from tests.support.client import EMAIL, PASSWORD
from tests.support.server import LiveServer

METRICS_TOKEN = "Vq8LxT3nRw6ZbK9cHs2MdY5gJf7PaE4u"
APP = "/app"

BLANK = """<!doctype html><html lang="en"><title>An application</title><p id="who">…</p>
<script type="module">
  import { createSession } from "%(module)s";
  const session = (globalThis.session = createSession(%(options)s));
  globalThis.events = [];
  const show = () => (document.getElementById("who").textContent = session.user?.email ?? session.state);
  for (const type of ["signedin", "signedout", "refreshed", "statechange"])
    session.addEventListener(type, (event) => { events.push([type, event.detail]); show(); });
</script>"""


def blank(module: str = "/keyturn/client.js", **options: Any) -> str:
    """The page, which makes a session when it is loaded.

    Args:
        module: the address of the client.
        options: of `createSession`.
    """
    return BLANK % {"module": module, "options": json.dumps(options)}


def serve_app(context: BrowserContext, url: str, **options: Any) -> None:
    """Let a browser find the page at `/app` and below it, on a server's own origin."""
    context.route(f"{url}{APP}**", lambda route: route.fulfill(content_type="text/html", body=blank(**options)))


def open_tab(context: BrowserContext, url: str, path: str = APP) -> Page:
    """One more tab with the page, that knows whether somebody is signed in."""
    page = context.new_page()
    page.goto(url + path)
    ready(page)
    return page


def ready(page: Page) -> None:
    page.wait_for_function("globalThis.session")
    page.evaluate("session.ready")


def tabs_of(page: Page, url: str, count: int, **options: Any) -> list[Page]:
    """As many tabs of one browser, and somebody signed in in all of them."""
    serve_app(page.context, url, **options)
    page.goto(url + APP)
    ready(page)
    sign_up(page)
    return [page, *(open_tab(page.context, url) for _ in range(count - 1))]


def sign_up(page: Page, email: str = EMAIL) -> None:
    page.evaluate("account => session.signUp(account)", {"email": email, "password": PASSWORD})


def sign_in(page: Page, login: str = EMAIL) -> None:
    page.evaluate("credentials => session.signIn(credentials)", {"login": login, "password": PASSWORD})


def me(page: Page) -> int:
    """The status of a call with the access token."""
    status: int = page.evaluate("session.fetch('/api/v1/auth/me').then((answer) => answer.status)")
    return status


def state(page: Page) -> str:
    found: str = page.evaluate("session.state")
    return found


def wait_for_state(page: Page, wanted: str) -> None:
    page.wait_for_function("wanted => globalThis.session?.state === wanted", arg=wanted)


def events(page: Page, kind: str) -> list[dict[str, Any]]:
    """The details of what a tab was told of one kind."""
    found: list[list[Any]] = page.evaluate("events")
    return [detail for type_, detail in found if type_ == kind]


def requests_of(context: BrowserContext, wanted: Callable[[Request], bool] = is_refresh) -> list[Request]:
    """Every request of a kind that the browser makes from now on."""
    found: list[Request] = []
    context.on("request", lambda request: found.append(request) if wanted(request) else None)
    return found


def verdicts(server: LiveServer) -> dict[str, int]:
    """What the server has decided about refreshes, by its own count."""
    answer = httpx2.get(f"{server.url}/metrics", headers={"authorization": f"Bearer {METRICS_TOKEN}"})
    return {
        sample.labels["verdict"]: int(sample.value)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == "keyturn_refreshes_total"
    }
