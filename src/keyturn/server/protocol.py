"""HTTP/1.1 as uvicorn speaks it, with bounds on what it gathers before a request is one and on how long that may take, and with
problems instead of plain text."""

from __future__ import annotations

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keyturn.errors import KeyturnError
from keyturn.http.problems import MEDIA_TYPE, HeadersTooLarge, MalformedRequest, problem_of
from keyturn.http.security import API_POLICY, security_headers

MAX_HEAD_BYTES = 64 * 1024
"""Of a request line and headers that are not complete yet. What is complete meets the stricter limits of the edge."""


REQUEST_SECONDS = 20.0
"""From the first byte of a request to its last, however slowly they drip; and from a connection to its first request."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    _in_head = True
    _received = 0
    _is_whole = False
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received = len(data)
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(HeadersTooLarge())
        if self._is_whole:
            self._clear_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def on_message_begin(self) -> None:
        self._is_whole = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        # What comes next on this connection is the head of another request; what came with the end of this one is not counted.
        self._in_head, self._head_bytes, self._is_whole = True, -self._received, True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest())

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._give_up)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()

    def _refuse(self, error: KeyturnError) -> None:
        problem = problem_of(error)
        body = json.dumps(problem.body).encode()
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
            (b"content-security-policy", API_POLICY.encode()),
            *security_headers(secure=False),
            *self.server_state.default_headers,
        ]
        reason = str(problem.body["title"]).encode()
        lines = [b"HTTP/1.1 %d %s" % (problem.status, reason), *(b"%s: %s" % header for header in headers)]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self.transport.close()
