"""Keyturn at https://app.example.test: what pages of a sibling (evil.example.test) and of another site (other.test) can do."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser as Chromium
from playwright.sync_api import BrowserContext, Page, expect
from tests.e2e.people import see_account, see_sign_in, sign_in
from tests.support.client import EMAIL, PASSWORD
from tests.support.programs import needs
from tests.support.server import LiveServer
from tests.support.tls import Certificate, TlsFront, make_certificate

pytestmark = needs("chromium")

APP, SIBLING, OTHER = "app.example.test", "evil.example.test", "other.test"
COOKIE = "__Host-keyturn_refresh"
MALLORY = "mallory@example.com"
STRANGERS = {SIBLING: "same-site", OTHER: "cross-site"}
"""What a browser says of each."""


REGISTER = """body => fetch("/api/v1/auth/register",
  {method: "POST", body, headers: {"content-type": "application/json"}}).then((answer) => answer.text())"""


@dataclass
class Town:
    """The server, its name, and the sites around it.

    Attributes:
        url: of Keyturn.
        open: makes a browser with cookies of its own, and a page in it.
    """

    server: LiveServer
    front: TlsFront
    url: str
    open: Callable[[], Page]

    def visit(self, page: Page, host: str, html: str, *cookies: str) -> None:
        """Lure somebody to a page of somebody else.

        Args:
            cookies: that come with it.
        """
        page.goto(self.front.show(host, "/", html, *cookies), wait_until="commit")

    def call(self, path: str, **body: str) -> httpx2.Response:
        """Call the API past the front, as the front does."""
        headers = {"host": self.url.removeprefix("https://"), "x-forwarded-proto": "https"}
        return httpx2.post(f"{self.server.url}/api/v1/auth{path}", json=body, headers=headers, timeout=30)

    def join(self, email: str) -> dict[str, str]:
        """An account for somebody who is signed in to it: the cookies, by name."""
        return dict(self.call("/register", email=email, password=PASSWORD, delivery="cookie").cookies)

    def alice(self) -> Page:
        """Her browser, in which she has just made her account."""
        page = self.open()
        page.goto(self.front.show(APP, "/app", "An application"))
        body = {"email": EMAIL, "password": PASSWORD, "delivery": "cookie"}
        page.evaluate(REGISTER, json.dumps(body))
        return page


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"), "*.example.test", OTHER)


@pytest.fixture(scope="module")
def chromium_in_town(launch: Callable[..., Chromium], certificate: Certificate) -> Chromium:
    """Finds all names on this machine, and believes this certificate alone."""
    return launch(
        "--host-resolver-rules=MAP *.test 127.0.0.1", f"--ignore-certificate-errors-spki-list={certificate.spki}"
    )


@pytest.fixture
def town(tmp_path: Path, chromium_in_town: Chromium, certificate: Certificate) -> Iterator[Town]:
    contexts: list[BrowserContext] = []

    def opened() -> Page:
        contexts.append(chromium_in_town.new_context())
        contexts[-1].set_default_timeout(20_000)
        return contexts[-1].new_page()

    with TlsFront(certificate) as front:
        url = front.at(APP)
        with LiveServer(tmp_path / "data", issuer=url, trusted_proxies=["127.0.0.1"]) as server:
            front.upstream = server.address
            yield Town(server, front, url, opened)
            for context in contexts:
                context.close()


def jar(context: BrowserContext) -> dict[str, str]:
    """Keyturn's own cookies."""
    return {found["name"]: found["value"] for found in context.cookies() if found["domain"] == APP}


def refreshed(page: Page) -> tuple[int, dict[str, Any]]:
    """What a refresh by a page of Keyturn's comes to."""
    script = "fetch('/api/v1/auth/refresh-token', {method: 'POST'}).then(async (a) => [a.status, await a.json()])"
    status, body = page.evaluate(script)
    return status, body


def planted(values: dict[str, str]) -> list[str]:
    """Cookies that try to pass for Keyturn's own, in all places where a sibling may put them, or tries to."""
    scopes = ["Path=/", "Path=/; Domain=example.test", "Path=/api; Domain=example.test", f"Path=/; Domain={APP}"]
    cookies = []
    for prefixed, value in values.items():
        plain = prefixed.removeprefix("__Host-")
        # The last two are names that a careless reader trims, or finds in a cookie that has none.
        for name in (plain, prefixed, f"__Secure-{plain}", f"\xa0{prefixed}", f"={prefixed}"):
            cookies += [f"{name}={value}; Secure; {scope}" for scope in scopes]
    return cookies


PLANT = "cookies => { for (const cookie of cookies) document.cookie = cookie; }"


def test_a_sibling_that_plants_cookies_signs_nobody_in_as_somebody_else(town: Town) -> None:
    """C1, row 45: by its answer and by a script. The server is sent them, and does not take them for its own."""
    cookies = planted(town.join(MALLORY))
    page = town.alice()
    own = jar(page.context)
    with page.expect_request(f"{town.front.at(SIBLING)}/") as lured:
        town.visit(page, SIBLING, "A page", *(cookie for cookie in cookies if cookie.isascii()))
    assert "cookie" not in lured.value.all_headers(), "ours go to no sibling"
    page.evaluate(PLANT, cookies)
    with page.expect_request(f"{town.url}/") as asked:
        page.goto(town.url)
    sent = asked.value.all_headers()["cookie"].split("; ")
    assert any(cookie.startswith("keyturn_refresh=") for cookie in sent)
    assert sorted(cookie for cookie in sent if cookie.startswith("__Host-")) == sorted(map("=".join, own.items()))
    see_account(page)
    expect(page.get_by_text(EMAIL).first).to_be_visible()
    status, body = refreshed(page)
    assert (status, body["user"]["email"]) == (200, EMAIL)


def test_a_sibling_that_overflows_the_cookie_jar_signs_out_and_nothing_else(town: Town) -> None:
    """Rows 44 and 45: what it plants in place of ours signs nobody in, and is no hindrance to a sign-in."""
    stolen = town.join(MALLORY)
    page = town.alice()
    other = page.context.new_page()
    town.visit(other, SIBLING, "A page")
    while COOKIE in jar(page.context):
        other.evaluate(PLANT, [f"c{i}=x; Secure; Path=/; Domain=example.test" for i in range(400)])
    other.evaluate(PLANT, planted(stolen))
    page.goto(town.url)
    see_sign_in(page)
    assert refreshed(page)[1]["code"] == "refresh_token_missing"
    sign_in(page, town.url)
    see_account(page)
    assert refreshed(page)[1]["user"]["email"] == EMAIL


def test_cookies_too_big_to_be_read_are_told_in_words(town: Town) -> None:
    page = town.alice()
    town.visit(page, SIBLING, "A page")
    page.evaluate(PLANT, [f"b{i}={'x' * 2000}; Secure; Path=/; Domain=example.test" for i in range(12)])
    page.goto(town.url)
    expect(page.get_by_role("heading", name="Too many cookies")).to_be_visible()
    expect(page.get_by_text("Delete the cookies of this site")).to_be_visible()
    page.context.clear_cookies(domain=".example.test")
    page.goto(town.url)
    see_account(page)


def form(target: str, fields: dict[str, str], enctype: str = "application/x-www-form-urlencoded") -> str:
    """A page with a form that sends itself off."""
    inputs = "".join(f"<input type=hidden name='{name}' value='{value}'>" for name, value in fields.items())
    sending = "<script>document.forms[0].submit()</script>"
    return f"<form method=post action='{target}' enctype='{enctype}'>{inputs}</form>{sending}"


FORMS: dict[str, dict[str, str]] = {
    "/sign-in": {"login": MALLORY, "password": PASSWORD},
    "/sign-out": {},
    "/password": {"current_password": PASSWORD, "new_password": "chosen by somebody else"},
}


def see_it_unchanged(town: Town, page: Page, before: dict[str, str]) -> None:
    """Signed in with the same cookies, nowhere else, and by the same password."""
    assert jar(page.context) == before
    page.goto(town.url)
    see_account(page)
    expect(page.get_by_text(EMAIL).first).to_be_visible()
    expect(page.get_by_role("listitem")).to_have_count(1)
    assert town.call("/login", login=EMAIL, password=PASSWORD).status_code == 200


def test_a_form_that_sends_itself_off_elsewhere_is_refused_in_words_and_does_nothing(town: Town) -> None:
    """Rows 46 and 47: a sibling's requests come with every cookie, so that none of them protects against it."""
    town.join(MALLORY)
    page = town.alice()
    before = jar(page.context)
    for stranger, site in STRANGERS.items():
        for path, fields in FORMS.items():
            with page.expect_response(town.url + path) as answer:
                town.visit(page, stranger, form(town.url + path, fields))
            expect(page.get_by_role("heading", name="Nothing was done")).to_be_visible()
            sent = answer.value.request.all_headers()
            assert (answer.value.status, sent["sec-fetch-site"]) == (403, site), path
            assert (COOKIE in sent.get("cookie", "")) == (stranger == SIBLING)
            assert "set-cookie" not in answer.value.all_headers()
    see_it_unchanged(town, page, before)


def test_neither_a_form_nor_a_script_elsewhere_gets_anything_out_of_the_api(town: Town) -> None:
    """Rows 46, 47 and 50: with what a form can make of JSON, and with what a script may send without asking."""
    page = town.alice()
    before = jar(page.context)
    failures: list[str | None] = []
    page.on("requestfailed", lambda request: failures.append(request.failure))
    for stranger, call in product(STRANGERS, ("/login", "/logout")):
        target = f"{town.url}/api/v1/auth{call}"
        html = form(target, {'{"login": "': f'", "password": "{PASSWORD}"}}'}, "text/plain")
        with page.expect_response(target) as answer:
            town.visit(page, stranger, html)
        page.wait_for_url(target)
        assert answer.value.status == 403
        assert json.loads(page.inner_text("body"))["code"] == "cross_origin"
        town.visit(page, stranger, "A page")
        assert page.evaluate(CALL, target) == ["TypeError"] * 3
    # Neither those that nobody may read, nor those that nobody could.
    assert set(failures) == {"net::ERR_FAILED", "net::ERR_BLOCKED_BY_RESPONSE.NotSameOrigin"}
    see_it_unchanged(town, page, before)


CALL = """async (url) => {
  const seen = [];
  for (const more of [{mode: "no-cors"}, {}, {headers: {"content-type": "application/json"}}])
    await fetch(url, {method: "POST", body: "{}", credentials: "include", ...more}).then(
      async (answer) => seen.push(answer.type + await answer.text()), (error) => seen.push(error.name));
  return seen;
}"""


def test_nobody_is_signed_in_to_somebody_elses_account_from_elsewhere(town: Town) -> None:
    """Row 49: login CSRF, for somebody who is signed in nowhere."""
    town.join(MALLORY)
    page = town.open()
    town.visit(page, SIBLING, form(f"{town.url}/sign-in", FORMS["/sign-in"]))
    expect(page.get_by_role("heading", name="Nothing was done")).to_be_visible()
    assert jar(page.context) == {}


def test_a_page_elsewhere_shows_no_page_of_ours_in_a_frame(town: Town) -> None:
    """Row 52."""
    page = town.alice()
    for stranger in STRANGERS:
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            town.visit(page, stranger, f"<iframe src='{town.url}'></iframe>")
        while not (shown := [frame.url for frame in page.frames[1:] if frame.url]):
            page.wait_for_timeout(10)
        assert shown == ["chrome-error://chromewebdata/"]


def test_a_form_from_a_frame_without_an_origin_does_nothing(town: Town) -> None:
    """Row 48."""
    page = town.alice()
    before = jar(page.context)
    inner = form(f"{town.url}/sign-out", {}).replace('"', "&quot;")
    town.visit(page, SIBLING, f'<iframe sandbox="allow-scripts allow-forms" srcdoc="{inner}"></iframe>')
    while not (posted := [both for both in town.front.passed_on if both[0].startswith(b"POST /sign-out ")]):
        page.wait_for_timeout(10)
    ((request, answer),) = posted
    assert b"\r\nOrigin: null\r\n" in request
    assert answer.startswith(b"HTTP/1.1 403 ")
    see_it_unchanged(town, page, before)


PLANT_AND_TELL = """async (cookies) => {
  for (const cookie of cookies) document.cookie = cookie;
  await cookieStore.set({name: "__Host-Http-keyturn", value: "x"}).catch(() => {});
  return document.cookie;
}"""


def test_a_foreign_script_in_a_page_of_ours_replaces_none_of_our_cookies(town: Town) -> None:
    """Row 86: a browser lets no script write over them, and a name that promises HttpOnly is refused to scripts."""
    stolen = town.join(MALLORY)
    page = town.alice()
    own = jar(page.context)
    cookies = [f"{name}={value}; Secure; Path=/" for name, value in stolen.items()]
    seen = page.evaluate(
        PLANT_AND_TELL, [*cookies, "__Host-Http-keyturn=x; Secure; Path=/", "__Http-keyturn=x; Secure"]
    )
    assert seen == ""
    assert jar(page.context) == own
    assert refreshed(page)[1]["user"]["email"] == EMAIL
