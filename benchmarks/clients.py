"""What the clients of the load send, and what they make of the answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from benchmarks.load import Client


class Rotating:
    """A client that presents the token of the last answer, every time.

    Args:
        request: makes a request from a token.
        opening: the bytes before the token in an answer.
        closing: the byte after it.
        token: the first one.
    """

    def __init__(self, request: Callable[[bytes], bytes], opening: bytes, closing: bytes, token: bytes) -> None:
        self._make = request
        self._opening = opening
        self._closing = closing
        self.token = token
        self.request = request(token)

    def answered(self, answer: bytes) -> None:
        """Take the new token out of an answer."""
        assert answer[9:12] == b"200", answer
        start = answer.index(self._opening) + len(self._opening)
        token = answer[start : answer.index(self._closing, start)]
        assert token != self.token, "the token was not rotated"
        self.token = token
        self.request = self._make(token)


class Repeating:
    """A client that sends one request again and again.

    Args:
        request: the bytes.
        proof: what each answer must hold.
    """

    def __init__(self, request: bytes, proof: bytes) -> None:
        self.request = request
        self._proof = proof

    def answered(self, answer: bytes) -> None:
        """See that it is the answer that was wanted."""
        assert answer[9:12] == b"200", answer
        assert self._proof in answer, answer


class Taking:
    """A connection that sends a request of another client each time: of the one whose turn is longest ago.

    Args:
        clients: those that wait for their turn; several connections take from one.
    """

    def __init__(self, clients: deque[Client]) -> None:
        self._clients = clients
        self._current = clients.popleft()

    @property
    def request(self) -> bytes:
        return self._current.request

    def answered(self, answer: bytes) -> None:
        """Give the answer to whose request it was, and take the next one."""
        self._current.answered(answer)
        self._clients.append(self._current)
        self._current = self._clients.popleft()


def posting(path: str, form: bytes) -> Callable[[bytes], bytes]:
    """Makes requests that POST a token in a JSON body.

    Args:
        path: of the call.
        form: the body, with `%b` where the token goes.
    """
    before, after = form.split(b"%b")
    length = len(before) + len(after)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ".encode()

    def request(token: bytes) -> bytes:
        return b"%b%d\r\n\r\n%b%b%b" % (head, length + len(token), before, token, after)

    return request


def presenting(path: str, cookie: str) -> Callable[[bytes], bytes]:
    """Makes requests that POST nothing, with a token in a cookie.

    Args:
        path: of the call.
        cookie: its name.
    """
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nCookie: {cookie}=".encode()
    return lambda token: head + token + b"\r\n\r\n"
