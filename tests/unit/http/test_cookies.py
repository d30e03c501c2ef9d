"""The cookies that an application around Keyturn does not see, and how a cookie is read."""

from __future__ import annotations

import pytest

from keyturn.http.cookies import CookieNames, DuplicateCookie, read_cookie, without_cookie

NAME = CookieNames(secure=True).refresh


@pytest.mark.parametrize(
    ("sent", "left"),
    [
        ([b"a=1; __Host-keyturn_refresh=secret; b=2"], [b"a=1; b=2"]),
        ([b"__Host-keyturn_refresh=secret; b=2"], [b"b=2"]),
        ([b"a=1; __Host-keyturn_refresh=secret"], [b"a=1"]),
        ([b"__Host-keyturn_refresh=secret"], []),
        ([b"__Host-keyturn_refresh=1;__Host-keyturn_refresh=2"], []),
        ([b"a=1", b"__Host-keyturn_refresh=secret", b"b=2"], [b"a=1", b"b=2"]),
        ([b"\t__Host-keyturn_refresh=secret ;\ta=1"], [b"a=1"]),
        ([b"__Host-keyturn_refresh; a=1"], [b"a=1"]),
        ([b"x__Host-keyturn_refresh=kept; __Host-keyturn_access=kept"],) * 2,
        ([b"\xa0__Host-keyturn_refresh=not ours"],) * 2,
        ([b"a=1; b=2"],) * 2,
        ([],) * 2,
    ],
)
def test_an_application_sees_every_cookie_but_the_refresh_cookie(sent: list[bytes], left: list[bytes]) -> None:
    headers = [(b"host", b"example.com"), *((b"cookie", value) for value in sent), (b"accept", b"*/*")]
    kept = without_cookie(headers, NAME)
    assert kept == [(b"host", b"example.com"), *((b"cookie", value) for value in left), (b"accept", b"*/*")]


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        (b"__Host-keyturn_refresh=token", "token"),
        (b"__Host-keyturn_refresh=", ""),
        (b"__Host-keyturn_refresh=a=b==", "a=b=="),
        (b' __Host-keyturn_refresh="token"\t', '"token"'),
        (b"__Host-keyturn_refresh=%41", "%41"),
        (b"__Host-keyturn_refresh=\xc3\xa9", "Ã©"),
        (b"__Host-keyturn_refresh", None),
        (b"__HOST-KEYTURN_REFRESH=token", None),
        (b"__Host-keyturn_refresh =token", None),
        (b"\x85__Host-keyturn_refresh=token", None),
        (b"a=1, __Host-keyturn_refresh=token", None),
        (b'a="; __Host-keyturn_refresh=token; "', "token"),
    ],
)
def test_a_value_is_read_byte_for_byte_and_a_name_to_the_letter(sent: bytes, value: str | None) -> None:
    assert read_cookie([(b"cookie", sent)], NAME) == value


def test_one_name_in_two_headers_comes_twice() -> None:
    with pytest.raises(DuplicateCookie):
        read_cookie([(b"cookie", NAME.encode() + b"=a"), (b"cookie", NAME.encode() + b"=a")], NAME)


@pytest.mark.parametrize("secure", [True, False])
def test_a_cookie_is_cleared_with_the_attributes_it_was_set_with(secure: bool) -> None:
    names = CookieNames(secure)
    for was_set, cleared in (
        (names.set_refresh("x", 60), names.clear_refresh()),
        (names.set_access("x", 60), names.clear_access()),
    ):
        assert was_set.replace("=x;", "=;").replace("Max-Age=60", "Max-Age=0") == cleared
