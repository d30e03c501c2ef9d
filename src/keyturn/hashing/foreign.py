"""Password hashes as other systems made them, within bounds on what they may cost.

They are only ever verified: whoever signs in with one gets a hash of ours. A form that is missing here is a row in `_FORMS`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import argon2
import bcrypt
from argon2.exceptions import VerificationError, VerifyMismatchError
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

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
    recognised = _recognised(stored)
    if recognised is None:
        return None
    form, found = recognised
    typed = dict.fromkeys((password.encode(), normalized(password).encode()))
    try:
        return any(form.matches(found, one) for one in typed)
    except ValueError:
        return None


def is_known(stored: str) -> bool:
    """Whether `verify` has something to go by: a hash of a known form, within the bounds. Nothing slow is done."""
    return _recognised(stored) is not None


def _recognised(stored: str) -> tuple[_Form, re.Match[str]] | None:
    for form in _FORMS:
        found = re.fullmatch(form.pattern, stored)
        if found is not None:
            with suppress(ValueError):
                form.affordable(found)
                return form, found
    return None


def firebase(password_hash: str, salt: str, *, signer_key: str, salt_separator: str, rounds: int, memory: int) -> str:
    """A hash of Firebase with its project's parameters, in one text as Supabase writes it.

    Args:
        password_hash: of the user, in base64 as Firebase exports it; so are salt, signer key and separator.
        rounds: the block size r of scrypt.
        memory: the binary logarithm of its N.
    """
    plain, key, separator, salted = (_plain(text) for text in (password_hash, signer_key, salt_separator, salt))
    return f"$fbscrypt$v=1,n={memory},r={rounds},p=1,ss={separator},sk={key}${salted}${plain}"


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
    if bounded:
        _affordable_argon2(found)
    try:
        return argon2.PasswordHasher().verify(phc, password)
    except VerifyMismatchError:
        return False
    except VerificationError:
        raise ValueError("not an argon2 hash") from None


def _affordable_argon2(found: re.Match[str]) -> None:
    memory, passes, lanes = (_bounded(found[name], 2**32) for name in ("memory", "passes", "lanes"))
    if memory > MAX_ARGON2_KIB or memory * passes > MAX_ARGON2_WORK or lanes > MAX_ARGON2_LANES:
        raise ValueError("costs too much")


def _affordable_bcrypt(found: re.Match[str]) -> None:
    _bounded(found["cost"], MAX_BCRYPT_COST)


def _affordable_pbkdf2(found: re.Match[str]) -> None:
    _bounded(found["rounds"], MAX_PBKDF2_ROUNDS)


def _affordable_scrypt(found: re.Match[str]) -> None:
    n, r, p = _scrypt_cost(found)
    _bounded(n * r * p, MAX_SCRYPT_WORK)
    if n < 2 or n & (n - 1):
        raise ValueError("N is no power of two")


def _scrypt_cost(found: re.Match[str]) -> tuple[int, int, int]:
    """N, r and p; some write the binary logarithm of N."""
    numbers = found.groupdict()
    n = 1 << _bounded(numbers["ln"], 23) if "ln" in numbers else _bounded(numbers["n"], MAX_SCRYPT_WORK)
    return n, _bounded(numbers["r"], MAX_SCRYPT_WORK), _bounded(numbers["p"], MAX_SCRYPT_WORK)


def _argon2(found: re.Match[str], password: bytes) -> bool:
    return argon2_matches(found["phc"], password)


def _bcrypt(found: re.Match[str], password: bytes) -> bool:
    return bcrypt.checkpw(password[:_BCRYPT_BYTES], found["bcrypt"].encode())


def _bcrypt_of_sha256(found: re.Match[str], password: bytes) -> bool:
    return _bcrypt(found, hashlib.sha256(password).hexdigest().encode())


def _pbkdf2(found: re.Match[str], password: bytes, *, written: Callable[[bytes], str]) -> bool:
    made = hashlib.pbkdf2_hmac(found["digest"], password, found["salt"].encode(), int(found["rounds"]))
    return hmac.compare_digest(written(made), found["hash"])


def _scrypt(found: re.Match[str], password: bytes, *, written: Callable[[bytes], str]) -> bool:
    made = _scrypt_of(password, found["salt"].encode(), _scrypt_cost(found))
    return hmac.compare_digest(written(made), found["hash"])


def _scrypt_of(password: bytes, salt: bytes, cost: tuple[int, int, int], length: int = 64) -> bytes:
    n, r, p = cost
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, maxmem=128 * r * (n + p + 2), dklen=length)


def _scrypt_phc(found: re.Match[str], password: bytes) -> bool:
    salt, stored = (_bytes(found[name], padded=False) for name in ("salt", "hash"))
    return hmac.compare_digest(_scrypt_of(password, salt, _scrypt_cost(found), len(stored)), stored)


def _firebase(found: re.Match[str], password: bytes) -> bool:
    """The project's signer key, encrypted under a key that scrypt makes of the password (github.com/firebase/scrypt)."""
    salt = _bytes(found["salt"]) + _bytes(found["separator"])
    key = _scrypt_of(password, salt, _scrypt_cost(found), 32)
    # The counter may begin at zero each time: no key is ever used twice.
    encryptor = Cipher(AES256(key), CTR(bytes(16))).encryptor()
    return hmac.compare_digest(encryptor.update(_bytes(found["signer"])) + encryptor.finalize(), _bytes(found["hash"]))


def _bounded(number: str | int, most: int) -> int:
    if not 0 < int(number) <= most:
        raise ValueError("costs too much, or nothing")
    return int(number)


def _base64(made: bytes) -> str:
    return b64encode(made).decode()


def _bytes(text: str, *, padded: bool = True) -> bytes:
    return b64decode(text if padded else text + "=" * (-len(text) % 4), validate=True)


def _plain(text: str) -> str:
    """Base64 in the alphabet of RFC 4648, section 4; Firebase's own tools write that of section 5 as well."""
    return text.strip().replace("-", "+").replace("_", "/")


_ARGON2 = (
    r"(?P<phc>\$argon2(?:id|i|d)(?:\$v=(?:16|19))?"
    r"\$m=(?P<memory>[0-9]{1,10}),t=(?P<passes>[0-9]{1,10}),p=(?P<lanes>[0-9]{1,10})"
    r"\$[A-Za-z0-9+/]{1,128}\$[A-Za-z0-9+/]{1,128})"
)
_BCRYPT = r"(?P<bcrypt>\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53})"
_ROUNDS = r"(?P<rounds>[0-9]{1,10})"
_N, _R, _P = (f"(?P<{name}>[0-9]{{1,10}})" for name in "nrp")
_LN = "(?P<ln>[0-9]{1,2})"
_SALT = r"(?P<salt>[!-#%-~]{1,128})"
_IN_BASE64 = r"(?P<hash>[A-Za-z0-9+/=]{28,88})"
_IN_HEX = r"(?P<hash>[0-9a-f]{40,128})"
_PADDED = "(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_SHORT, _LONG = (rf"(?:[A-Za-z0-9+/]{{4}}){{{least},64}}{_PADDED}" for least in (0, 6))
_FIREBASE = (
    rf"\$fbscrypt\$v=1,n={_LN},r={_R},p={_P},ss=(?P<separator>{_SHORT}),sk=(?P<signer>{_LONG})"
    rf"\$(?P<salt>{_SHORT})\$(?P<hash>{_LONG})"
)

_SCRYPT = (
    rf"\$scrypt\$ln={_LN},r={_R},p={_P}\$(?P<salt>[A-Za-z0-9+/]{{1,128}})"
    r"\$(?P<hash>[A-Za-z0-9+/]{43}|[A-Za-z0-9+/]{86})"
)


class _Form(NamedTuple):
    """How a hash may be written.

    Attributes:
        affordable: raises ValueError for one that costs too much; nothing slow is done.
        matches: whether a password belongs to one that is affordable.
    """

    pattern: str
    affordable: Callable[[re.Match[str]], object]
    matches: Callable[[re.Match[str], bytes], bool]


_FORMS = (
    # PHC strings and crypt(3): most languages and frameworks. scrypt is written like this by passlib.
    _Form(_ARGON2, _affordable_argon2, _argon2),
    _Form(_BCRYPT, _affordable_bcrypt, _bcrypt),
    _Form(_SCRYPT, _affordable_scrypt, _scrypt_phc),
    # Django
    _Form(rf"argon2{_ARGON2}", _affordable_argon2, _argon2),
    _Form(rf"bcrypt\${_BCRYPT}", _affordable_bcrypt, _bcrypt),
    _Form(rf"bcrypt_sha256\${_BCRYPT}", _affordable_bcrypt, _bcrypt_of_sha256),
    _Form(
        rf"pbkdf2_(?P<digest>sha256|sha1)\${_ROUNDS}\${_SALT}\${_IN_BASE64}",
        _affordable_pbkdf2,
        partial(_pbkdf2, written=_base64),
    ),
    _Form(rf"scrypt\${_N}\${_SALT}\${_R}\${_P}\${_IN_BASE64}", _affordable_scrypt, partial(_scrypt, written=_base64)),
    # Werkzeug, which Flask uses
    _Form(
        rf"pbkdf2:(?P<digest>sha256|sha1|sha512):{_ROUNDS}\${_SALT}\${_IN_HEX}",
        _affordable_pbkdf2,
        partial(_pbkdf2, written=bytes.hex),
    ),
    _Form(rf"scrypt:{_N}:{_R}:{_P}\${_SALT}\${_IN_HEX}", _affordable_scrypt, partial(_scrypt, written=bytes.hex)),
    # Firebase, with its project's parameters, as Supabase writes it
    _Form(_FIREBASE, _affordable_scrypt, _firebase),
)
