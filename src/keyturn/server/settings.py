"""The settings: what there is to set, what each may be, and what it is by default.

`load_settings` is the way in. It reports every problem at once, in sentences for an operator, and never a value: what was
pasted into the wrong variable may be a secret. docs/settings.md describes each setting; a test holds the two together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from keyturn.core.model import Micros, Policy
from keyturn.errors import SettingsError
from keyturn.server.durations import format_duration, parse_duration
from keyturn.server.origins import is_loopback_host, is_loopback_origin, may_be_same_site, origin_of
from keyturn.server.sources import Given, Sources, variable

SECRETS = ("access_secret", "refresh_secret", "database_url")
LISTS = ("allowed_origins", "trusted_proxies", "access_claims")

# OWASP Password Storage Cheat Sheet: the least memory in KiB that argon2id needs for 1, 2, and 3 or more passes.
HASH_MEMORY_FLOOR_KIB = {1: 47_104, 2: 19_456, 3: 12_288}

_IN_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "path_type": "must be a path",
    "string_type": "must be text",
    "string_unicode": "must be UTF-8 text",
    "tuple_type": "must be a list",
}


def _whole(low: int, high: int) -> BeforeValidator:
    def check(value: object) -> int:
        text = str(value) if type(value) is int else value
        if isinstance(text, str) and re.fullmatch("[0-9]{1,10}", text) and low <= int(text) <= high:
            return int(text)
        raise ValueError(f"must be a whole number from {low} to {high}")

    return BeforeValidator(check)


def _between(low: str, high: str) -> BeforeValidator:
    def check(value: object) -> Micros:
        duration = parse_duration(value)
        if parse_duration(low) <= duration <= parse_duration(high):
            return duration
        raise ValueError(f"must be from {low} to {high}")

    return BeforeValidator(check)


def _written(default: str) -> Any:
    """A default as an operator would write it; it is checked and converted like any other value."""
    return Field(default)


def _matching(pattern: str, sentence: str) -> AfterValidator:
    def check(value: str) -> str:
        if re.fullmatch(pattern, value):
            return value
        raise ValueError(sentence)

    return AfterValidator(check)


def _items(value: object) -> object:
    """A list as one string, comma-separated, as the environment has it."""
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
        if value == origin_of(value):
            return value
    except ValueError:
        pass
    raise ValueError("must be an origin exactly as a browser writes it, such as https://app.example.com")


def _host(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        if re.fullmatch("[a-z0-9]([a-z0-9.-]*[a-z0-9])?", value, re.IGNORECASE | re.ASCII):
            return value.lower()
    raise ValueError("must be an address or a host name to listen on, such as 127.0.0.1")


def _may_ask(origin: str, issuer: str) -> bool:
    """Whether a page of the origin can be of the issuer's site, so that a browser sends it our cookies."""
    if is_loopback_origin(issuer):
        return is_loopback_origin(origin) and origin.partition(":")[0] == issuer.partition(":")[0]
    return may_be_same_site(origin, issuer)


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        if isinstance(value, str | IPv4Network | IPv6Network):
            return ip_network(value)
    except ValueError:
        pass
    raise ValueError("must be an address or a network, such as 10.0.0.5 or 10.0.0.0/8")


class Settings(BaseModel):
    """All settings, checked. Durations are in microseconds. Fields that a later one is checked against come first.

    Make one with `load_settings`; the constructor reads nothing from outside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    audience: Annotated[str, _matching("[!-~]{1,255}", "must be up to 255 visible ASCII characters")] | None = None
    host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    port: Annotated[int, _whole(0, 65_535)] = 8000
    base_path: Annotated[
        str,
        _matching(
            "(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", "must be a path without a slash at its end, such as /api/v1/auth"
        ),
    ] = "/api/v1/auth"
    allowed_origins: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], BeforeValidator(_items)] = ()
    trusted_proxies: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)], ...], BeforeValidator(_items)
    ] = ()
    database_url: SecretStr | None = None
    data_dir: Path = Path("./keyturn-data")

    access_ttl: Annotated[Micros, _between("1s", "24h")] = _written("10m")
    session_ttl: Annotated[Micros, _between("1s", "3650d")] = _written("180d")
    refresh_ttl: Annotated[Micros, _between("1s", "3650d")] = _written("30d")
    refresh_window: Annotated[Micros, _between("0s", "10m")] = _written("30s")
    refresh_queue: Annotated[int, _whole(1, 100_000)] = 1000

    access_secret: SecretStr | None = None
    refresh_secret: SecretStr | None = None
    access_algorithm: Literal["ES256", "EdDSA", "RS256", "HS256"] = Field(
        default_factory=lambda checked: "HS256" if checked.get("access_secret") else "ES256"
    )
    access_claims: Annotated[tuple[Literal["username", "email", "full_name"], ...], BeforeValidator(_items)] = ()

    registration: Literal["open", "closed"] = "open"
    password_min_length: Annotated[int, _whole(8, 64)] = 8
    hash_memory_kib: Annotated[int, _whole(8, 4_194_304)] = 19_456
    hash_time_cost: Annotated[int, _whole(1, 100)] = 2
    hash_concurrency: Annotated[int, _whole(1, 1024)] = Field(default_factory=lambda: os.cpu_count() or 1)
    hash_queue: Annotated[int, _whole(0, 100_000)] = 64

    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    developer_pages: bool | None = None
    shutdown_timeout: Annotated[Micros, _between("0s", "1h")] = _written("30s")

    @field_validator("allowed_origins")
    @classmethod
    def _of_the_site_of_the_issuer(cls, origins: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "issuer" in info.data:
            issuer = info.data["issuer"] or "http://localhost"
            for origin in origins:
                if not _may_ask(origin, issuer):
                    raise ValueError(f"must hold origins of the issuer's scheme and site only, which {origin} is not")
        return origins

    @field_validator("refresh_ttl")
    @classmethod
    def _within_the_session(cls, refresh_ttl: Micros, info: ValidationInfo) -> Micros:
        session_ttl = info.data.get("session_ttl", refresh_ttl)
        if refresh_ttl > session_ttl:
            given, most = format_duration(refresh_ttl), format_duration(session_ttl)
            raise ValueError(
                f"({given}) must not exceed {variable('session_ttl')} ({most}): lower it or raise the other"
            )
        return refresh_ttl

    @field_validator("access_algorithm")
    @classmethod
    def _of_the_kind_of_the_key(cls, algorithm: str, info: ValidationInfo) -> str:
        if "access_secret" not in info.data:
            return algorithm
        secret = variable("access_secret")
        if info.data["access_secret"] is None and algorithm == "HS256":
            raise ValueError(f"is HS256, which needs a shared secret: set {secret}, or choose ES256")
        if info.data["access_secret"] is not None and algorithm != "HS256":
            raise ValueError(f"contradicts {secret}: a shared secret means HS256; remove one of the two")
        return algorithm

    @field_validator("hash_time_cost")
    @classmethod
    def _with_memory_enough(cls, time_cost: int, info: ValidationInfo) -> int:
        issuer, memory = info.data.get("issuer"), info.data.get("hash_memory_kib")
        floor = HASH_MEMORY_FLOOR_KIB[min(time_cost, max(HASH_MEMORY_FLOOR_KIB))]
        if issuer and not cls.development_for(issuer) and memory is not None and memory < floor:
            raise ValueError(f"of {time_cost} needs {variable('hash_memory_kib')} to be at least {floor} (KiB)")
        return time_cost

    @property
    def policy(self) -> Policy:
        """The window and the lifetimes, for the rotation."""
        return Policy(self.refresh_window, self.refresh_ttl, self.session_ttl, self.access_ttl)

    def issuer_for(self, port: int) -> str:
        """The public URL: the one that is set, or where a server on loopback listens.

        Args:
            port: the port that the server is bound to.

        Raises:
            SettingsError: none is set, and the host is not a loopback one.
        """
        if self.issuer is not None:
            return self.issuer
        if not is_loopback_host(self.host):
            raise SettingsError(
                f"The host {self.host} is not a loopback address: set {variable('issuer')} to the public https URL."
            )
        host = f"[{self.host}]" if ":" in self.host else self.host
        return origin_of(f"http://{host}:{port}")

    @staticmethod
    def development_for(issuer: str) -> bool:
        """Whether this issuer means development: plain http, on loopback. Everything else is production."""
        return issuer.startswith("http://") and is_loopback_origin(issuer)


def load_settings(
    flags: Mapping[str, object] = MappingProxyType({}), environ: Mapping[str, str] | None = None
) -> Settings:
    """The settings: a flag over the environment over the TOML file that `KEYTURN_CONFIG` names over the default.

    Args:
        flags: values from the command line, by field; none as a value: not given.
        environ: the environment; this process's by default.

    Raises:
        SettingsError: one line for every problem.
    """
    sources = Sources(Settings.model_fields, SECRETS, LISTS)
    given = sources.gather(flags, os.environ if environ is None else environ)
    settings, problems = _validated(given)
    problems = [*sources.problems, *problems]
    if settings is None or problems:
        # Raised where no validation error is being handled: its context would carry the values.
        raise SettingsError("\n".join(problems))
    return settings


def _validated(given: Mapping[str, Given]) -> tuple[Settings | None, list[str]]:
    try:
        return Settings.model_validate({setting: value.value for setting, value in given.items()}), []
    except ValidationError as error:
        return None, [_sentence(details, given) for details in error.errors(include_input=False, include_url=False)]


def _sentence(details: ErrorDetails, given: Mapping[str, Given]) -> str:
    setting, *item = details["loc"]
    name = given[str(setting)].name if setting in given else variable(str(setting))
    place = f"{name}, item {int(item[0]) + 1}," if item else name
    message = _IN_WORDS.get(details["type"]) or details["msg"]
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{place} {message}."
