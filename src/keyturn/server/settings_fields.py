"""What the value of a setting may look like. Each check raises a ValueError that goes on from the name: "must be …"."""

from __future__ import annotations

import re
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from keyturn.core.identity import clean_email, clean_full_name
from keyturn.core.model import Micros
from keyturn.errors import InvalidInput
from keyturn.http.origin import is_loopback_origin
from keyturn.server.durations import parse_duration
from keyturn.server.origins import origin_of


def whole(low: int, high: int) -> BeforeValidator:
    """A whole number between the bounds, both included; text in decimal digits, or a number."""

    def check(value: object) -> int:
        text = str(value) if isinstance(value, int) else value
        if isinstance(text, str) and re.fullmatch("[0-9]{1,10}", text) and low <= int(text) <= high:
            return int(text)
        raise ValueError(f"must be a whole number from {low} to {high}")

    return BeforeValidator(check)


def lasting(low: str, high: str) -> BeforeValidator:
    """A duration between the bounds, both included."""

    def check(value: object) -> Micros:
        duration = parse_duration(value)
        if parse_duration(low) <= duration <= parse_duration(high):
            return duration
        raise ValueError(f"must be from {low} to {high}")

    return BeforeValidator(check)


def written(default: str) -> Any:
    """A default as an operator would write it; it is checked and converted like any other value."""
    return Field(default)


def matching(pattern: str, sentence: str) -> AfterValidator:
    """Text of a certain form."""

    def check(value: str) -> str:
        if re.fullmatch(pattern, value):
            return value
        raise ValueError(sentence)

    return AfterValidator(check)


def _items(value: object) -> object:
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


def _issuer(value: str) -> str:
    try:
        issuer = origin_of(value)
    except ValueError as error:
        raise ValueError(f"{error}; write scheme, host and port alone, such as https://auth.example.com") from None
    if issuer.startswith("http:") and not is_loopback_origin(issuer):
        raise ValueError("must begin with https; http is only for localhost, 127.0.0.0/8 and [::1]")
    return issuer


def _origin(value: str) -> str:
    try:
        is_exact = value == origin_of(value)
    except ValueError:
        is_exact = False
    if not is_exact:
        raise ValueError("must be an origin exactly as a browser writes it, such as https://app.example.com")
    return value


def _host(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        if not re.fullmatch("[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", value):
            raise ValueError("must be an address or a host name to listen on, such as 127.0.0.1") from None
    return value.lower()


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        if isinstance(value, str | IPv4Network | IPv6Network):
            return ip_network(value)
    except ValueError:
        pass
    raise ValueError("must be an address or a network, such as 10.0.0.5 or 10.0.0.0/8")


def _smtp_url(value: str) -> str:
    parts = urlsplit(value)
    try:
        is_whole = parts.scheme in {"smtp", "smtps"} and parts.hostname is not None and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be smtp://user@host:port, or smtps:// for a server that speaks TLS from the start")
    if parts.password is not None:
        raise ValueError("must not hold the password: that has a setting, and a file, of its own")
    return value


def _mail_from(value: str) -> str:
    try:
        clean_email(parseaddr(value)[1])
        clean_full_name(value)  # one line of plain text
    except InvalidInput:
        raise ValueError("must be an address, such as Example <no-reply@example.com>") from None
    return value


SEPARATED = BeforeValidator(_items)
"""A list, or one string with commas, as the environment has it."""

Issuer = Annotated[str, AfterValidator(_issuer)]
VisibleText = Annotated[str, matching("[!-~]{1,255}", "must be up to 255 visible ASCII characters")]
Host = Annotated[str, AfterValidator(_host)]
BasePath = Annotated[
    str,
    matching(
        "(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+",
        "must be a path that begins with a slash and does not end with one, such as /api/v1/auth",
    ),
]
Reference = Annotated[
    str,
    matching(
        r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*",
        "must name something of yours as package.module:name, such as app.users:Users",
    ),
]
Origin = Annotated[str, AfterValidator(_origin)]
SmtpUrl = Annotated[str, AfterValidator(_smtp_url)]
MailFrom = Annotated[str, AfterValidator(_mail_from)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


def revealed(secret: SecretStr | None) -> str | None:
    """The text behind a secret, if there is one."""
    return secret.get_secret_value() if secret is not None else None
