"""What a password must be, and the one form in which it is hashed."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Iterable

from keyturn.errors import InvalidInput

MAX_LENGTH = 512
"""Characters. Longer ones are refused before anything is computed; nothing is ever cut off."""


def normalized(password: str) -> str:
    """The form that is hashed: Unicode NFC, so that it does not matter how a keyboard composes an accent; no other change
    (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)


def comparable(password: str) -> str:
    """The form in which a password is compared with words that everybody tries: NFC, without case."""
    return normalized(normalized(password).casefold())


def check_new_password(
    password: str,
    *,
    min_length: int,
    blocklist: Container[str] = (),
    context: Iterable[tuple[str, str | None]] = (),
    field: str = "password",
) -> None:
    """Refuse a password that is too short, too long, or tried first; nothing is asked of its composition.

    Only the whole password is compared, never a part of it (NIST SP 800-63B-4, 3.1.1.2).

    Args:
        password: as the user typed it.
        min_length: characters, after normalization.
        blocklist: passwords that are tried first, as `comparable` makes them.
        context: what is known of the user and of the service: what each word is, in words, and the word, if there is one.
        field: the name to report it under.

    Raises:
        InvalidInput: with a sentence that says what would be right.
    """
    length = len(normalized(password))
    if length < min_length:
        raise InvalidInput(field, f"The password is too short: {min_length} characters or more, of any kind.")
    if length > MAX_LENGTH:
        raise InvalidInput(field, f"The password is too long: {MAX_LENGTH} characters at most.")
    typed = comparable(password)
    for what, word in context:
        if word is not None and typed == comparable(word):
            raise InvalidInput(field, f"This password is {what}, which is tried first. Choose another.")
    if typed in blocklist:
        raise InvalidInput(field, "This password is one of the most common, which are tried first. Choose another.")
