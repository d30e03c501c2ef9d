"""The body of a form: read as strictly as JSON is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import AfterValidator, Field, SecretStr
from starlette.types import Receive

from keyturn.core.passwords import MAX_LENGTH
from keyturn.http.headers import Headers
from keyturn.http.problems import MalformedRequest, UnsupportedMediaType
from keyturn.server.calls import read_limited
from keyturn.server.schemas import Body, ShortText

_MAX_FIELDS = 16
_FORM = re.compile(rb"(?:[!-$&-~]|%[0-9A-Fa-f]{2})*")
_FORM_TYPES = frozenset(
    {"application/x-www-form-urlencoded", "application/x-www-form-urlencoded;charset=utf-8"},
)


def _name(value: str) -> str:
    if not value.strip():
        raise ValueError("Enter your e-mail address or username.")
    return value


def _password(value: SecretStr) -> SecretStr:
    if not value:
        raise ValueError("Enter your password.")
    if len(value) > MAX_LENGTH:
        raise ValueError(f"A password has {MAX_LENGTH} characters at most.")
    return value


CurrentPassword = Annotated[SecretStr, AfterValidator(_password)] | None
"""None where the account has none: then its form does not ask."""


class SignInForm(Body):
    """A box that is not ticked is not sent."""

    login: Annotated[ShortText, AfterValidator(_name)]
    password: Annotated[SecretStr, AfterValidator(_password)]
    remember: Literal["yes"] | None = None
    return_to: str = ""


class SignUpForm(Body):
    email: ShortText
    full_name: ShortText = ""
    password: SecretStr
    return_to: str = ""


class OwnerForm(Body):
    """For what only the owner of the account may do."""

    current_password: CurrentPassword = None


class PasswordForm(OwnerForm):
    new_password: SecretStr


class ProfileForm(Body):
    """What is left empty is removed."""

    username: ShortText = ""
    full_name: ShortText = ""


class EmailForm(OwnerForm):
    email: ShortText


class ForgotForm(Body):
    email: ShortText


class LinkForm(Body):
    """The page that a link in a mail leads to."""

    token: Annotated[str, Field(max_length=128, repr=False)]


class ResetForm(LinkForm):
    new_password: SecretStr


class NoFields(Body):
    """A form that is only a button."""


async def read_form(headers: Headers, receive: Receive) -> Mapping[str, str]:
    """The fields of a form, unchecked.

    Args:
        headers: of the request.
        receive: of the request, whose body was not read yet. An empty body has no fields, and needs no Content-Type.

    Raises:
        TooLarge, UnsupportedMediaType
        MalformedRequest: it is no form, its text is not UTF-8, or a field comes twice.
    """
    if b"content-encoding" in headers:
        raise _unsupported()
    data = await read_limited(headers, receive)
    if not data:
        return {}
    content_type = headers.single(b"content-type") or ""
    if content_type.lower().replace(" ", "").replace('"', "") not in _FORM_TYPES:
        raise _unsupported()
    return _parsed(data)


def _parsed(data: bytes) -> Mapping[str, str]:
    malformed = MalformedRequest("What was sent is not a form, or its text is not UTF-8.")
    if not _FORM.fullmatch(data):
        raise malformed
    try:
        pairs = parse_qsl(
            data.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MAX_FIELDS,
        )
    except ValueError:
        raise malformed from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedRequest("A field of the form was sent twice.")
    return fields


def _unsupported() -> UnsupportedMediaType:
    return UnsupportedMediaType("Send a form: application/x-www-form-urlencoded, without Content-Encoding.")
