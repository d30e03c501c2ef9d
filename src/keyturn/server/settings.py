"""The settings: what there is to set, what each may be, and what it is by default.

`load_settings` is the way in. It reports every problem at once, in sentences for an operator, and never a value: what was
pasted into the wrong variable may be a secret. docs/settings.md describes each setting; a test holds the two together.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from keyturn.core.model import Micros, Policy
from keyturn.errors import SettingsError
from keyturn.http.origin import is_loopback_host, is_loopback_origin
from keyturn.server.durations import format_duration
from keyturn.server.origins import may_be_same_site, origin_of
from keyturn.server.settings_fields import (
    SEPARATED,
    BasePath,
    Host,
    Issuer,
    MailFrom,
    Network,
    Origin,
    Reference,
    SmtpUrl,
    VisibleText,
    lasting,
    whole,
    written,
)
from keyturn.server.settings_problems import sentence, weaknesses
from keyturn.server.settings_providers import ProviderName, ProviderSettings
from keyturn.server.settings_sources import Given, Sources, variable

HASH_MEMORY_FLOOR_KIB = {1: 47_104, 2: 19_456, 3: 12_288}
"""The least memory that argon2id needs for 1, 2, and 3 or more passes (OWASP Password Storage Cheat Sheet)."""


class Settings(BaseModel):
    """All settings, checked. Durations are in microseconds; a field that another is checked against comes before it.

    The constructor reads nothing from outside; `load_settings` does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    issuer: Issuer | None = None
    audience: VisibleText | None = None
    host: Host = "127.0.0.1"
    port: Annotated[int, whole(0, 65_535)] = 8000
    workers: Annotated[int, whole(1, 256)] = 1
    base_path: BasePath = "/api/v1/auth"
    pages: bool = True
    allowed_origins: Annotated[tuple[Origin, ...], SEPARATED] = ()
    trusted_proxies: Annotated[tuple[Network, ...], SEPARATED] = ()
    database_url: SecretStr | None = None
    data_dir: Path = Path("./keyturn-data")
    user_store: Reference | None = None

    access_ttl: Annotated[Micros, lasting("1s", "24h")] = written("10m")
    session_ttl: Annotated[Micros, lasting("1s", "3650d")] = written("180d")
    refresh_ttl: Annotated[Micros, lasting("1s", "3650d")] = written("30d")
    refresh_window: Annotated[Micros, lasting("0s", "10m")] = written("30s")
    refresh_queue: Annotated[int, whole(1, 100_000)] = 1000

    access_secret: SecretStr | None = None
    refresh_secret: SecretStr | None = None
    access_algorithm: Literal["ES256", "EdDSA", "RS256", "HS256"] = Field(
        default_factory=lambda checked: "HS256" if checked.get("access_secret") else "ES256"
    )
    access_claims: Annotated[tuple[Literal["username", "email", "full_name"], ...], SEPARATED] = ()
    claims_hook: Reference | None = None

    registration: Literal["open", "closed"] = "open"
    password_min_length: Annotated[int, whole(8, 64)] = 8
    password_blocklist: Path | None = None
    password_pepper: SecretStr | None = None
    password_pepper_previous: SecretStr | None = None
    hash_memory_kib: Annotated[int, whole(8, 4_194_304)] = 19_456
    hash_time_cost: Annotated[int, whole(1, 100)] = 2
    hash_concurrency: Annotated[int, whole(1, 1024)] = Field(
        default_factory=lambda checked: max(1, (os.cpu_count() or 1) // checked.get("workers", 1))
    )
    hash_queue: Annotated[int, whole(0, 100_000)] = 64

    rate_limits: bool = True
    rate_limit_client: Annotated[int, whole(1, 25)] = 5
    rate_limit_address: Annotated[int, whole(1, 1_000_000)] = 100
    rate_limit_everybody: Annotated[int, whole(1, 1_000_000)] = 1000
    rate_limit_registration: Annotated[int, whole(1, 1_000_000)] = 20
    rate_limit_refresh: Annotated[int, whole(1, 1_000_000)] = 6000
    rate_limit_url: SecretStr | None = None

    smtp_url: SmtpUrl | None = None
    smtp_password: SecretStr | None = None
    smtp_starttls: bool = True
    mail_from: MailFrom | None = None
    mail_templates: Path | None = None
    reset_ttl: Annotated[Micros, lasting("5m", "24h")] = written("1h")
    verification_ttl: Annotated[Micros, lasting("5m", "30d")] = written("1d")

    providers: Mapping[ProviderName, ProviderSettings] | None = None
    google_client_id: VisibleText | None = None
    google_client_secret: SecretStr | None = None

    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    metrics_token: SecretStr | None = None
    developer_pages: bool | None = None
    shutdown_timeout: Annotated[Micros, lasting("0s", "1h")] = written("30s")

    @field_validator("allowed_origins")
    @classmethod
    def _of_the_site_of_the_issuer(cls, origins: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "issuer" in info.data:
            issuer = info.data["issuer"] or "http://localhost"
            for origin in origins:
                if not may_be_same_site(issuer, origin):
                    raise ValueError(f"must hold origins of the issuer's scheme and site only, which {origin} is not")
        return origins

    @field_validator("refresh_ttl")
    @classmethod
    def _within_the_session(cls, refresh_ttl: Micros, info: ValidationInfo) -> Micros:
        session_ttl = info.data.get("session_ttl", refresh_ttl)
        if refresh_ttl > session_ttl:
            given, most = format_duration(refresh_ttl), format_duration(session_ttl)
            raise ValueError(
                f"({given}) must not exceed {variable('session_ttl')} ({most}): lower it or raise that one"
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

    @field_validator("google_client_secret")
    @classmethod
    def _with_the_id(cls, secret: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if (secret is None) != (info.data.get("google_client_id") is None):
            raise ValueError(f"and {variable('google_client_id')} go together: set both or none")
        if secret is not None and "google" in (info.data.get("providers") or {}):
            raise ValueError("and the table providers.google are two for one: remove one of them")
        return secret

    @field_validator("hash_time_cost")
    @classmethod
    def _with_memory_enough(cls, time_cost: int, info: ValidationInfo) -> int:
        issuer, memory = info.data.get("issuer"), info.data.get("hash_memory_kib")
        floor = HASH_MEMORY_FLOOR_KIB[min(time_cost, max(HASH_MEMORY_FLOOR_KIB))]
        if issuer and not cls.development_for(issuer) and memory is not None and memory < floor:
            raise ValueError(f"of {time_cost} needs {variable('hash_memory_kib')} to be at least {floor} (KiB)")
        return time_cost

    @field_validator("smtp_password")
    @classmethod
    def _of_a_user_of_the_mail_server(cls, password: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if password is not None and "@" not in (info.data.get("smtp_url") or "@"):
            raise ValueError(f"needs a user: {variable('smtp_url')}=smtp://user@host")
        return password

    @field_validator("smtp_starttls")
    @classmethod
    def _no_password_in_the_clear(cls, starttls: bool, info: ValidationInfo) -> bool:
        if not starttls and info.data.get("smtp_password") is not None:
            raise ValueError(f"must be true where there is a {variable('smtp_password')}: it would go in the clear")
        return starttls

    @field_validator("mail_from")
    @classmethod
    def _said_with_a_mail_server(cls, mail_from: str | None, info: ValidationInfo) -> str | None:
        if mail_from is None and info.data.get("smtp_url") is not None:
            raise ValueError(f"must be set where {variable('smtp_url')} is, such as Example <no-reply@example.com>")
        return mail_from

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
        return is_loopback_origin(issuer)


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
    sources = Sources(Settings, {"providers": Sources(ProviderSettings)})
    given = sources.gather(flags, os.environ if environ is None else environ)
    settings, problems = _validated(given)
    problems = [*sources.problems, *problems, *weaknesses(given)]
    if settings is None or problems:
        # Raised where no validation error is being handled: as its context it would carry the values.
        raise SettingsError("\n".join(problems))
    return settings


def _validated(given: Mapping[str, Given]) -> tuple[Settings | None, list[str]]:
    try:
        return Settings.model_validate({setting: one.value for setting, one in given.items()}), []
    except ValidationError as invalid:
        errors = invalid.errors(include_input=False, include_url=False)
        # A default that depends on other fields is not computed once one of them is wrong; that is no problem of its own.
        return None, [sentence(error, given) for error in errors if error["type"] != "default_factory_not_called"]
