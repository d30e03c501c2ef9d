"""HTTP/1.1 as uvicorn speaks it, with bounds on what it gathers before a request is one and on how long that may take, and with
problems instead of plain text."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from itertools import chain

from httptools import HttpParserError
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from keyturn.errors import KeyturnError
from keyturn.http.problems import MEDIA_TYPE, HeadersTooLarge, MalformedRequest, problem_of
from keyturn.http.security import API_POLICY, security_headers

MAX_HEAD_BYTES = 64 * 1024
"""Of a request line and headers that are not complete yet. What is complete meets the stricter limits of the edge."""

REQUEST_SECONDS = 20.0
"""From the first byte of a request to its last, however slowly they drip; and from a connection to its first request. As long may
answers wait for a client that does not read them."""

MAX_WAITING_REQUESTS = 100
"""How many a client may send without waiting for an answer. It loses its connection over more."""


# As numbers: bytes are searched for a number at once, and for bytes only after an exception was raised and caught.
_CR, _LF = b"\r\n"


class _Cycle(RequestResponseCycle):
    """One request and its answer. Answers of this server say how long they are and are sent as a whole: their head is checked for
    line breaks all at once, not name by name and value by value, and leaves together with the body."""

    _head: bytes | None = None
    _lingers = False

    def has_hung_up(self) -> bool:
        """Whether the client is gone; see `keyturn.server.calls.has_hung_up`."""
        return self.disconnected

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            self._head = self._begin(message["status"], [*self.default_headers, *message.get("headers", [])])
        elif message["type"] == "http.response.body" and self._head is not None and not self.response_complete:
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            if not self.disconnected:
                self._finish(self._head, message.get("body", b""))
        else:
            await super().send(message)

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
        # To close on somebody who is still sending destroys the answer on its way (RFC 9112, section 9.6).
        self._lingers = self.more_body and not self.waiting_for_100_continue
        self.response_started, self.waiting_for_100_continue, self.chunked_encoding = True, False, False
        written = b"".join(chain.from_iterable(headers))
        if _CR in written or _LF in written or 0 in written:
            raise RuntimeError("a header with a line break in it")
        block = b"".join([b"%b: %b\r\n" % header for header in headers])
        ending = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        return STATUS_LINE[status] + block + ending

    def _finish(self, head: bytes, body: bytes) -> None:
        self.transport.write(head if self.scope["method"] == "HEAD" else head + body)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive and not (self._lingers and self.more_body):
            self.transport.close()
        self.on_response()


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection."""

    _head_bytes = 0
    _in_head = True
    _received = 0
    _is_whole = False
    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._unanswered: deque[RequestResponseCycle] = deque()
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        self._hang_up_on_all()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received = len(data)
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self._refuse(HeadersTooLarge())
        # Bytes between requests begin none, and yet uvicorn takes them for a sign of life.
        if self._is_whole and not self.cycle.response_complete:
            self._clear_deadline()
        elif self._deadline is None:
            self._set_deadline()

    def on_message_begin(self) -> None:
        self._is_whole = False
        self._clear_deadline()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        # Its task has not begun yet. uvicorn offers no other way to say which class a request is of.
        self.cycle.__class__ = _Cycle
        self._unanswered.append(self.cycle)
        if len(self._unanswered) > MAX_WAITING_REQUESTS:
            self._abort()
            raise HttpParserError("too many requests wait for answers")

    def on_message_complete(self) -> None:
        # What comes next on this connection is the head of another request; what came with the end of this one is not counted.
        self._in_head, self._head_bytes, self._is_whole = True, -self._received, True
        super().on_message_complete()
        if self.cycle.response_complete and not self.cycle.keep_alive:
            self.transport.close()

    def on_response_complete(self) -> None:
        self._unanswered.popleft()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            self._refuse(MalformedRequest())

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(REQUEST_SECONDS, self._abort)

    def resume_writing(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        # Closing would wait until the client has read everything.
        self._abort()

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._abort)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _abort(self) -> None:
        self._hang_up_on_all()
        self.transport.abort()

    def _hang_up_on_all(self) -> None:
        # uvicorn tells only the newest of several requests that its client is gone; the others would write to nobody.
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()

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
