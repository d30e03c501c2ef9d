"""The browser client in Chromium: how sessions end, in all tabs, and who never gets a token."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import Page, Route, expect
from tests.e2e.conftest import OpenBrowser
from tests.e2e.people import REFRESH
from tests.e2e.tabs import (
    APP,
    blank,
    events,
    me,
    open_tab,
    ready,
    requests_of,
    serve_app,
    sign_in,
    sign_up,
    state,
    tabs_of,
    wait_for_state,
)
from tests.e2e.test_scripts import LOOK_EVERYWHERE
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.programs import needs
from tests.support.server import LiveServer

pytestmark = needs("chromium")


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server of somebody else, at another port of this machine; gives its origin."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_OPTIONS(self) -> None:
            answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join(10)


def send(handler: BaseHTTPRequestHandler, status: int, body: str = "", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body.encode())


def where(page: Page) -> tuple[str, dict[str, list[str]]]:
    """The path a page is at, and what its address says."""
    parts = urlsplit(page.url)
    return parts.path, parse_qs(parts.query)


def test_signed_out_in_one_tab_is_signed_out_in_all(server: LiveServer, open_browser: OpenBrowser) -> None:
    one, two, three = tabs_of(open_browser(), server.url, 3, signInPage=f"{APP}/sign-in")
    one.evaluate("session.signOut()")
    for tab in (two, three):
        tab.wait_for_url("**/sign-in?*")
        assert where(tab) == (f"{APP}/sign-in", {"reason": ["signed_out"], "return_to": [APP]})
        wait_for_state(tab, "signed-out")
    assert where(one) == (APP, {})
    assert events(one, "signedout") == [{"reason": "signed_out", "expected": True}]


def test_a_refresh_in_flight_when_another_tab_signs_out_brings_nothing_back(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    one, two = tabs_of(open_browser(), server.url, 2, signInPage=None)
    held: list[Route] = []
    two.route(REFRESH, held.append)
    two.evaluate("{ globalThis.done = session.refresh().catch((error) => error.code); }")
    while not held:
        two.wait_for_timeout(5)
    answer = held[0].fetch()
    assert answer.status == 200
    one.evaluate("session.signOut()")
    wait_for_state(two, "signed-out")
    held[0].fulfill(response=answer)
    assert two.evaluate("done") == "signed_out"
    assert (state(two), me(two)) == ("signed-out", 401)
    two.unroute(REFRESH)
    two.reload()
    ready(two)
    assert state(two) == "signed-out"


def test_another_user_who_signs_in_in_another_tab_is_not_mixed_up_with_the_first(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    """C15: what the first one asked for is never done as the second."""
    with Browser(server.url) as other:
        other.register("bob@example.com")
    one, two = tabs_of(open_browser(), server.url, 2, signInPage=None)
    server.clock.advance(601)
    held: list[Route] = []
    two.route(REFRESH, held.append, times=1)
    changes = requests_of(two.context, lambda request: request.method == "PATCH")
    two.evaluate(
        """{ globalThis.done = session.fetch("/api/v1/auth/me", {method: "PATCH", body: '{"full_name": "Alice"}',
          headers: {"content-type": "application/json"}}).then((answer) => answer.status, (error) => error.reason); }"""
    )
    sign_in(one, "bob@example.com")
    wait_for_state(two, "signed-in")
    expect(two.get_by_text("bob@example.com")).to_be_visible()
    assert two.evaluate("done") in {401, "replaced"}
    assert [await_status(request) for request in changes] in ([], [401])
    names = two.evaluate("session.fetch('/api/v1/auth/me').then((a) => a.json()).then((u) => [u.email, u.full_name])")
    assert names == ["bob@example.com", None]


def await_status(request) -> int:  # type: ignore[no-untyped-def]
    return int(request.response().status)


def test_the_same_user_who_signs_in_again_in_another_tab_notices_nothing(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    one, two = tabs_of(open_browser(), server.url, 2)
    sign_in(one)
    two.wait_for_function("id => session.current?.id === id", arg=one.evaluate("session.current.id"))
    assert me(two) == 200
    assert events(two, "signedout") == []
    assert where(two) == (APP, {})


def test_a_session_that_is_ended_elsewhere_sends_the_page_to_sign_in_and_back(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    page = open_browser()
    tabs_of(page, server.url, 1, signInPage=f"{APP}/sign-in")
    page.goto(f"{server.url}{APP}/tours?page=2#top")
    ready(page)
    with Browser(server.url) as phone:
        phone.login()
        phone.call("POST", "/logout-all", {"keep_this": True}, bearer=phone.access_token)
    assert me(page) == 401
    page.wait_for_url("**/sign-in?*")
    assert where(page)[1] == {"reason": ["signed_out_everywhere"], "return_to": [f"{APP}/tours?page=2#top"]}
    ready(page)
    sign_in(page)
    back = page.evaluate("import('/keyturn/client.js').then((client) => client.returnTo())")
    assert back == f"{server.url}{APP}/tours?page=2#top"


def test_one_end_that_is_said_is_not_believed(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    tabs_of(page, server.url, 1)
    ended = {"code": "session_ended", "reason": "replaced"}
    page.route(REFRESH, lambda route: route.fulfill(status=403, json=ended), times=1)
    page.evaluate("session.refresh()")
    assert me(page) == 200
    assert events(page, "signedout") == []


def test_the_back_button_after_a_sign_out_shows_nothing(tmp_path: Path, chromium_that_remembers: Chromium) -> None:
    """C16: a page from the back/forward cache is empty until the server has told that nobody is signed in."""
    with app_elsewhere() as front, LiveServer(tmp_path / "data", allowed_origins=front.origin) as server:
        front.module = f"{server.url}/keyturn/client.js"
        front.options = {"baseUrl": server.url, "signInPage": f"{APP}/sign-in"}
        context = chromium_that_remembers.new_context()
        page = context.new_page()
        page.goto(front.origin + APP)
        ready(page)
        sign_up(page)
        page.evaluate("addEventListener('pageshow', (event) => sessionStorage.setItem('restored', event.persisted))")
        page.goto(f"{front.origin}{APP}/other")
        ready(page)
        page.evaluate("session.signOut()")
        seen: list[str] = []
        page.expose_function("saw", seen.append)
        page.evaluate("history.back()")
        page.wait_for_url("**/sign-in?*")
        ready(page)
        assert state(page) == "signed-out"
        assert page.evaluate("sessionStorage.getItem('restored')") == "true"
        assert where(page)[1]["return_to"] == [APP]
        context.close()


LISTEN = """() => {
  globalThis.heard = [];
  new BroadcastChannel(`keyturn ${location.origin}/api/v1/auth`).onmessage = ({ data }) => heard.push(data);
}"""

LOOK_AT_THE_SESSION = """() => {
  const seen = [JSON.stringify([events, heard])];
  for (const thing of [session, Object.getPrototypeOf(session)])
    for (const key of Reflect.ownKeys(thing))
      try { seen.push(String(key), JSON.stringify(thing[key])); } catch { /* a getter of the prototype alone */ }
  return seen.join();
}"""


def test_a_foreign_script_finds_no_token_wherever_it_looks(server: LiveServer, open_browser: OpenBrowser) -> None:
    """C14: all storages, the address, the history, the page, and the session object with all that can be read of it."""
    page = open_browser()
    one, _ = tabs_of(page, server.url, 2)
    one.evaluate(LISTEN)
    tokens: list[str] = []
    one.on("response", lambda answer: tokens.append(answer.text()) if "refresh-token" in answer.url else None)
    one.evaluate("session.refresh()")
    assert me(one) == 200
    (answer,) = tokens
    _, claims, signature = json.loads(answer)["access_token"].split(".")
    seen = one.evaluate(LOOK_EVERYWHERE) + one.evaluate(LOOK_AT_THE_SESSION)
    assert claims[-32:] not in seen
    assert signature not in seen
    assert one.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert one.evaluate("indexedDB.databases()") == []


def test_a_third_partys_401_neither_gets_a_token_nor_causes_a_refresh(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    got: list[str | None] = []

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        got.append(handler.headers.get("authorization"))
        send(handler, 401, '{"code": "access_token_invalid"}', access_control_allow_origin="*")

    page = open_browser()
    tabs_of(page, server.url, 1)
    asked = requests_of(page.context)
    with answering(refuse) as third:
        for _ in range(5):
            assert page.evaluate("url => session.fetch(url).then((answer) => answer.status)", third) == 401
    assert got == [None] * 5
    assert asked == []


def test_a_redirect_to_a_third_party_takes_no_token_along(tmp_path: Path, open_browser: OpenBrowser) -> None:
    """Neither to another origin nor, from there, back; within the origin the token stays."""
    got: list[str | None] = []

    def third(handler: BaseHTTPRequestHandler) -> None:
        got.append(handler.headers.get("authorization"))
        allowed = {"access_control_allow_origin": "*", "access_control_allow_headers": "authorization"}
        send(handler, 401, '{"code": "access_token_invalid"}', **allowed)

    with answering(third) as elsewhere:

        def api(handler: BaseHTTPRequestHandler) -> None:
            allowed = {"access_control_allow_origin": "*", "access_control_allow_headers": "authorization"}
            if handler.command == "OPTIONS":
                send(handler, 204, **allowed)
            elif handler.path == "/leads-away":
                send(handler, 302, location=f"{elsewhere}/x", **allowed)
            elif handler.path == "/moved":
                send(handler, 302, location="/there", **allowed)
            else:
                got.append(handler.headers.get("authorization"))
                send(handler, 200, **allowed)

        with answering(api) as listed, LiveServer(tmp_path / "data") as server:
            page = open_browser()
            tabs_of(page, server.url, 1, origins=[listed])
            asked = requests_of(page.context)
            status = "url => session.fetch(url).then((answer) => answer.status)"
            assert page.evaluate(status, f"{listed}/leads-away") == 401
            assert got == [None]
            assert page.evaluate(status, f"{listed}/moved") == 200
            assert (got[1] or "").startswith("Bearer ey")
            assert asked == []


class Front:
    """A front end at an origin of its own."""

    origin: str
    module: str
    options: dict[str, object]


@contextmanager
def app_elsewhere() -> Iterator[Front]:
    front = Front()
    page = lambda handler: send(handler, 200, blank(front.module, **front.options), content_type="text/html")  # noqa: E731
    with answering(page) as origin:
        front.origin = origin
        yield front


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "not listed"])
def test_a_front_end_on_another_port_is_kept_signed_in_if_its_origin_is_listed(
    tmp_path: Path, chromium: Chromium, listed: bool
) -> None:
    with (
        app_elsewhere() as front,
        LiveServer(tmp_path / "data", allowed_origins=front.origin if listed else "") as server,
    ):
        front.module = f"{server.url}/keyturn/client.js"
        front.options = {"baseUrl": server.url, "signInPage": None}
        context = chromium.new_context()
        page = context.new_page()
        page.goto(front.origin + APP)
        if not listed:
            # Not even the module comes.
            page.wait_for_timeout(300)
            assert page.evaluate("globalThis.session === undefined")
        else:
            ready(page)
            sign_up(page)
            server.clock.advance(601)
            status = "url => session.fetch(url).then((answer) => answer.status)"
            assert page.evaluate(status, f"{server.url}/api/v1/auth/me") == 200
            page.reload()
            ready(page)
            assert page.evaluate("session.user.email") == EMAIL
            page.evaluate("session.signOut()")
            page.reload()
            ready(page)
            assert state(page) == "signed-out"
        context.close()


def test_devices_are_signed_out_from_here(server: LiveServer, open_browser: OpenBrowser) -> None:
    page, phone = open_browser(), open_browser()
    tabs_of(page, server.url, 1, signInPage=None)
    serve_app(phone.context, server.url, signInPage=None)
    phone.goto(server.url + APP)
    ready(phone)
    sign_in(phone)
    (other,) = [device for device in page.evaluate("session.devices()") if not device["current"]]
    page.evaluate("id => session.endDevice(id)", other["id"])
    assert me(phone) == 401
    wait_for_state(phone, "signed-out")
    assert events(phone, "signedout") == [{"reason": "revoked", "expected": False}]
    page.evaluate("session.signOutEverywhere()")
    assert events(page, "signedout") == [{"reason": "signed_out_everywhere", "expected": True}]
    assert PASSWORD not in page.content()
    assert state(open_tab(page.context, server.url)) == "signed-out"
