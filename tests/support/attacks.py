"""What the attacks on a running server have in common: people with accounts, and the keys that only the server should read."""

from __future__ import annotations

import itertools
import json
from typing import Any

import httpx2
from tests.support.client import PASSWORD, Browser
from tests.support.server import LiveServer

_numbers = itertools.count(1)


class Visitor(Browser):
    """A browser with a name of its own.

    Args:
        server: or its address.
        more: as for a browser.
    """

    def __init__(self, server: LiveServer | str, **more: Any) -> None:
        super().__init__(server if isinstance(server, str) else server.url, **more)
        self.email = f"user{next(_numbers)}@example.com"
        self.password = PASSWORD

    def join(self, **more: Any) -> dict[str, Any]:
        """Make an account of one's own and sign in to it."""
        return self.register(self.email, self.password, **more)

    def enter(self, **more: Any) -> dict[str, Any]:
        """Sign in to that account once more."""
        return self.login(self.email, self.password, **more)

    @property
    def refresh_cookie(self) -> str:
        """The refresh token in the jar."""
        return self.cookies["keyturn_refresh"]

    def present(self, token: str) -> httpx2.Response:
        """Refresh with a token as the cookie, from another jar, and keep nothing of the answer."""
        with Visitor(self.url) as other:
            return other.call("POST", "/refresh-token", headers={"cookie": f"keyturn_refresh={token}"})


def keys_of(server: LiveServer) -> dict[str, Any]:
    """The active private key for each purpose, as a JWK: what only the server should ever read."""
    content = json.loads((server.data_dir / "keys.json").read_text())
    return {purpose: content[purpose][0]["jwk"] for purpose in ("access", "refresh")}
