"""How a cookie is read."""

from __future__ import annotations

import pytest

from keyturn.http.cookies import CookieNames, DuplicateCookie, read_cookie
from keyturn.http.headers import Headers

NAME = CookieNames(secure=True).refresh


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
    assert read_cookie(Headers([(b"cookie", sent)]), NAME) == value


def test_one_name_in_two_headers_comes_twice() -> None:
    with pytest.raises(DuplicateCookie):
        read_cookie(Headers([(b"cookie", NAME.encode() + b"=a"), (b"cookie", NAME.encode() + b"=a")]), NAME)


@pytest.mark.parametrize("secure", [True, False])
def test_a_cookie_is_cleared_with_the_attributes_it_was_set_with(secure: bool) -> None:
    names = CookieNames(secure)
    for was_set, cleared in (
        (names.set_refresh("x", 60), names.clear_refresh()),
        (names.set_access("x", 60), names.clear_access()),
    ):
        assert was_set.replace("=x;", "=;").replace("Max-Age=60", "Max-Age=0") == cleared
