"""What the pages answer whatever comes: when they ask by their script, headers, static files, failures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import httpx2
import pytest
from tests.support.client import PASSWORD
from tests.support.faults import FailingDatabase
from tests.support.pages import ACCESS, NAVIGATION, REFRESH, Person, is_home, kind_of, words_of
from tests.support.server import LiveServer
from tests.support.wire import Wire

from keyturn.core.model import Session
from keyturn.core.rotation import child_of
from keyturn.ports import Transaction
from keyturn.service.context import Context

T = TypeVar("T")

FORM = ("content-type", "application/x-www-form-urlencoded")


@pytest.fixture
def person(shared_server: LiveServer, email: str) -> Iterator[Person]:
    """Somebody who is signed in."""
    with Person(shared_server.url) as client:
        client.sign_up(email)
        yield client


@pytest.fixture
def stranger(shared_server: LiveServer) -> Iterator[Person]:
    with Person(shared_server.url) as client:
        yield client


def row_of(server: LiveServer, session_id: str) -> Session:
    return server.context.database.read(lambda tx: tx.sessions.load_many([session_id])[session_id])


def test_without_an_access_cookie_but_with_a_live_session_the_page_asks_by_its_script(
    shared_server: LiveServer, person: Person
) -> None:
    session_id = person.call("GET", "/sessions").json()["sessions"][0]["id"]
    person.forget(ACCESS)
    before = row_of(shared_server, session_id)
    for _ in range(3):
        page = person.open()
        assert kind_of(page) == "moment"
        assert 'data-refresh="/api/v1/auth/refresh-token" data-timeout="10.0"' in page.text
    assert row_of(shared_server, session_id) == before, "a navigation refreshes nothing"
    assert person.refresh().status_code == 200
    assert kind_of(person.open()) == "signed-in"


def test_a_page_that_asks_has_the_form_for_whoever_runs_no_scripts(person: Person) -> None:
    person.forget(ACCESS)
    for_them = person.open().text.partition("<noscript>")[2].partition("</noscript>")[0]
    assert "Scripts are switched off" in for_them
    assert 'action="/sign-in"' in for_them
    assert 'href="/sign-up"' in for_them


@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", "none"])
def test_only_from_another_site_a_browser_without_cookies_may_be_signed_in_all_the_same(
    person: Person, site: str
) -> None:
    person.forget(REFRESH)
    assert kind_of(person.open(site=site)) == "signed-in"
    person.forget(ACCESS)
    assert kind_of(person.open(site=site)) == ("moment" if site == "cross-site" else "signed-out")


def test_an_old_browser_that_does_not_say_where_it_comes_from_gets_the_forms(shared_server: LiveServer) -> None:
    with Person(shared_server.url, headers={}) as old:
        assert kind_of(old.get("/")) == "signed-out"


def test_the_session_of_an_application_is_not_the_pages_and_the_page_says_so(person: Person, email: str) -> None:
    person.login(email)
    page = person.open()
    assert kind_of(page) == "signed-out"
    assert "An application of this site is signed in here" in words_of(page)
    assert person.refresh().status_code == 200


def test_a_refresh_cookie_that_is_not_ours_means_nothing(stranger: Person, person: Person) -> None:
    good = person.cookies[REFRESH]
    for bad in ("", "garbage", f"{good[:-4]}AAAA", person.cookies[ACCESS]):
        stranger.cookies.set(REFRESH, bad)
        for site in ("none", "cross-site"):
            assert kind_of(stranger.open(site=site)) == "signed-out"


def test_a_signed_token_with_the_seed_of_another_session_learns_nothing_of_this_one(
    shared_server: LiveServer, stranger: Person, person: Person
) -> None:
    session = row_of(shared_server, person.call("GET", "/sessions").json()["sessions"][0]["id"])
    token = child_of(session)._replace(seed="0" * 24)
    stranger.cookies.set(REFRESH, shared_server.context.tokens.mint_refresh(token, session))
    for forms in (stranger.open(), (person.submit("/sign-out"), stranger.open())[1]):
        assert kind_of(forms) == "signed-out"
        assert "You were signed out" not in forms.text


def test_the_page_says_when_it_needs_the_next_access_token(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", access_ttl="2m") as live, Person(live.url) as person:
        person.sign_up()
        live.clock.advance(30.25)
        assert 'data-expires-in="89.75"' in person.open().text


def all_kinds(person: Person) -> dict[str, Callable[[], httpx2.Response]]:
    return {
        "signed-in": person.open,
        "form after a mistake": lambda: person.submit("/sign-in", login="x", password="y"),
        "redirect": lambda: person.submit("/devices/x/end", headers={"cookie": ""}),
        "not found": lambda: person.open("/nothing"),
        "method": lambda: person.open("/sign-out"),
        "moment": lambda: (person.forget(ACCESS), person.open())[1],
        "signed-out": lambda: (person.cookies.clear(), person.open())[1],
    }


def test_no_page_is_kept_or_framed_or_runs_anything_but_our_script(person: Person) -> None:
    for kind, ask in all_kinds(person).items():
        answer = ask()
        assert answer.headers.get_list("cache-control") == ["no-store"], kind
        (policy,) = answer.headers.get_list("content-security-policy")
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert (rules["default-src"], rules["frame-ancestors"], rules["base-uri"]) == ("'none'",) * 3
        assert "unsafe" not in policy
        if kind != "redirect":
            assert (rules["script-src"], rules["style-src"], rules["form-action"]) == ("'self'",) * 3
            # With `no-referrer` a browser would send forms with the origin `null`.
            assert answer.headers.get_list("referrer-policy") == ["same-origin"], kind
            assert not re.search(r"<style|style=|<script>| on\w+=|javascript:", answer.text)


def test_static_files_are_kept_for_ever_and_their_address_is_that_of_their_content(stranger: Person) -> None:
    paths = set(re.findall(r'"(/static/[^"]+)"', stranger.open().text))
    types = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
    assert len(paths) == 3
    for path in paths:
        answer = stranger.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == types[path[path.rindex(".") :]]
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers.get_list("vary") == ["Origin"]
        assert stranger.get(re.sub("[0-9a-f]{12}", "0" * 12, path)).status_code == 404
        assert "://" not in answer.text.replace("http://www.w3.org/2000/svg", "")


def test_head_is_get_without_the_body(wire: Wire) -> None:
    got, head = wire.call("GET", "//"), wire.call("HEAD", "//")
    assert (got.status, head.status, head.body) == (200, 200, b"")
    assert head.values("content-length") == got.values("content-length")


@pytest.mark.parametrize("path", ["/profile", "/email", "/password", "/close"])
def test_the_address_that_a_form_leaves_behind_leads_home_when_it_is_opened_again(stranger: Person, path: str) -> None:
    assert is_home(stranger.open(path))


PAGES = [("GET", "//nothing", 404), ("GET", "//sign-out", 405), ("PUT", "//", 405), ("POST", "//healthz", 405)]


@pytest.mark.parametrize(("method", "path", "status"), PAGES)
def test_whoever_reads_pages_gets_a_page_and_every_program_a_problem(
    wire: Wire, method: str, path: str, status: int
) -> None:
    page = wire.call(method, path, headers=list(NAVIGATION.items()))
    problem = wire.call(method, path, headers=[("accept", "*/*")])
    assert page.status == problem.status == status
    assert page.values("content-type") == ["text/html; charset=utf-8"]
    assert page.values("allow") == problem.values("allow")
    assert b"Go to the first page" in page.body
    assert problem.values("content-type") == ["application/problem+json"]


def test_the_api_answers_programs_whatever_they_say_they_read(wire: Wire) -> None:
    for path in ("/nothing", "/me", "/login"):
        answer = wire.call("GET", path, headers=list(NAVIGATION.items()))
        assert answer.values("content-type") == ["application/problem+json"]


def test_another_host_and_too_many_headers_are_pages_too(wire: Wire) -> None:
    strange = wire.send(b"GET / HTTP/1.1\r\nhost: evil.example.org\r\naccept: text/html\r\n\r\n")
    many = b"".join(b"x-%d: y\r\n" % number for number in range(70))
    large = wire.send(b"GET / HTTP/1.1\r\nhost: localhost\r\naccept: text/html\r\n" + many + b"\r\n")
    for answer, status in ((strange, 421), (large, 431)):
        assert (answer.status, answer.values("content-type")) == (status, ["text/html; charset=utf-8"])


def test_a_cookie_that_came_twice_is_explained(wire: Wire) -> None:
    sent = [("cookie", f"{REFRESH}=a; {REFRESH}=b"), *NAVIGATION.items()]
    answer = wire.call("GET", "//", headers=sent)
    assert answer.status == 400
    assert b"Delete the cookies of this site" in answer.body


def test_while_the_database_is_away_nothing_is_lost_and_a_page_says_so(tmp_path: Path) -> None:
    broken: list[FailingDatabase] = []

    def wrap(context: Context) -> Context:
        broken.append(FailingDatabase(context.database))
        return replace(context, database=broken[0])

    with LiveServer(tmp_path / "data", wrap=wrap) as live, Person(live.url) as person:
        person.sign_up("alice@example.com")
        broken[0].away = True
        page = person.open()
        assert (page.status_code, kind_of(page), page.headers["retry-after"]) == (503, "plain", "1")
        assert "You stay signed in" in words_of(page)
        again = person.submit("/sign-in", login="alice@example.com", password=PASSWORD)
        assert (again.status_code, kind_of(again), again.headers["retry-after"]) == (503, "signed-out", "1")
        assert "alice@example.com" in words_of(again)
        assert again.headers.get_list("set-cookie") == []
        broken[0].away = False
        assert kind_of(person.open()) == "signed-in"


def test_a_fault_of_ours_is_a_page_with_a_number_to_report(tmp_path: Path) -> None:
    class Broken(FailingDatabase):
        def read(self, work: Callable[[Transaction], T]) -> T:
            if self.away:
                raise RuntimeError("not foreseen")
            return super().read(work)

    broken: list[Broken] = []

    def wrap(context: Context) -> Context:
        broken.append(Broken(context.database))
        return replace(context, database=broken[0])

    with LiveServer(tmp_path / "data", wrap=wrap) as live, Wire(live.address) as wire:
        broken[0].away = True
        sent = wire.connect()
        head = "".join(f"{name}: {value}\r\n" for name, value in NAVIGATION.items())
        body = "login=a&password=b"
        sent.sendall(
            f"POST /sign-in HTTP/1.1\r\nhost: localhost\r\n{head}content-type: {FORM[1]}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n{body}".encode()
        )
        answer = b"".join(iter(lambda: sent.recv(65_536), b"")).decode()
    number = re.search(r"x-request-id: (\w+)", answer)
    assert number
    assert answer.startswith("HTTP/1.1 500")
    assert f"<code>{number[1]}</code>" in answer
    assert "not foreseen" not in answer
