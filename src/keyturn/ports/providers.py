"""Whoever vouches for people who have an account elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from keyturn.core.model import (
    Person,
)


@dataclass(frozen=True, slots=True)
class Handshake:
    """What ties a way back from a provider to the way there.

    Attributes:
        redirect_uri: where the provider sends the browser back to.
        state: comes back in the address.
        nonce: comes back within the ID token.
        code_verifier: shows that whoever redeems a code is whoever asked for it (PKCE, RFC 7636).
    """

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


class Provider(Protocol):
    """Somebody else's accounts to sign in with. Called from several threads; each call may ask over the network."""

    @property
    def issuer(self) -> str:
        """The provider's own name: identities are kept under it."""
        ...

    @property
    def label(self) -> str:
        """What people call it."""
        ...

    def authorization_url(self, handshake: Handshake) -> str:
        """Where to send a browser, for its user to say who they are.

        Raises:
            ProviderUnavailable, ProviderInvalid
        """
        ...

    def person(self, handshake: Handshake, code: str, issuer: str | None) -> Person:
        """Redeem the code that a browser came back with.

        Args:
            handshake: the one that the browser was sent there with.
            code: as it came.
            issuer: `iss` of the address, if there was one (RFC 9207).

        Raises:
            ProviderUnavailable, ProviderInvalid
        """
        ...
