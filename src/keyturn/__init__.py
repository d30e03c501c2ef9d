"""Session authentication: sign in once, stay signed in.

What a service needs that verifies access tokens is here; the server is `keyturn serve`, from the extra `server`.
"""

from __future__ import annotations

from keyturn.core.model import AccessClaims
from keyturn.errors import AccessTokenInvalid, KeyturnError, SettingsError
from keyturn.verifier import Verifier

__all__ = ["AccessClaims", "AccessTokenInvalid", "KeyturnError", "SettingsError", "Verifier"]
