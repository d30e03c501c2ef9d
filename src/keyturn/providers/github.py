"""GitHub: OAuth 2.0 without OpenID, so who somebody is has to be asked. The pattern for any provider of this kind."""

from __future__ import annotations

from typing import Any

from keyturn.core.model import Person
from keyturn.errors import ProviderInvalid
from keyturn.ports import Clock, Handshake
from keyturn.providers.fetching import Fetcher, bearer_token
from keyturn.providers.oidc import Registration, code_form, code_query, site_of

ISSUER = "https://github.com"
_SCOPES = ("read:user", "user:email")


def registration(client_id: str, client_secret: str, issuer: str | None = None) -> Registration:
    """What is agreed on with GitHub.

    Args:
        client_id: of the OAuth app.
        client_secret: likewise.
        issuer: the address of a GitHub Enterprise Server; none: github.com.
    """
    return Registration(issuer or ISSUER, client_id, client_secret, site_of(issuer) if issuer else "GitHub")


class GitHub:
    """`keyturn.ports.Provider` for GitHub, or a GitHub Enterprise Server by its own address.

    Args:
        registration: what was agreed on; of it the issuer is GitHub's address.
        clock: for the bounds in time.
    """

    def __init__(self, registration: Registration, clock: Clock) -> None:
        self.issuer, self.label = registration.issuer, registration.label
        self._registration = registration
        self._fetcher = Fetcher(clock)
        self._site = registration.issuer.rstrip("/")
        self._api = "https://api.github.com" if self._site == ISSUER else f"{self._site}/api/v3"

    def authorization_url(self, handshake: Handshake) -> str:
        return f"{self._site}/login/oauth/authorize?{code_query(self._registration, handshake, _SCOPES)}"

    def person(self, handshake: Handshake, code: str, issuer: str | None) -> Person:
        if issuer not in (None, self.issuer, f"{self.issuer}/login/oauth"):
            raise ProviderInvalid("the answer comes from another issuer")
        token = self._redeem(handshake, code)
        user = self._fetcher.get(f"{self._api}/user", bearer=token)
        number = user.get("id")
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
            raise ProviderInvalid("the user has no number")
        name = user.get("name")
        # The login can be given up and taken by another; the number cannot.
        return Person(
            issuer=self.issuer,
            subject=str(number),
            email=_primary(self._fetcher.get_list(f"{self._api}/user/emails", bearer=token)),
            full_name=name if isinstance(name, str) else None,
        )

    def _redeem(self, handshake: Handshake, code: str) -> str:
        us = {"client_id": self._registration.client_id, "client_secret": self._registration.client_secret}
        answer = self._fetcher.post(f"{self._site}/login/oauth/access_token", code_form(handshake, code) | us)
        return bearer_token(answer)  # a refusal has status 200 here, and no token


def _primary(emails: list[Any]) -> str | None:
    """The address that its owner prefers, if GitHub has verified it."""
    for one in emails:
        if isinstance(one, dict) and one.get("primary") is True and one.get("verified") is True:
            email = one.get("email")
            return email if isinstance(email, str) else None
    return None
