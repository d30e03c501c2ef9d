"""What there is to set for a provider that one can sign in with: a table `[providers.NAME]` of the settings file."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from keyturn.http.origin import is_loopback_origin
from keyturn.server.settings_fields import VisibleText, matching

ProviderName = Annotated[
    str, matching("[a-z][a-z0-9-]{0,31}", "must be small letters, digits and hyphens: the name is part of addresses")
]
Label = Annotated[str, Field(min_length=1, max_length=40)]
Scope = Annotated[str, matching("[!#-\\[\\]-~]{1,128}", "must be words without spaces")]


def _issuer(value: str) -> str:
    parts = re.fullmatch(r"(https?://[!-.0->A-~]+)(/[!-~]*)?", value)
    if parts is None or "@" in value or "?" in value or "#" in value:
        raise ValueError("must be the provider's own URL, such as https://id.example.com")
    if "{" in value:
        raise ValueError("has a part in braces: put the ID of your own tenant in its place")
    if value.startswith("http:") and not is_loopback_origin(parts[1]):
        raise ValueError("must begin with https; http is only for localhost, 127.0.0.0/8 and [::1]")
    return value


class ProviderSettings(BaseModel):
    """One provider.

    Attributes:
        preset: what is known of it already.
        issuer: its own name; a preset knows it.
        owns_email: whether it has the last word on who has the addresses that it calls verified.
    """

    # Built within the settings, and not once more by itself.
    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True, defer_build=True
    )

    preset: Literal["openid", "google", "github"] = "openid"
    issuer: Annotated[str, AfterValidator(_issuer)] | None = None
    client_id: VisibleText
    client_secret: SecretStr
    label: Label | None = None
    scopes: tuple[Scope, ...] = ()
    owns_email: bool = False

    @field_validator("issuer")
    @classmethod
    def _known(cls, issuer: str | None, info: ValidationInfo) -> str | None:
        preset = info.data.get("preset")
        if preset == "openid" and issuer is None:
            raise ValueError("is missing: the provider's own URL, such as https://id.example.com")
        if preset == "google" and issuer is not None:
            raise ValueError("is Google's: remove it, or the preset")
        return issuer

    @field_validator("scopes")
    @classmethod
    def _with_openid(cls, scopes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if scopes and info.data.get("preset") != "openid":
            raise ValueError("are the preset's: remove them")
        if scopes and "openid" not in scopes:
            raise ValueError("must hold openid")
        return scopes

    @field_validator("owns_email")
    @classmethod
    def _where_nothing_is_known(cls, owns_email: bool, info: ValidationInfo) -> bool:
        if owns_email and info.data.get("preset") != "openid":
            raise ValueError("is the preset's: remove it")
        return owns_email
