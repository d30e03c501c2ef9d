"""What forms may hold and where they may come from; nothing that is typed becomes markup or a header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, product
from urllib.parse import quote

import pytest
from tests.http.test_origin import ORIGINS, SITES, passes, said
from tests.support.client import PASSWORD
from tests.support.pages import NAVIGATION, Person, words_of
from tests.support.server import LiveServer
from tests.support.wire import Wire

FORM = ("content-type", "application/x-www-form-urlencoded")
FORMS = ("/sign-in", "/sign-up", "/sign-out", "/sign-out-everywhere", "/password", "/devices/x/end")


@pytest.fixture
def stranger(shared_server: LiveServer) -> Iterator[Person]:
    with Person(shared_server.url) as client:
        yield client


@pytest.fixture
def person(stranger: Person, email: str) -> Person:
    """Somebody who is signed in."""
    stranger.sign_up(email)
    return stranger


@pytest.mark.parametrize("path", FORMS)
def test_a_form_passes_by_the_same_rules_as_a_call(public: Wire, path: str) -> None:
    for site, origin in product(SITES, ORIGINS):
        answer = public.call("POST", f"/{path}", headers=[*said(site, origin), FORM], body=b"")
        assert (b"cross_origin" in answer.body) != passes(site, origin)
    from_elsewhere = [*said("cross-site", "null"), *NAVIGATION.items(), FORM]
    answer = public.call("POST", f"/{path}", headers=from_elsewhere, body=b"\xff not read")
    assert answer.status == 403
    assert b"This form was sent from another site" in answer.body


def test_forms_from_elsewhere_change_nothing(person: Person, email: str) -> None:
    there = {"sec-fetch-site": "same-site", "origin": "https://evil.example.org"}
    session_id = person.call("GET", "/sessions").json()["sessions"][0]["id"]
    for path, fields in (
        ("/sign-out", {}),
        ("/sign-out-everywhere", {}),
        (f"/devices/{session_id}/end", {}),
        ("/sign-in", {"login": email, "password": PASSWORD}),
        ("/sign-up", {"email": f"x{email}", "password": PASSWORD}),
    ):
        answer = person.submit(path, headers=there, **fields)
        assert answer.status_code == 403
        assert answer.headers.get_list("set-cookie") == []
    assert person.refresh().status_code == 200


STRICT = {
    "a field twice": (b"login=a&login=b&password=c", [FORM], 400),
    "half an escape": (b"login=%4&password=c", [FORM], 400),
    "no escape": (b"login=%zz&password=c", [FORM], 400),
    "text that is not UTF-8": (b"login=%ff&password=c", [FORM], 400),
    "a surrogate": (b"login=%ed%a0%80&password=c", [FORM], 400),
    "bytes outside ASCII": ("login=ä&password=c".encode(), [FORM], 400),
    "a line break": (b"login=a\r\n&password=c", [FORM], 400),
    "no equals sign": (b"login&password=c", [FORM], 400),
    "nothing between": (b"login=a&&password=c", [FORM], 400),
    "too many fields": (b"&".join(b"f%d=" % number for number in range(17)), [FORM], 400),
    "semicolons between": (b"login=a;password=c", [FORM], 422),
    "more than 16 KiB": (b"login=" + b"a" * 16_384, [FORM], 413),
    "JSON": (b'{"login": "a", "password": "c"}', [("content-type", "application/json")], 415),
    "plain text": (b"login=a&password=c", [("content-type", "text/plain")], 415),
    "several parts": (b"--x--", [("content-type", "multipart/form-data; boundary=x")], 415),
    "no type": (b"login=a&password=c", [], 415),
    "another charset": (b"login=a&password=c", [(FORM[0], f"{FORM[1]}; charset=utf-16")], 415),
    "two types": (b"login=a&password=c", [FORM, FORM], 415),
    "an encoding": (b"login=a&password=c", [FORM, ("content-encoding", "gzip")], 415),
    "the charset in words": (b"login=a&password=c", [(FORM[0], f"{FORM[1]}; charset=UTF-8")], 401),
    "an escaped plus": (b"login=a%2Bb+c&password=c", [FORM], 401),
}


@pytest.mark.parametrize("body", STRICT)
def test_a_form_is_read_strictly(wire: Wire, body: str) -> None:
    sent, headers, status = STRICT[body]
    answer = wire.call("POST", "//sign-in", headers=headers, body=sent)
    assert answer.status == status, answer
    if status == 401:
        assert body != "an escaped plus" or b'value="a+b c"' in answer.body
    elif status != 422:
        assert answer.values("content-type") == ["application/problem+json"]


HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "</title></noscript><svg/onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&#x3c;",
    "javascript:alert(1)",
    "'; DROP TABLE users; --",
)
_addresses = (f"hostile{number}@example.com" for number in count())


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_type_is_shown_as_they_typed_it_and_is_never_markup(stranger: Person, text: str) -> None:
    stranger.headers["user-agent"] = f"{text} Firefox/1"
    stranger.sign_up(next(_addresses), full_name=text)
    page = stranger.open()
    again = stranger.submit("/sign-in", login=text, password=PASSWORD)
    unknown = stranger.submit("/sign-in", **{text: text})
    nowhere = [stranger.submit(f"/devices/{quote(text, safe='')}/end"), stranger.open(f"/?{quote(text)}")]
    for shown in (page, again):
        assert text in words_of(shown)
    for answer in (page, again, unknown, *nowhere):
        assert not re.search(r"<(script(?! type=\"module\" src=\"/static/)|svg|img(?! src=\"/static/)|b>)", answer.text)
        assert len(re.findall("<script", answer.text)) == 1
        assert "onerror=alert(1)>" not in answer.text


def test_no_text_of_a_request_gets_into_the_headers_of_an_answer(stranger: Person) -> None:
    for text in ("\r\nset-cookie: a=b", "\nlocation: https://evil.example.org", "https://evil.example.org"):
        for answer in (
            stranger.submit("/sign-in", login=text, password=text, next=text),
            stranger.submit(f"/sign-out?next={quote(text)}"),
            stranger.open(f"/sign-in?next={quote(text)}"),
        ):
            assert "evil" not in str(answer.headers)
            assert "a" not in answer.cookies
            assert answer.headers.get("location", "/") == "/"
