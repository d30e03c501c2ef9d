"""HTTP/1.1 as uvicorn speaks it, with a bound on what it gathers before a request is one, and problems instead of plain text."""

from __future__ import annotations

import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from keyturn.errors import KeyturnError
from keyturn.http.problems import MEDIA_TYPE, HeadersTooLarge, MalformedRequest, problem_of
from keyturn.http.security import API_POLICY, security_headers

MAX_HEAD_BYTES = 64 * 1024
"""Of a request line and headers that are not complete yet. What is complete meets the stricter limits of the edge."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    _in_head = True
    _received = 0

    def data_received(self, data: bytes) -> None:
        self._received = len(data)
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(HeadersTooLarge())

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        # What comes next on this connection is the head of another request; what came with the end of this one is not counted.
        self._in_head, self._head_bytes = True, -self._received
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(MalformedRequest())

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
