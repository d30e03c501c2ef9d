"""A user as a line of a file: what an export writes and an import reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from keyturn.core import strict_json
from keyturn.core.gate import SUBJECT
from keyturn.core.identity import clean_email, clean_full_name, clean_username
from keyturn.core.model import Micros, User
from keyturn.core.strict_json import NotStrictJson
from keyturn.errors import InvalidInput
from keyturn.service.register import check_roles

FIELDS = ("id", "email", "email_verified", "username", "full_name", "roles", "disabled", "created_at")
PASSWORD_HASH = "password_hash"
IDENTITIES = "identities"
COLUMNS = (*FIELDS, IDENTITIES, PASSWORD_HASH)
"""The columns of such a file; only `email` has to be there."""

_YES = frozenset({"true", "t", "yes", "1"})
_NO = frozenset({"false", "f", "no", "0"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_NAME = re.compile(r"[!-~]{1,255}")


class ProviderAccount(NamedTuple):
    """A provider's account that opens the user's account, by the provider's issuer and its name for the user there."""

    issuer: str
    subject: str
    email: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """What a file says of a user, checked.

    Attributes:
        email: their address; there is always one.
        given: the other fields of the user that the file has, by name; none where it says that there is nothing.
        password_hash: as the other system made it.
        identities: the accounts of providers that open this one.
    """

    email: str
    given: Mapping[str, Any]
    password_hash: str | None = field(default=None, repr=False)
    identities: tuple[ProviderAccount, ...] = ()

    @property
    def id(self) -> str | None:
        """The id that the user is to have, if the file has one."""
        return self.given.get("id")

    @property
    def username(self) -> str | None:
        return self.given.get("username")

    @property
    def fields(self) -> dict[str, Any]:
        """What a user who is there already can be compared with: their id and the moment of their making stay as they are."""
        return {"email": self.email} | {name: v for name, v in self.given.items() if name not in ("id", "created_at")}


def record_from(
    line: Mapping[str, object], *, now: Micros, can_verify: Callable[[str], bool] = lambda _: True
) -> Record:
    """Check what a line says.

    Args:
        line: by column of `COLUMNS`; text, or what JSON has in its place.
        now: nobody was made later, in microseconds.
        can_verify: whether a hash of a password is of any use.

    Raises:
        InvalidInput: names the column and says what would be right; never quotes a hash.
    """
    given = {name: _READ[name](line[name]) for name in FIELDS if name in line}
    email = given.pop("email", None)
    if email is None:
        raise InvalidInput("email", "There is no e-mail address.")
    if given.get("created_at") is None:
        given.pop("created_at", None)
    elif given["created_at"] > now:
        raise InvalidInput("created_at", "This time is in the future.")
    password_hash = _text(PASSWORD_HASH, line.get(PASSWORD_HASH))
    if password_hash is not None and not can_verify(password_hash):
        raise InvalidInput(PASSWORD_HASH, "This is no hash that Keyturn can verify, or one that costs too much.")
    return Record(email, given, password_hash, _identities(line.get(IDENTITIES)))


def fields_of(user: User) -> dict[str, object]:
    """A user as a line has them, so that `record_from` reads the same again."""
    return {
        "id": user.id,
        "email": user.email,
        "email_verified": user.email_verified,
        "username": user.username,
        "full_name": user.full_name,
        "roles": list(user.roles),
        "disabled": user.disabled,
        "created_at": exact_moment(user.created_at),
    }


def exact_moment(value: Micros) -> str:
    """A time in RFC 3339, UTC, to the microsecond."""
    return (_EPOCH + timedelta(microseconds=value)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text(name: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return (value or "").strip() or None
    raise InvalidInput(name, "This has to be text.")


def _identities(value: object) -> tuple[ProviderAccount, ...]:
    if isinstance(value, str) and value.strip():
        try:
            value = strict_json.parse(value.encode(), max_depth=3, max_members=100)
        except NotStrictJson:
            value = "no JSON"
    found = [_identity(one) for one in value] if isinstance(value, list) else [] if not value else [None]
    accounts = tuple(one for one in found if one is not None)
    if len(accounts) < len(found):
        raise InvalidInput(IDENTITIES, 'Write a list: [{"issuer": "https://…", "subject": "…", "email": "…"}].')
    return accounts


def _identity(value: object) -> ProviderAccount | None:
    if not isinstance(value, dict) or not value.keys() <= set(ProviderAccount._fields):
        return None
    issuer, subject = (str(value.get(name, "")) for name in ("issuer", "subject"))
    if not _NAME.fullmatch(issuer) or not _NAME.fullmatch(subject):
        return None
    return ProviderAccount(issuer, subject, _email(value.get("email")))


def _id(value: object) -> str | None:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else _text("id", value)
    # With an @ it could be taken for somebody's address.
    if text is not None and ("@" in text or not SUBJECT.fullmatch(text)):
        raise InvalidInput("id", "An id is 1 to 128 printable ASCII characters, without space or @.")
    return text


def _cleaned(name: str, value: object, clean: Callable[[str], str]) -> str | None:
    text = _text(name, value)
    return None if text is None else clean(text)


def _email(value: object) -> str | None:
    return _cleaned("email", value, clean_email)


def _flag(name: str, value: object) -> bool:
    text = str(value).strip().lower() if value is not None else ""
    if not text or text in _NO:
        return False
    if text in _YES:
        return True
    raise InvalidInput(name, "Write true or false.")


def _roles(value: object) -> tuple[str, ...]:
    if isinstance(value, list) and all(isinstance(role, str) for role in value):
        roles = tuple(value)
    else:
        roles = tuple(dict.fromkeys(re.split(r"[\s,]+", _text("roles", value) or "")))
        roles = tuple(role for role in roles if role)
    check_roles(roles)
    return roles


def _created_at(value: object) -> Micros | None:
    text = _text("created_at", value)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        since = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        raise InvalidInput("created_at", "Write a time like 2026-05-31T12:00:00Z.") from None
    if since < timedelta():
        raise InvalidInput("created_at", "This time is before 1970.")
    return since // timedelta(microseconds=1)


_READ: dict[str, Callable[[object], Any]] = {
    "id": _id,
    "email": _email,
    "email_verified": lambda value: _flag("email_verified", value),
    "username": lambda value: _cleaned("username", value, clean_username),
    "full_name": lambda value: _cleaned("full_name", value, clean_full_name),
    "roles": _roles,
    "disabled": lambda value: _flag("disabled", value),
    "created_at": _created_at,
}
