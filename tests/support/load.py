"""Clients that go on refreshing, each over one connection kept alive, and remember what they saw."""

from __future__ import annotations

import http.client
import json
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.support.client import BASE, PASSWORD
from tests.support.history import Event

CHEAP_HASHES = {"KEYTURN_HASH_MEMORY_KIB": "8", "KEYTURN_HASH_TIME_COST": "1"}


def claims_of(token: str) -> dict[str, Any]:
    """What a token says; its signature is not looked at."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


class LoadClient:
    """One honest client with delivery `body`: it presents the newest token that it holds, and nothing else.

    Args:
        url: of the server.

    Attributes:
        events: what it did and saw.
        token: the newest refresh token that it holds.
        signed_out: whether it has asked for its session's end.
        request_id: of the last answer.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        self.events: list[Event] = []
        self.token = ""
        self.session = ""
        self.signed_out = False
        self.request_id = ""

    def call(self, path: str, body: Mapping[str, object]) -> tuple[int | None, dict[str, Any]]:
        """The status and the JSON of an answer; no status: there was no whole answer."""
        try:
            self._connection.request("POST", BASE + path, json.dumps(body), {"content-type": "application/json"})
            response = self._connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None, {}
        self.request_id = response.getheader("x-request-id", "")
        return response.status, json.loads(data) if data else {}

    def sign_in(self, path: str, login: Mapping[str, object]) -> bool:
        """Sign in, or register; whether that was acknowledged."""
        began = time.monotonic()
        status, answer = self.call(path, {**login, "password": PASSWORD, "delivery": "body"})
        if status not in {200, 201}:
            return False
        self.session = answer["session"]["id"]
        self.token = answer["refresh_token"]
        self._saw("sign_in", began, status, {"gen": 1})
        return True

    def refresh(self) -> int | None:
        began, sent = time.monotonic(), claims_of(self.token)["gen"]
        status, answer = self.call("/refresh-token", {"refresh_token": self.token})
        got = {}
        if status == 200:
            self.token = answer["refresh_token"]
            got = claims_of(self.token)
        self._saw("refresh", began, status, got, sent=sent, reason=answer.get("reason") or answer.get("code"))
        return status

    def sign_out(self) -> int | None:
        self.signed_out = True
        began = time.monotonic()
        status, _ = self.call("/logout", {"refresh_token": self.token})
        self._saw("sign_out", began, status, {})
        return status

    def refresh_until(self, stop: threading.Event, *, sign_out_after: int | None = None) -> None:
        """Refresh until told to stop, or until the server is gone.

        Args:
            stop: when to.
            sign_out_after: how many refreshes it takes until this client signs out.
        """
        done = 0
        while not stop.is_set() and not self.signed_out:
            status = self.sign_out() if done == sign_out_after else self.refresh()
            if status is None:
                return
            done += 1

    def close(self) -> None:
        self._connection.close()

    def _saw(self, op: str, began: float, status: int | None, got: Mapping[str, Any], **more: Any) -> None:
        self.events.append(
            Event(
                op,
                self.session,
                began,
                time.monotonic(),
                got=got.get("gen", 0),
                got_id=got.get("jti", ""),
                status=status,
                request_id=self.request_id if status is not None else "",
                **more,
            )
        )


class Crowd:
    """Many such clients, each in a thread of its own.

    Args:
        url: of the server; every client has a session of one user's.
        size: how many.
    """

    def __init__(self, url: str, size: int) -> None:
        self._url = url
        self.clients = [self._joined("/register", {"email": "alice@example.com"})]
        self.join(size - 1)

    def join(self, count: int) -> None:
        """More clients sign in."""
        self.clients += [self._joined("/login", {"login": "alice@example.com"}) for _ in range(count)]

    def _joined(self, path: str, login: Mapping[str, object]) -> LoadClient:
        client = LoadClient(self._url)
        assert client.sign_in(path, login)
        return client

    @property
    def staying(self) -> list[LoadClient]:
        """Those that have not asked for their session's end."""
        return [client for client in self.clients if not client.signed_out]

    @property
    def events(self) -> list[Event]:
        return [event for client in self.clients for event in client.events]

    def start(self, stop: threading.Event, *, leaving: Mapping[int, int] = {}) -> list[threading.Thread]:
        """Let everybody refresh until told to stop.

        Args:
            stop: when to.
            leaving: which of those that stay sign out, and after how many refreshes.
        """
        threads = [
            threading.Thread(target=client.refresh_until, args=(stop,), kwargs={"sign_out_after": leaving.get(number)})
            for number, client in enumerate(self.staying)
        ]
        for thread in threads:
            thread.start()
        return threads

    def wait_for(self, refreshes: int) -> None:
        """Wait until so many more refreshes have been answered, all clients together."""
        goal = self._answered() + refreshes
        until = time.monotonic() + 60
        while self._answered() < goal:
            assert time.monotonic() < until, "the clients are stuck"
            time.sleep(0.01)

    def _answered(self) -> int:
        return sum(len(client.events) for client in self.clients)

    def close(self) -> None:
        """Hang up; the next request of a client opens a connection."""
        for client in self.clients:
            client.close()


def finish(threads: Iterable[threading.Thread]) -> None:
    """Wait until every thread is done."""
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
