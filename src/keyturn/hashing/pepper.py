"""Peppers: a secret step before the hash, so that a stolen database alone is not enough to guess passwords with.

A hash says which pepper it was made with (`pepper:ID` before the PHC string), so a pepper is changed without resets.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Self

from keyturn.core.keys import check_secret_strength, kid_of_secret, secret_bytes
from keyturn.core.passwords import normalized

_PEPPERED = re.compile(r"pepper:([A-Za-z0-9_-]{22})(\$argon2id\$.+)")


@dataclass(frozen=True, slots=True)
class Pepper:
    """A secret that every password is keyed with (NIST SP 800-63B-4, 3.1.1.2).

    Attributes:
        id: its name, which every hash made with it carries; derived from the secret, and public.
        key: the secret.
    """

    id: str
    key: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: str, name: str = "the pepper") -> Self:
        """The pepper of a configured secret.

        Args:
            secret: at least 32 bytes; its UTF-8 is the key.
            name: what an error calls it, such as the name of the setting.

        Raises:
            SettingsError: the secret can be guessed.
        """
        key = secret_bytes(secret, name)
        check_secret_strength(key, name)
        return cls(kid_of_secret(key, "password"), key)

    def applied(self, password: str) -> bytes:
        """What is hashed in the password's place: HMAC-SHA256, 32 bytes."""
        return hmac.digest(self.key, normalized(password).encode(), hashlib.sha256)

    def marked(self, phc: str) -> str:
        """A hash that says which pepper it was made with."""
        return f"pepper:{self.id}{phc}"


def parted(stored: str) -> tuple[str | None, str]:
    """The id of the pepper that a hash was made with, if any, and the hash itself."""
    found = _PEPPERED.fullmatch(stored)
    return (found[1], found[2]) if found else (None, stored)
