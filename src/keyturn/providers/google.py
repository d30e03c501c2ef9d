"""Google, as an OpenID provider of which more is known than of others."""

from __future__ import annotations

from collections.abc import Mapping

from keyturn.core.identity import canonical_email
from keyturn.core.keys import RS256
from keyturn.providers.oidc import Registration

ISSUER = "https://accounts.google.com"


def registration(client_id: str, client_secret: str) -> Registration:
    """What is agreed on with Google.

    Args:
        client_id: of the Google Auth platform.
        client_secret: likewise.
    """
    return Registration(
        issuer=ISSUER,
        client_id=client_id,
        client_secret=client_secret,
        label="Google",
        algorithms=(RS256,),
        also_issuer="accounts.google.com",
        owns_email=has_the_last_word,
    )


def has_the_last_word(claims: Mapping[str, object]) -> bool:
    """Whether Google gives out the address itself: a Gmail one, or one of a Workspace domain (`hd`).

    Any other address Google has verified once, and it may have another owner by now.
    """
    email, domain = claims.get("email"), claims.get("hd")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return False
    return canonical_email(email).endswith("@gmail.com") or (isinstance(domain, str) and domain != "")
