"""The outermost layer: what holds for every request and every answer, whatever the call."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import count
from types import BuiltinMethodType
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyturn.errors import KeyturnError, NotFound, Overloaded
from keyturn.http.forwarded import Client, HttpsRequired, Network, client_of
from keyturn.http.headers import Headers
from keyturn.http.origin import OriginPolicy, is_loopback_host, is_loopback_origin
from keyturn.http.problems import (
    MEDIA_TYPE,
    STATUS,
    HeadersTooLarge,
    MethodNotAllowed,
    Problem,
    UnknownHost,
    problem_of,
)
from keyturn.http.security import API_POLICY, security_headers
from keyturn.ports import Clock, Entropy, fresh_id
from keyturn.server.calls import Document, heard
from keyturn.service.events import write

ErrorPage = Callable[[Scope, Problem], Document | None]


def no_error_page(scope: Scope, problem: Problem) -> Document | None:
    """Everybody gets the problem itself."""
    return None


MAX_HEADER_BYTES = 16 * 1024
MAX_HEADERS = 64

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Answered under any host name and without TLS: whoever probes a machine knows it by its address."""

_API_POLICY = (b"content-security-policy", API_POLICY.encode())

Answered = Callable[[str | None, int | None], None]


def uncounted(route: str | None, status: int | None) -> None:
    """Nobody wants to know how many requests of a route had which status."""


_access_log = logging.getLogger("keyturn.access")
_error_log = logging.getLogger("keyturn.errors")


class Edge:
    """Wraps the application: request id, limits, host, TLS, CORS, security headers, problems, the access log.

    Args:
        app: what to wrap.
        issuer: the public URL; its host is the only one this server answers for.
        origins: which origins may read answers.
        proxies: which peers may end TLS and name the client.
        clock: for durations.
        entropy: for request ids.
        error_page: what to show instead of a problem, to whom; nothing by default.
        answered: told the route and the status of every request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        issuer: str,
        origins: OriginPolicy,
        proxies: Collection[Network],
        clock: Clock,
        entropy: Entropy,
        error_page: ErrorPage = no_error_page,
        answered: Answered = uncounted,
    ) -> None:
        self._app = app
        public = urlsplit(issuer)
        default_port = 443 if public.scheme == "https" else 80
        self._hosts = {public.netloc, *([f"{public.netloc}:{default_port}"] if public.port is None else [])}
        self._loopback = is_loopback_host(public.hostname or "")
        self.headers = security_headers(secure=issuer.startswith("https:"))
        self.origins = origins
        self._general = frozenset(name for name, _ in self.headers)
        self._proxies = tuple(proxies)
        self.clock = clock
        self._run_id = fresh_id(entropy)[:12]
        self._requests = count()
        self.error_page = error_page
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if isinstance(receive, BuiltinMethodType):  # of a server that is not written in Python
            await heard(self, scope, receive, send)
            return
        headers = Headers(scope["headers"])
        peer = scope["client"][0] if scope.get("client") else ""
        client = client_of(peer, headers, self._proxies)
        exchange = _Exchange(self, scope, headers, client, send)
        # An application with `app` in its scope raises HTTPException where nothing matches, instead of answering in plain text.
        scope["app"] = self
        scope["keyturn.headers"] = headers
        scope["keyturn.client"] = client
        scope["keyturn.received_at"] = exchange.received_at
        try:
            self._check(scope["path"], headers, client)
            if scope["method"] == "OPTIONS" and exchange.allowed_origin is not None:
                await exchange.answer_preflight()
            else:
                await self._app(scope, receive, exchange.send)
        except KeyturnError as error:
            await exchange.answer_problem(error)
        except HTTPException as error:
            await exchange.answer_problem(*_as_keyturn(error))
        except asyncio.CancelledError:
            # The server stops and has no more time. What was decided stays decided; the client asks again.
            await exchange.answer_problem(Overloaded("The server is stopping. Try again in a moment."))
        except Exception:
            _error_log.exception("unexpected", extra={"facts": {"request_id": exchange.request_id}})
            await exchange.answer_problem(KeyturnError())
        finally:
            self._answered(scope.get("keyturn.route"), exchange.status)
            exchange.log()

    def next_request_id(self) -> str:
        """Unique among all servers; it is a name and no secret, so it need not be drawn each time."""
        return f"{self._run_id}{next(self._requests):012x}"

    def general(self, present: Collection[bytes]) -> list[tuple[bytes, bytes]]:
        """The headers of every answer, but those that an answer has of its own.

        Args:
            present: the names of all that it has.
        """
        if self._general.isdisjoint(present):
            return self.headers
        return [header for header in self.headers if header[0] not in present]

    def _check(self, path: str, headers: Headers, client: Client) -> None:
        if len(headers) > MAX_HEADERS or headers.size > MAX_HEADER_BYTES:
            raise HeadersTooLarge
        if path in PROBES:
            return
        if not client.trusted:
            raise HttpsRequired
        host = (headers.single(b"host") or "").lower()
        if host not in self._hosts and not (self._loopback and is_loopback_origin(f"http://{host}")):
            raise UnknownHost


class _Exchange:
    """One request and its answer."""

    def __init__(self, edge: Edge, scope: Scope, headers: Headers, client: Client, send: Send) -> None:
        self._edge = edge
        self._scope = scope
        self._client = client
        self._send = send
        self.received_at = edge.clock.monotonic()
        self.request_id = edge.next_request_id()
        self.status: int | None = None
        self._code: str | None = None
        origin = headers.single(b"origin")
        self.allowed_origin = origin if origin is not None and edge.origins.is_allowed(origin) else None

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": self._completed(message["headers"])}
        return self._send(message)

    def _completed(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = dict(headers)
        completed = [*headers, *self._edge.general(present), (b"x-request-id", self.request_id.encode())]
        if self.allowed_origin is not None:
            completed += self._cors(self.allowed_origin)
        if b"content-security-policy" not in present:
            completed.append(_API_POLICY)
        return completed

    def _cors(self, origin: str) -> list[tuple[bytes, bytes]]:
        return [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-allow-credentials", b"true"),
            (b"access-control-expose-headers", b"Retry-After, X-Request-Id, WWW-Authenticate"),
        ]

    async def answer_preflight(self) -> None:
        headers = [
            (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
            (b"access-control-allow-headers", b"Authorization, Content-Type"),
            (b"access-control-max-age", b"600"),
        ]
        await self.send({"type": "http.response.start", "status": 204, "headers": headers})
        await self.send({"type": "http.response.body", "body": b""})

    async def answer_problem(self, error: KeyturnError, more: dict[str, str] | None = None) -> None:
        if self.status is not None:
            # The answer has begun: nothing can be said any more, but that it is not whole.
            raise error
        problem = problem_of(error, request_id=self.request_id)
        self._code = str(problem.body["code"])
        if type(error) not in STATUS:
            facts = {"request_id": self.request_id, "error": str(error)}
            _error_log.error("unexpected", extra={"facts": facts})
        page = self._edge.error_page(self._scope, problem)
        body = (json.dumps(problem.body) if page is None else page.html).encode()
        headers = {
            "content-type": MEDIA_TYPE if page is None else "text/html; charset=utf-8",
            "content-length": str(len(body)),
            "cache-control": "no-store",
            **(page.headers if page is not None else {}),
            **problem.headers,
            **(more or {}),
        }
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": encoded})
        await self.send({"type": "http.response.body", "body": b"" if self._scope["method"] == "HEAD" else body})

    def log(self) -> None:
        """One line: never a query, a header or a body, and the path only where it is one of ours."""
        if not _access_log.isEnabledFor(logging.INFO):
            return
        route = self._scope.get("keyturn.route")
        facts = {
            "method": self._scope["method"] if route else None,
            "path": route,
            "status": self.status,
            "code": self._code,
            "ms": round((self._edge.clock.monotonic() - self.received_at) / 1000, 1),
            "address": self._client.address,
            "request_id": self.request_id,
        }
        write(_access_log, logging.INFO, "request", facts)


def _as_keyturn(error: HTTPException) -> tuple[KeyturnError, dict[str, str]]:
    if error.status_code == 405:
        return MethodNotAllowed(), {"allow": (error.headers or {}).get("Allow", "")}
    return NotFound(), {}
