"""What a password must be, and the one form in which it is hashed."""

from __future__ import annotations

import unicodedata

from keyturn.errors import InvalidInput

MAX_LENGTH = 512
"""Characters. Longer ones are refused before anything is computed; nothing is ever cut off."""


def normalized(password: str) -> str:
    """The form that is hashed: Unicode NFC, so that it does not matter how a keyboard composes an accent; no other change
    (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)


def check_new_password(password: str, *, min_length: int, field: str = "password") -> None:
    """Refuse a password that is too short or too long; nothing is asked of its composition.

    Args:
        password: as the user typed it.
        min_length: characters, after normalization.
        field: the name to report it under.

    Raises:
        InvalidInput: with a sentence that says what would be right.
    """
    length = len(normalized(password))
    if length < min_length:
        raise InvalidInput(field, f"The password is too short: {min_length} characters or more, of any kind.")
    if length > MAX_LENGTH:
        raise InvalidInput(field, f"The password is too long: {MAX_LENGTH} characters at most.")
