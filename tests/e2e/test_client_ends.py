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
from tests.e2e.people import REFRESH, see_account, see_sign_in
from tests.e2e.people import sign_in as sign_in_by_form
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
from tests.support.proxy import HoldingProxy
from tests.support.server import LiveServer

pytestmark = needs("chromium")

OpenFront = Callable[..., Page]


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
    content = body.encode()
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


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


def test_a_page_of_the_server_and_a_page_with_the_client_are_signed_out_together(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    (app,) = tabs_of(open_browser(), server.url, 1, signInPage=None)
    app.evaluate("session.signOut()")
    page = app.context.new_page()
    sign_in_by_form(page, server.url)
    see_account(page)
    wait_for_state(app, "signed-in")
    page.get_by_role("button", name="Sign out", exact=True).click()
    see_sign_in(page)
    wait_for_state(app, "signed-out")
    sign_in_by_form(page, server.url)
    see_account(page)
    wait_for_state(app, "signed-in")
    app.evaluate("session.signOut()")
    see_sign_in(page)


def test_a_refresh_in_flight_when_another_tab_signs_out_brings_nothing_back(
    server: LiveServer, open_browser: OpenBrowser
) -> None:
    one, two = tabs_of(open_browser(), server.url, 2, signInPage=None)
    held: list[Route] = []
    two.route(REFRESH, lambda route: held.append(route))
    two.evaluate("() => { globalThis.done = session.refresh().catch((error) => error.code); }")
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
    two.route(REFRESH, lambda route: held.append(route), times=1)
    changes = requests_of(two.context, lambda request: request.method == "PATCH")
    two.evaluate(
        """() => { globalThis.done = session.fetch("/api/v1/auth/me", {method: "PATCH", body: '{"full_name": "Alice"}',
          headers: {"content-type": "application/json"}}).then((answer) => answer.status, (error) => error.reason); }"""
    )
    sign_in(one, "bob@example.com")
    wait_for_state(two, "signed-in")
    expect(two.get_by_text("bob@example.com")).to_be_visible()
    assert two.evaluate("done") in {401, "replaced"}
    assert [await_status(request) for request in changes] in ([], [401])
    names = two.evaluate("session.fetch('/api/v1/auth/me').then((a) => a.json()).then((u) => [u.email, u.full_name])")
    assert names == ["bob@example.com", None]


@pytest.mark.parametrize("then", ["signs in as somebody else", "signs out"])
def test_an_answer_that_a_sign_in_or_out_in_another_tab_overtakes_changes_nothing_any_more(
    tmp_path: Path, open_browser: OpenBrowser, then: str
) -> None:
    """Its cookie neither: the browser would put it over the new one, or into a jar that was emptied."""
    with (
        LiveServer(tmp_path / "data") as server,
        HoldingProxy(server.address, "/api/v1/auth/refresh-token") as proxy,
    ):
        with Browser(server.url) as other:
            other.register("bob@example.com")
        one, two = tabs_of(open_browser(), proxy.url, 2, signInPage=None)
        server.clock.advance(601)
        proxy.hold = 1
        two.evaluate("() => { session.refresh().catch(() => {}); }")
        while not proxy.held:
            two.wait_for_timeout(5)
        if then == "signs out":
            one.evaluate("session.signOut()")
        else:
            sign_in(one, "bob@example.com")
        wait_for_state(two, "signed-out" if then == "signs out" else "signed-in")
        two.wait_for_function(
            "email => (session.user?.email ?? null) === email", arg=one.evaluate("session.user?.email")
        )
        left = one.context.cookies()
        proxy.gate.set()
        assert (me(one), me(two)) == ((401, 401) if then == "signs out" else (200, 200))
        assert one.context.cookies() == left
        late = open_tab(one.context, proxy.url)
        assert late.evaluate("session.user?.email") == one.evaluate("session.user?.email")


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


ALLOWED = {"access_control_allow_origin": "*", "access_control_allow_headers": "authorization"}


class Front:
    """A front end at an origin of its own: every page of it is the one with the client."""

    origin: str
    options: dict[str, object]


@contextmanager
def front_end(folder: Path, *, listed: bool = True, **options: object) -> Iterator[tuple[Front, LiveServer]]:
    """A front end on one port, and the server of its sessions on another."""
    front = Front()

    def page(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200, blank(**front.options), content_type="text/html; charset=utf-8")

    with (
        answering(page) as front.origin,
        LiveServer(folder / "data", allowed_origins=front.origin if listed else "") as server,
    ):
        front.options = {"module": f"{server.url}/keyturn/client.js", "baseUrl": server.url, **options}
        yield front, server


@pytest.fixture
def open_front(open_browser: OpenBrowser) -> OpenFront:
    """Opens the front end and signs somebody up there."""

    def opened(front: Front, page: Page | None = None) -> Page:
        page = page or open_browser()
        page.goto(front.origin + APP)
        ready(page)
        sign_up(page)
        return page

    return opened


REMEMBER = """() => addEventListener("pageshow", (event) => {
  window.name = JSON.stringify([event.persisted, document.documentElement.style.visibility]);
})"""
STATUS = "url => session.fetch(url).then((answer) => answer.status)"


def me_at(page: Page, server: LiveServer) -> int:
    status: int = page.evaluate(STATUS, f"{server.url}/api/v1/auth/me")
    return status


def test_a_third_partys_401_neither_gets_a_token_nor_causes_a_refresh(tmp_path: Path, open_front: OpenFront) -> None:
    got: list[str | None] = []

    def refuse(handler: BaseHTTPRequestHandler) -> None:
        got.append(handler.headers.get("authorization"))
        send(handler, 401, '{"code": "access_token_invalid"}', **ALLOWED)

    with front_end(tmp_path) as (front, _), answering(refuse) as third:
        page = open_front(front)
        asked = requests_of(page.context)
        for _ in range(5):
            assert page.evaluate(STATUS, third) == 401
    assert got == [None] * 5
    assert asked == []


def test_a_redirect_to_a_third_party_takes_no_token_along(tmp_path: Path, open_front: OpenFront) -> None:
    """Within a listed origin it stays."""
    got: dict[str, str | None] = {}

    def third(handler: BaseHTTPRequestHandler) -> None:
        got[handler.path] = handler.headers.get("authorization")
        send(handler, 401, '{"code": "access_token_invalid"}', **ALLOWED)

    def listed(handler: BaseHTTPRequestHandler) -> None:
        moved = {"/leads-away": f"{elsewhere}/away", "/moved": "/there"}
        if handler.command == "OPTIONS":
            send(handler, 204, **ALLOWED)
        elif handler.path in moved:
            send(handler, 302, location=moved[handler.path], **ALLOWED)
        else:
            got[handler.path] = handler.headers.get("authorization")
            send(handler, 200, **ALLOWED)

    with (
        answering(third) as elsewhere,
        answering(listed) as api,
        front_end(tmp_path, origins=[api]) as (front, _),
    ):
        page = open_front(front)
        asked = requests_of(page.context)
        assert page.evaluate(STATUS, f"{api}/leads-away") == 401
        assert page.evaluate(STATUS, f"{api}/moved") == 200
    assert got["/away"] is None
    assert str(got["/there"]).startswith("Bearer ey")
    assert asked == []


def test_the_back_button_after_a_sign_out_shows_nothing(
    tmp_path: Path, chromium_that_remembers: Chromium, open_front: OpenFront
) -> None:
    """C16: what the tabs tell each other throws pages out of the back/forward cache, too."""
    with front_end(tmp_path, signInPage=f"{APP}/sign-in") as (front, _):
        page = open_front(front, chromium_that_remembers.new_page())
        page.goto(f"{front.origin}{APP}/other")
        ready(page)
        page.evaluate("session.signOut()")
        page.go_back()
        ready(page)
        assert (state(page), events(page, "signedin")) == ("signed-out", [])
        assert EMAIL not in page.content()
        page.context.close()


def test_a_page_from_the_back_forward_cache_is_hidden_until_the_server_has_told(
    tmp_path: Path, chromium_that_remembers: Chromium, open_front: OpenFront
) -> None:
    with front_end(tmp_path, signInPage=f"{APP}/sign-in") as (front, server):
        page = open_front(front, chromium_that_remembers.new_page())
        page.evaluate(REMEMBER)
        for ended in (False, True):
            page.goto(f"{front.origin}{APP}/other")
            ready(page)
            if ended:
                with Browser(server.url) as phone:
                    phone.login()
                    phone.call("POST", "/logout-all", bearer=phone.access_token)
            page.evaluate("() => { history.back() }")
            if not ended:
                page.wait_for_url(front.origin + APP, wait_until="commit")
                page.wait_for_function("document.documentElement.style.visibility === ''")
                assert me_at(page, server) == 200
            else:
                page.wait_for_url("**/sign-in?*")
                assert where(page)[1] == {"reason": ["signed_out_everywhere"], "return_to": [APP]}
            assert json.loads(page.evaluate("name")) == [True, "hidden"]
        page.context.close()


def test_a_page_from_the_back_forward_cache_says_why_it_is_empty_while_the_network_is_gone(
    tmp_path: Path, chromium_that_remembers: Chromium, open_front: OpenFront
) -> None:
    """Nothing of the account; a sentence and a button, until the server has told."""
    with front_end(tmp_path, signInPage=f"{APP}/sign-in") as (front, server):
        page = open_front(front, chromium_that_remembers.new_page())
        page.goto(f"{front.origin}{APP}/other")
        ready(page)
        page.context.set_offline(True)
        page.evaluate("() => { history.back() }")
        page.wait_for_url(front.origin + APP, wait_until="commit")
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer just now.")
        assert page.evaluate("getComputedStyle(document.body).visibility") == "hidden"
        assert page.evaluate("document.elementFromPoint(20, 20).role") == "alert"
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Try again")).to_be_focused()
        page.context.set_offline(False)
        page.wait_for_function("document.documentElement.style.visibility === ''")
        expect(page.get_by_role("alert")).to_have_count(0)
        expect(page.get_by_text(EMAIL)).to_be_visible()
        assert me_at(page, server) == 200
        page.context.close()


def test_a_front_end_on_another_port_is_kept_signed_in_if_its_origin_is_listed(
    tmp_path: Path, open_front: OpenFront
) -> None:
    with front_end(tmp_path, signInPage=None) as (front, server):
        page = open_front(front)
        server.clock.advance(601)
        assert me_at(page, server) == 200
        page.reload()
        ready(page)
        assert page.evaluate("session.user.email") == EMAIL
        page.evaluate("session.signOut()")
        page.reload()
        ready(page)
        assert state(page) == "signed-out"


def test_a_front_end_whose_origin_is_not_listed_is_not_even_given_the_client(
    tmp_path: Path, chromium: Chromium
) -> None:
    with front_end(tmp_path, listed=False) as (front, _):
        page = chromium.new_page()
        with page.expect_event("requestfailed", lambda request: request.url.endswith("/client.js")):
            page.goto(front.origin + APP)
        assert page.evaluate("globalThis.session === undefined")
        page.context.close()


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
