"""What a password must be."""

from __future__ import annotations

import pytest

from keyturn.core.passwords import MAX_LENGTH, check_new_password, comparable, normalized
from keyturn.errors import InvalidInput

COMMON = frozenset({"password1234", "straße café"})


def refusal(password: str, **more: object) -> str:
    with pytest.raises(InvalidInput) as refused:
        check_new_password(password, **{"min_length": 8, "blocklist": COMMON, **more})  # type: ignore[arg-type]
    assert refused.value.field == more.get("field", "password")
    return str(refused.value)


def test_a_password_is_as_long_as_it_must_be_and_no_longer_than_it_may() -> None:
    for password in ("x" * 8, "x" * MAX_LENGTH, " " * 8, "🔑" * 8, "e\u0301" * 8):
        check_new_password(password, min_length=8)
    assert refusal("x" * 7) == "The password is too short: 8 characters or more, of any kind."
    assert refusal("e\u0301" * 7).startswith("The password is too short")
    assert refusal("x" * 513) == "The password is too long: 512 characters at most."
    assert refusal("short", field="new_password").startswith("The password is too short")


@pytest.mark.parametrize("password", ["password1234", "PASSWORD1234", "pAssword1234"])
def test_a_common_password_is_refused_however_it_is_capitalised(password: str) -> None:
    assert refusal(password) == "This password is one of the most common, which are tried first. Choose another."


@pytest.mark.parametrize("password", ["STRASSE CAFÉ", "Strasse Cafe\u0301"], ids=["capitals", "decomposed"])
def test_words_of_other_scripts_are_compared_without_case_too(password: str) -> None:
    listed = frozenset({comparable("Straße Café")})
    assert "most common" in refusal(password, blocklist=listed)


@pytest.mark.parametrize("password", ["password1234!", "my password1234", "drowssap1234", "passw0rd1234"])
def test_only_the_whole_password_is_compared(password: str) -> None:
    check_new_password(password, min_length=8, blocklist=COMMON, context=[("your username", "passwor")])


def test_a_password_that_is_a_word_about_the_user_is_refused_and_the_word_is_named() -> None:
    context = [("your e-mail address", "alice@example.com"), ("your name", "Alice Émile"), ("your username", None)]
    assert refusal("Alice@Example.COM", context=context) == (
        "This password is your e-mail address, which is tried first. Choose another."
    )
    assert "your name" in refusal("alice e\u0301mile", context=context)
    check_new_password("alice@example.com!", min_length=8, context=context)
    check_new_password("None None", min_length=8, context=context)


def test_what_is_hashed_keeps_its_case() -> None:
    assert normalized("Cafe\u0301") == "Café"
    assert comparable("Cafe\u0301") == "café"
