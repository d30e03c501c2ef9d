"""What the attacks on a running server have in common: a client that remembers its secrets, and a watch on the log."""

from __future__ import annotations

import itertools
import json
import logging
import re
from typing import Any

import httpx2
from tests.support.client import PASSWORD, Browser, note
from tests.support.server import LiveServer

from keyturn.server.logs import JsonFormatter, TextFormatter

_SECRETS: set[str] = set()
"""Tails of every token and every password that a client here has sent or got."""

_TAIL = 24
_SECRET_MEMBERS = re.compile(r'"(?:password|current_password|new_password|access_token|refresh_token)": ?"([^"]*)"')
_numbers = itertools.count(1)


def remember(*secrets: str) -> None:
    """Keep what no log may hold. Its tail, so that a shortened quotation is found as well."""
    _SECRETS.update(secret[-_TAIL:] for secret in secrets if len(secret) >= 12)


class Visitor(Browser):
    """A browser with a name of its own, which remembers every secret that passes through it.

    Args:
        server: or its address.
        more: as for a browser.
    """

    def __init__(self, server: LiveServer | str, **more: Any) -> None:
        super().__init__(server if isinstance(server, str) else server.url, **more)
        self.event_hooks = {"request": [self._note_request], "response": [self._check, note, self._note_response]}
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

    def _note_request(self, request: httpx2.Request) -> None:
        remember(request.headers.get("authorization", "").rpartition(" ")[2])
        remember(*(part.partition("=")[2].strip() for part in request.headers.get("cookie", "").split(";")))
        remember(*_SECRET_MEMBERS.findall(request.content[:20_000].decode(errors="replace")))

    def _note_response(self, response: httpx2.Response) -> None:
        remember(*_SECRET_MEMBERS.findall(response.text))
        remember(*(value.partition("=")[2].partition(";")[0] for value in response.headers.get_list("set-cookie")))


class Watch(logging.Handler):
    """Everything that the server logs, in both of its formats."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._formatters = (JsonFormatter(), TextFormatter())
        self.begin()

    def begin(self) -> None:
        """Forget what was logged before."""
        self.records: list[logging.LogRecord] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # A client's log is not the server's.
        if not record.name.startswith(("httpx", "httpcore")):
            self.records.append(record)
            self.lines.extend(formatter.format(record) for formatter in self._formatters)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The facts of every event of a name."""
        return [vars(record)["facts"] for record in self.records if record.msg == name]

    def assert_no_errors(self) -> None:
        """No error was logged, and no request was answered 500."""
        assert [record.getMessage() for record in self.records if record.levelno >= logging.ERROR] == []
        assert [facts for facts in self.events("request") if facts["status"] == 500] == []

    def assert_no_secrets(self) -> None:
        """No line holds a secret that any attack so far has used."""
        text = "\n".join(self.lines)
        assert [secret for secret in _SECRETS if secret in text] == []


def keys_of(server: LiveServer) -> dict[str, Any]:
    """The active private key for each purpose, as a JWK: what only the server should ever read."""
    content = json.loads((server.data_dir / "keys.json").read_text())
    return {purpose: content[purpose][0]["jwk"] for purpose in ("access", "refresh")}
