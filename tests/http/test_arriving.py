"""Coming to the sign-in page from elsewhere on the site: why, in words, and the way back, which never leaves the site."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from tests.support.client import PASSWORD
from tests.support.pages import Person, is_home, kind_of, words_of
from tests.support.server import LiveServer

from keyturn.web import words

HERE = ["/", "/app", "/app/tours?page=2&q=a%20b#top", "/%C3%A4", "/a?next=https://example.org/", "/?//", "/:80"]

ELSEWHERE = [
    "",
    "app",
    "https://evil.example",
    "HTTPS:evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "/\n/evil.example",
    "/\r\nlocation: https://evil.example",
    "/\x00",
    " //evil.example",
    "/ /evil.example",
    "/%2f/evil.example",
    "/%2Fevil.example",
    "/%5cevil.example",
    "/%09/evil.example",
    "/%0d%0aset-cookie:a=b",
    "/.//evil.example",
    "/a/..//evil.example",
    "/app\\..\\evil",
    "javascript:alert(1)",
    "data:text/html,x",
    "@evil.example",
    "?//evil.example",
    "#//evil.example",
    "/／evil.example",
    "／／evil.example",
    "/ä",
    "/" + "a" * 2048,
]


@pytest.fixture
def stranger(shared_server: LiveServer) -> Iterator[Person]:
    with Person(shared_server.url) as client:
        yield client


def asking_for(path: str) -> str:
    return f"/sign-in?return_to={quote(path, safe='')}"


@pytest.mark.parametrize("path", HERE, ids=range(len(HERE)))
def test_whoever_signs_up_or_in_goes_back_to_where_they_were(stranger: Person, email: str, path: str) -> None:
    page = stranger.open(asking_for(path))
    assert 'name="return_to"' in page.text
    assert path in words_of(page).replace("&amp;", "&")
    for form in (
        lambda: stranger.submit("/sign-up", email=email, password=PASSWORD, return_to=path),
        lambda: stranger.submit("/sign-in", login=email, password=PASSWORD, return_to=path),
    ):
        answer = form()
        assert (answer.status_code, answer.headers.get_list("location")) == (303, [path])


@pytest.mark.parametrize("path", ELSEWHERE, ids=range(len(ELSEWHERE)))
def test_no_way_back_leads_off_the_site(stranger: Person, email: str, path: str) -> None:
    """CWE-601."""
    assert "return_to" not in stranger.open(asking_for(path)).text
    failed = stranger.submit("/sign-in", login=email, password="wrong", return_to=path)
    assert "return_to" not in failed.text
    assert is_home(stranger.submit("/sign-up", email=email, password=PASSWORD, return_to=path))
    assert is_home(stranger.submit("/sign-in", login=email, password=PASSWORD, return_to=path))
    assert "Go back to where you were" not in words_of(stranger.open(asking_for(path)))


def test_the_way_back_outlives_a_mistake_and_the_way_to_the_other_form(stranger: Person) -> None:
    wrong = stranger.submit("/sign-in", login="nobody", password="nothing", return_to="/app?a=1&b=2")
    assert 'name="return_to" value="/app?a=1&amp;b=2"' in wrong.text
    assert 'href="/sign-up?return_to=/app%3Fa%3D1%26b%3D2"' in wrong.text
    assert 'value="/app?a=1&amp;b=2"' in stranger.open("/sign-up?return_to=/app%3Fa%3D1%26b%3D2").text


def test_whoever_is_signed_in_already_is_offered_the_way_back_and_not_sent(stranger: Person, email: str) -> None:
    """To be sent at once might go round in circles, where the page there has nobody signed in."""
    stranger.sign_up(email)
    for page in ("/", "/sign-in", "/sign-up"):
        answer = stranger.open(f"{page}?reason=idle&return_to=/app")
        assert kind_of(answer) == "signed-in"
        assert '<a href="/app">Go back to where you were</a>' in answer.text
        assert "You were signed out" not in answer.text


@pytest.mark.parametrize("page", ["/", "/sign-in", "/sign-up"])
@pytest.mark.parametrize("reason", list(words.ENDED), ids=str)
def test_a_known_reason_is_told_in_words(stranger: Person, page: str, reason: str) -> None:
    assert words.ENDED[reason].why in words_of(stranger.open(f"{page}?reason={reason}"))


@pytest.mark.parametrize("code", ["refresh_token_missing", "refresh_token_invalid"])
def test_a_cookie_that_is_gone_or_not_ours_is_told_in_words(stranger: Person, code: str) -> None:
    """The browser client sends people here with the server's code, where a session ends without a reason."""
    assert "You are not signed in any more" in words_of(stranger.open(f"/sign-in?reason={code}"))


MEANINGLESS = {
    "unknown": "reason=call_0800_1234",
    "markup": "reason=%3Cscript%3E",
    "twice": "reason=idle&reason=idle",
    "not UTF-8": "reason=idle&x=%ff",
    "too many": "&".join(f"a{number}=b" for number in range(17)) + "&reason=idle",
    "upper case": "reason=IDLE",
}


@pytest.mark.parametrize("query", MEANINGLESS.values(), ids=list(MEANINGLESS))
def test_an_address_that_means_nothing_is_the_plain_page(stranger: Person, query: str) -> None:
    page = stranger.open(f"/?{query}")
    assert page.status_code == 200
    assert page.text == stranger.open().text
