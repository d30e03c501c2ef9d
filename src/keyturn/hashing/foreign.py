"""Password hashes as other systems made them, within bounds on what they may cost.

They are only ever verified: whoever signs in with one gets a hash of ours. A form that is missing here is a row in `_FORMS`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64encode
from collections.abc import Callable
from functools import partial

import argon2
import bcrypt
from argon2.exceptions import VerificationError, VerifyMismatchError

from keyturn.core.passwords import normalized

MAX_ARGON2_KIB = 2**20
"""Memory: 1 GiB."""

MAX_ARGON2_WORK = 2**22
"""Memory in KiB times passes: libsodium's most expensive profile, some seconds."""

MAX_ARGON2_LANES = 64
MAX_BCRYPT_COST = 16
MAX_PBKDF2_ROUNDS = 10_000_000

MAX_SCRYPT_WORK = 2**23
"""N times r times p: 1 GiB at most, some seconds."""

_BCRYPT_BYTES = 72
"""bcrypt reads no further; libraries used to cut the rest off without a word."""


def verify(stored: str, password: str) -> bool | None:
    """Whether a password belongs to a hash of another system, or to one that was made with other parameters than ours.

    The other system hashed what was typed. So that is tried first, then its NFC, if it is not the same.

    Returns:
        None if the hash is of no form that is known, or costs too much; nothing slow was done then.
    """
    for form, matches in _FORMS:
        found = form.fullmatch(stored)
        if found is not None:
            typed = dict.fromkeys((password.encode(), normalized(password).encode()))
            try:
                return any(matches(found, one) for one in typed)
            except ValueError:
                return None
    return None


def argon2_matches(phc: str, password: bytes, *, bounded: bool = True) -> bool:
    """Whether a password belongs to an argon2 hash.

    Args:
        phc: as `$argon2id$v=19$m=19456,t=2,p=1$…$…`.
        password: what was hashed.
        bounded: whether it may cost no more than the bounds allow.

    Raises:
        ValueError: this is no such hash, or it costs too much.
    """
    found = re.fullmatch(_ARGON2, phc)
    if found is None:
        raise ValueError("not an argon2 hash")
    memory, passes, lanes = (_bounded(found[name], 2**32) for name in ("memory", "passes", "lanes"))
    if bounded and (memory > MAX_ARGON2_KIB or memory * passes > MAX_ARGON2_WORK or lanes > MAX_ARGON2_LANES):
        raise ValueError("costs too much")
    try:
        return argon2.PasswordHasher().verify(phc, password)
    except VerifyMismatchError:
        return False
    except VerificationError:
        raise ValueError("not an argon2 hash") from None


def _argon2(found: re.Match[str], password: bytes) -> bool:
    return argon2_matches(found["phc"], password)


def _bcrypt(found: re.Match[str], password: bytes) -> bool:
    _bounded(found["cost"], MAX_BCRYPT_COST)
    return bcrypt.checkpw(password[:_BCRYPT_BYTES], found["bcrypt"].encode())


def _bcrypt_of_sha256(found: re.Match[str], password: bytes) -> bool:
    return _bcrypt(found, hashlib.sha256(password).hexdigest().encode())


def _pbkdf2(found: re.Match[str], password: bytes, *, written: Callable[[bytes], str]) -> bool:
    rounds = _bounded(found["rounds"], MAX_PBKDF2_ROUNDS)
    made = hashlib.pbkdf2_hmac(found["digest"], password, found["salt"].encode(), rounds)
    return hmac.compare_digest(written(made), found["hash"])


def _scrypt(found: re.Match[str], password: bytes, *, written: Callable[[bytes], str]) -> bool:
    n, r, p = (_bounded(found[name], MAX_SCRYPT_WORK) for name in ("n", "r", "p"))
    _bounded(n * r * p, MAX_SCRYPT_WORK)
    memory = 128 * r * (n + p + 2)
    made = hashlib.scrypt(password, salt=found["salt"].encode(), n=n, r=r, p=p, maxmem=memory)
    return hmac.compare_digest(written(made), found["hash"])


def _bounded(number: str | int, most: int) -> int:
    if not 0 < int(number) <= most:
        raise ValueError("costs too much, or nothing")
    return int(number)


def _base64(made: bytes) -> str:
    return b64encode(made).decode()


_ARGON2 = (
    r"(?P<phc>\$argon2(?:id|i|d)(?:\$v=(?:16|19))?"
    r"\$m=(?P<memory>[0-9]{1,10}),t=(?P<passes>[0-9]{1,10}),p=(?P<lanes>[0-9]{1,10})"
    r"\$[A-Za-z0-9+/]{1,128}\$[A-Za-z0-9+/]{1,128})"
)
_BCRYPT = r"(?P<bcrypt>\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53})"
_ROUNDS = r"(?P<rounds>[0-9]{1,10})"
_N, _R, _P = (f"(?P<{name}>[0-9]{{1,10}})" for name in "nrp")
_SALT = r"(?P<salt>[!-#%-~]{1,128})"
_IN_BASE64 = r"(?P<hash>[A-Za-z0-9+/=]{28,88})"
_IN_HEX = r"(?P<hash>[0-9a-f]{40,128})"

_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], bytes], bool]], ...] = tuple(
    (re.compile(form), matches)
    for form, matches in (
        # PHC strings and crypt(3): most languages and frameworks.
        (_ARGON2, _argon2),
        (_BCRYPT, _bcrypt),
        # Django
        (rf"argon2{_ARGON2}", _argon2),
        (rf"bcrypt\${_BCRYPT}", _bcrypt),
        (rf"bcrypt_sha256\${_BCRYPT}", _bcrypt_of_sha256),
        (rf"pbkdf2_(?P<digest>sha256|sha1)\${_ROUNDS}\${_SALT}\${_IN_BASE64}", partial(_pbkdf2, written=_base64)),
        (rf"scrypt\${_N}\${_SALT}\${_R}\${_P}\${_IN_BASE64}", partial(_scrypt, written=_base64)),
        # Werkzeug, which Flask uses
        (rf"pbkdf2:(?P<digest>sha256|sha1|sha512):{_ROUNDS}\${_SALT}\${_IN_HEX}", partial(_pbkdf2, written=bytes.hex)),
        (rf"scrypt:{_N}:{_R}:{_P}\${_SALT}\${_IN_HEX}", partial(_scrypt, written=bytes.hex)),
    )
)
