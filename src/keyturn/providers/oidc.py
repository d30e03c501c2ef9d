"""Any OpenID provider: found by discovery, authorization code with PKCE (OpenID Connect Core 1.0, RFC 7636, RFC 9700)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from joserfc.util import urlsafe_b64encode

from keyturn.core.keys import EDDSA, ES256, RS256
from keyturn.core.model import SECOND, Person
from keyturn.errors import ProviderInvalid
from keyturn.ports import Clock, Handshake
from keyturn.providers.fetching import JSON, Fetcher, Remembered, bearer_token, is_safe_url
from keyturn.providers.id_token import Expected, KeyUnknown, checked

SCOPES = ("openid", "email", "profile")
DESCRIPTION_SECONDS = 3600
KEYS_SECONDS = 3600

Claims = Mapping[str, object]


def trusts_nobody(claims: Claims) -> bool:
    """The provider has the last word on no address."""
    return False


def trusts_verified(claims: Claims) -> bool:
    """The provider has the last word on every address that it calls verified; the text "true" is not true."""
    return claims.get("email_verified") is True


@dataclass(frozen=True, slots=True)
class Registration:
    """What a provider and this server agreed on.

    Attributes:
        issuer: the provider's own name, to which `/.well-known/openid-configuration` is appended.
        client_id: ours at this provider.
        client_secret: for the token endpoint.
        label: what people call the provider.
        scopes: that are asked for.
        algorithms: that its ID tokens may be signed with.
        also_issuer: another name that it has in ID tokens.
        owns_email: whether it has the last word on the address in some claims.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    label: str = ""
    scopes: tuple[str, ...] = SCOPES
    algorithms: tuple[str, ...] = (RS256, ES256, EDDSA)
    also_issuer: str | None = None
    owns_email: Callable[[Claims], bool] = trusts_nobody


def code_query(registration: Registration, handshake: Handshake, scopes: Iterable[str], **more: str) -> str:
    """What an authorization endpoint is asked (RFC 6749, 4.1.1; RFC 7636, 4.3), as the query of its address."""
    challenge = hashlib.sha256(handshake.code_verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": registration.client_id,
        "redirect_uri": handshake.redirect_uri,
        "scope": " ".join(scopes),
        "state": handshake.state,
        "code_challenge": urlsafe_b64encode(challenge).decode(),
        "code_challenge_method": "S256",
    }
    return urlencode(query | more)


def code_form(handshake: Handshake, code: str) -> dict[str, str]:
    """What a token endpoint is sent for a code (RFC 6749, 4.1.3; RFC 7636, 4.5), but for who we are."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": handshake.redirect_uri,
        "code_verifier": handshake.code_verifier,
    }


class OpenIdProvider:
    """`keyturn.ports.Provider` for OpenID Connect.

    Args:
        registration: what was agreed on.
        clock: for the times in ID tokens, and for how old what it published may be.
    """

    def __init__(self, registration: Registration, clock: Clock) -> None:
        self.issuer, self.label = registration.issuer, registration.label
        self._registration = registration
        self._clock = clock
        self._fetcher = Fetcher(clock)
        self._loopback = registration.issuer.startswith("http:")
        self._description = Remembered(self._fetch_description, clock, lifetime=DESCRIPTION_SECONDS)
        self._keys = Remembered(self._fetch_keys, clock, lifetime=KEYS_SECONDS)

    def authorization_url(self, handshake: Handshake) -> str:
        endpoint = self._endpoint("authorization_endpoint")
        query = code_query(self._registration, handshake, self._registration.scopes, nonce=handshake.nonce)
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    def person(self, handshake: Handshake, code: str, issuer: str | None) -> Person:
        self._check_issuer(issuer)
        answer = self._redeem(handshake, code)
        access_token = bearer_token(answer)
        claims = self._checked(answer.get("id_token"), handshake.nonce, access_token)
        if "email" not in claims:
            claims = {**self._userinfo(access_token, claims["sub"]), **claims}
        return self._person(claims)

    def _person(self, claims: Claims) -> Person:
        email, name = claims.get("email"), claims.get("name")
        return Person(
            issuer=self.issuer,
            subject=str(claims["sub"]),
            email=email if isinstance(email, str) else None,
            owns_email=isinstance(email, str) and self._registration.owns_email(claims),
            full_name=name if isinstance(name, str) else None,
        )

    def _check_issuer(self, issuer: str | None) -> None:
        """Whoever sent the browser back must be whom it was sent to (RFC 9207)."""
        always_says = self._description.get().get("authorization_response_iss_parameter_supported") is True
        if issuer != self.issuer and (issuer is not None or always_says):
            raise ProviderInvalid("the answer comes from another issuer")

    def _redeem(self, handshake: Handshake, code: str) -> JSON:
        form = code_form(handshake, code)
        client_id, secret = self._registration.client_id, self._registration.client_secret
        methods = self._description.get().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        endpoint = self._endpoint("token_endpoint")
        if "client_secret_basic" in methods:
            # As in a form, before they are joined (RFC 6749, 2.3.1).
            return self._fetcher.post(endpoint, form, basic=(quote(client_id, safe=""), quote(secret, safe="")))
        return self._fetcher.post(endpoint, {**form, "client_id": client_id, "client_secret": secret})

    def _checked(self, token: object, nonce: str, access_token: str) -> dict[str, object]:
        agreed = self._registration
        issuers = {agreed.issuer, agreed.also_issuer or agreed.issuer}
        expected = Expected(issuers, agreed.client_id, nonce, access_token, agreed.algorithms)
        now, keys = self._clock.now() // SECOND, self._keys.get()
        try:
            try:
                return checked(token, keys, expected, now)
            except KeyUnknown:
                return checked(token, self._keys.newer_than(keys), expected, now)
        except KeyUnknown as unknown:
            raise ProviderInvalid(str(unknown)) from None

    def _userinfo(self, access_token: str, subject: object) -> JSON:
        """What the provider tells only there; of the very same subject (OpenID Connect Core 1.0, 5.3.2)."""
        if "userinfo_endpoint" not in self._description.get():
            return {}
        claims = self._fetcher.get(self._endpoint("userinfo_endpoint"), bearer=access_token)
        if claims.get("sub") != subject:
            raise ProviderInvalid("the user info is somebody else's")
        return {name: claims[name] for name in ("email", "email_verified", "name") if name in claims}

    def _endpoint(self, name: str) -> str:
        endpoint = self._description.get().get(name)
        if not is_safe_url(endpoint, loopback=self._loopback):
            raise ProviderInvalid(f"its {name} is missing or not https")
        return str(endpoint)

    def _fetch_description(self) -> JSON:
        found = self._fetcher.get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        # Otherwise one provider could speak for another (OpenID Connect Discovery 1.0, 4.3).
        if found.get("issuer") not in (self.issuer, self._registration.also_issuer or self.issuer):
            raise ProviderInvalid("it describes another issuer")
        if not isinstance(found.get("token_endpoint_auth_methods_supported", []), list):
            raise ProviderInvalid("its description is not of its form")
        return found

    def _fetch_keys(self) -> JSON:
        return self._fetcher.get(self._endpoint("jwks_uri"))


def site_of(issuer: str) -> str:
    """What to call a provider that has no name."""
    return urlsplit(issuer).hostname or issuer
