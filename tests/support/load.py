"""Clients that go on refreshing, each over one connection kept alive, and remember what they saw."""

from __future__ import annotations

import http.client
import json
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from tests.support.client import BASE, EMAIL, PASSWORD
from tests.support.history import Event

CHEAP_HASHES = {"KEYTURN_HASH_MEMORY_KIB": "8", "KEYTURN_HASH_TIME_COST": "1"}


def claims_of(token: str) -> dict[str, Any]:
    """What a token says; its signature is not looked at."""
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims


class LoadClient:
    """One honest client with delivery `body`: it presents the newest token that it holds, and nothing else.

    Every call gives the status of the answer; none: there was no whole answer, and the connection is closed.

    Args:
        url: of the server.

    Attributes:
        events: what it did and saw.
        session: the one it is signed in to.
        token: the newest refresh token that it holds; empty: it is not signed in.
        leaving: it has asked for its session's end, and was not answered.
        left: sessions that ended as it asked, each with its last token.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        self.events: list[Event] = []
        self.session = ""
        self.token = ""
        self.leaving = False
        self.left: list[tuple[str, str]] = []
        self._request_id = ""

    @property
    def newest(self) -> int:
        """The generation of the newest token that its session's answers held."""
        return max(event.got for event in self.events if event.session == self.session)

    def register(self) -> int | None:
        return self._open("/register", {"email": EMAIL})

    def sign_in(self) -> int | None:
        return self._open("/login", {"login": EMAIL})

    def refresh(self) -> int | None:
        began, sent = time.monotonic(), claims_of(self.token)["gen"]
        status, answer = self._call("/refresh-token", {"refresh_token": self.token})
        got = {}
        if status == 200:
            self.token = answer["refresh_token"]
            got = claims_of(self.token)
        self._saw("refresh", began, status, got, sent=sent, reason=answer.get("reason") or answer.get("code"))
        return status

    def sign_out(self) -> int | None:
        self.leaving = True
        began = time.monotonic()
        status, _ = self._call("/logout", {"refresh_token": self.token})
        self._saw("sign_out", began, status, {})
        if status == 204:
            self.left.append((self.session, self.token))
            self.leaving, self.token = False, ""
        return status

    def go_on(self) -> int | None:
        """The next thing to do: repeat the sign-out that was not answered, sign in, or refresh."""
        if self.leaving:
            return self.sign_out()
        return self.refresh() if self.token else self.sign_in()

    def live(self, stopping: threading.Event, *, restless: int | None = None) -> None:
        """Go on until the server is gone, or it is time to stop.

        Args:
            stopping: set when it is.
            restless: after so many refreshes, sign out and in again.
        """
        for number in count(1):
            status = self.sign_out() if restless and self.token and number % restless == 0 else self.go_on()
            if status is None or stopping.is_set():
                return

    def close(self) -> None:
        """Hang up; the next request opens a connection."""
        self._connection.close()

    def _open(self, path: str, login: Mapping[str, object]) -> int | None:
        began = time.monotonic()
        status, answer = self._call(path, {**login, "password": PASSWORD, "delivery": "body"})
        if status is not None:
            assert status in {200, 201}, answer
            self.session, self.token = answer["session"]["id"], answer["refresh_token"]
            self._saw("sign_in", began, status, claims_of(self.token))
        return status

    def _call(self, path: str, body: Mapping[str, object]) -> tuple[int | None, dict[str, Any]]:
        try:
            self._connection.request("POST", BASE + path, json.dumps(body), {"content-type": "application/json"})
            response = self._connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return None, {}
        self._request_id = response.getheader("x-request-id", "")
        is_json = "json" in response.getheader("content-type", "")
        return response.status, json.loads(data) if is_json else {}

    def _saw(self, op: str, began: float, status: int | None, got: Mapping[str, Any], **more: Any) -> None:
        answered = {"request_id": self._request_id, "got": got.get("gen", 0), "got_id": got.get("jti", "")}
        more |= answered if status is not None else {}
        self.events.append(Event(op, self.session, began, time.monotonic(), status=status, **more))


class Tab(LoadClient):
    """One of several clients that share a jar: each presents what lies there, and puts there what it gets, in whatever order.

    Args:
        url: of the server.
        jar: holds the newest token at last.
    """

    def __init__(self, url: str, jar: list[str]) -> None:
        self._jar = jar
        super().__init__(url)

    @property
    def token(self) -> str:
        return self._jar[-1] if self._jar else ""

    @token.setter
    def token(self, value: str) -> None:
        self._jar[:] = [value]


class Crowd:
    """Many such clients, each with a session of one user's.

    Args:
        url: of the server; the user is made there.
        size: how many clients.
    """

    def __init__(self, url: str, size: int) -> None:
        self.clients = [LoadClient(url) for _ in range(size)]
        assert self.clients[0].register() == 201
        for client in self.clients[1:]:
            assert client.sign_in() == 200

    @property
    def events(self) -> list[Event]:
        return [event for client in self.clients for event in client.events]

    def start(self, *, restless: Mapping[int, int] = {}) -> list[threading.Thread]:
        """Let everybody go on, each in a thread of its own, until the server is gone.

        Args:
            restless: which clients sign out and in again, and after how many refreshes.
        """
        self._stopping = threading.Event()
        return [
            start(partial(c.live, self._stopping, restless=restless.get(number)))
            for number, c in enumerate(self.clients)
        ]

    def stop(self) -> None:
        """Tell everybody to stop after what they are about."""
        self._stopping.set()

    def wait_for(self, events: int, *, status: int | None = None) -> None:
        """Wait until so many more things have happened, to all clients together.

        Args:
            events: how many.
            status: of those that count; none: all of them.
        """

        def happened() -> int:
            return sum(status in (None, event.status) for event in self.events)

        goal = happened() + events
        until = time.monotonic() + 60
        while happened() < goal:
            assert time.monotonic() < until, "the clients are stuck"
            time.sleep(0.01)

    def close(self) -> None:
        for client in self.clients:
            client.close()


def start(work: Callable[[], object]) -> threading.Thread:
    """A thread that does something."""
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def finish(threads: Iterable[threading.Thread]) -> None:
    """Wait until every thread is done."""
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
