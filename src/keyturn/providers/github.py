"""GitHub: OAuth 2.0 without OpenID, so who somebody is has to be asked. The pattern for any provider of this kind."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from joserfc.util import urlsafe_b64encode

from keyturn.core.model import Person
from keyturn.errors import ProviderInvalid
from keyturn.ports import Clock, Handshake
from keyturn.providers.fetching import Fetcher, bearer_token
from keyturn.providers.oidc import Registration

ISSUER = "https://github.com"
_API = "https://api.github.com"


@dataclass(frozen=True, slots=True)
class _Addresses:
    authorize: str
    token: str
    api: str


class GitHub:
    """`keyturn.ports.Provider` for GitHub, or a GitHub Enterprise Server by its own address.

    Args:
        registration: what was agreed on; of it the issuer is GitHub's address.
        clock: for the bounds in time.
    """

    def __init__(self, registration: Registration, clock: Clock) -> None:
        self._registration = registration
        self._fetcher = Fetcher(clock)
        site = registration.issuer.rstrip("/")
        api = _API if site == ISSUER else f"{site}/api/v3"
        self._at = _Addresses(f"{site}/login/oauth/authorize", f"{site}/login/oauth/access_token", api)

    @property
    def issuer(self) -> str:
        return self._registration.issuer

    @property
    def label(self) -> str:
        return self._registration.label

    def authorization_url(self, handshake: Handshake) -> str:
        challenge = hashlib.sha256(handshake.code_verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._registration.client_id,
            "redirect_uri": handshake.redirect_uri,
            "scope": "read:user user:email",
            "state": handshake.state,
            "code_challenge": urlsafe_b64encode(challenge).decode(),
            "code_challenge_method": "S256",
        }
        return f"{self._at.authorize}?{urlencode(query)}"

    def person(self, handshake: Handshake, code: str, issuer: str | None) -> Person:
        if issuer not in (None, self.issuer, f"{self.issuer}/login/oauth"):
            raise ProviderInvalid("the answer comes from another issuer")
        token = self._redeem(handshake, code)
        user = self._fetcher.get(f"{self._at.api}/user", bearer=token)
        number = user.get("id")
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
            raise ProviderInvalid("the user has no number")
        name = user.get("name")
        # The login can be given up and taken by another; the number cannot.
        return Person(
            issuer=self.issuer,
            subject=str(number),
            email=_primary(self._fetcher.get_list(f"{self._at.api}/user/emails", bearer=token)),
            full_name=name if isinstance(name, str) else None,
        )

    def _redeem(self, handshake: Handshake, code: str) -> str:
        form = {
            "client_id": self._registration.client_id,
            "client_secret": self._registration.client_secret,
            "code": code,
            "redirect_uri": handshake.redirect_uri,
            "code_verifier": handshake.code_verifier,
        }
        return bearer_token(self._fetcher.post(self._at.token, form))  # a refusal has status 200 here, and no token


def _primary(emails: list[Any]) -> str | None:
    """The address that its owner prefers, if GitHub has verified it."""
    for one in emails:
        if isinstance(one, dict) and one.get("primary") is True and one.get("verified") is True:
            email = one.get("email")
            return email if isinstance(email, str) else None
    return None
