"""The ASGI application: the calls behind their paths, the edge around them, and what runs beside them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import anyio.to_thread
import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from keyturn.core.model import SECOND
from keyturn.errors import KeyturnError
from keyturn.http.headers import Headers
from keyturn.http.origin import OriginPolicy
from keyturn.http.security import API_POLICY
from keyturn.ports import Transaction
from keyturn.server.api import Api
from keyturn.server.calls import NOTHING, Call, Document, Incoming, Reply, has_hung_up, read_body
from keyturn.server.following import Follower
from keyturn.server.forms import read_form
from keyturn.server.mailing import delivering
from keyturn.server.postman import Postman

_log = logging.getLogger("keyturn.errors")

SAMPLE_SECONDS = 1.0
"""How old the numbers for operators may be."""

PURGE_SECONDS = 3600.0
PURGE_ROWS = 250
"""How often, and how many at a time, sessions are deleted that would have expired, and counters of failed attempts."""

MAX_COUNTERS = 1_000_000
"""How many counters are kept at the most: about 150 MB."""


_WITHOUT_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """All calls at one path."""

    path: str
    calls: Mapping[str, Call]
    origins: OriginPolicy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["keyturn.route"] = self.path
        method: str = scope["method"]
        headers: Headers = scope["keyturn.headers"]
        call = self._find(method)
        self.origins.check(method, headers)
        incoming = Incoming(
            method=method,
            headers=headers,
            client=scope["keyturn.client"],
            received_at=scope["keyturn.received_at"],
            is_gone=partial(has_hung_up, receive),
            query=scope.get("query_string", b""),
            path=scope.get("path_params", NOTHING),
            body=await read_body(headers, receive, call.body) if call.body is not None else None,
            form=await read_form(headers, receive) if call.takes_form else NOTHING,
        )
        reply = await call.run(incoming)
        content = _content(reply)
        await send({"type": "http.response.start", "status": reply.status, "headers": _head(reply, len(content))})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else content})

    def _find(self, method: str) -> Call:
        call = self.calls.get("GET" if method == "HEAD" else method)
        if call is None:
            allowed = sorted({*self.calls, *(("HEAD",) if "GET" in self.calls else ())})
            raise HTTPException(405, headers={"Allow": ", ".join(allowed)})
        return call


def _content(reply: Reply) -> bytes:
    content = reply.content
    if content is None:
        return b""
    return content.html.encode() if isinstance(content, Document) else orjson.dumps(content, option=orjson.OPT_UTC_Z)


def _head(reply: Reply, length: int) -> list[tuple[bytes, bytes]]:
    """The headers of an answer.

    Args:
        reply: the answer.
        length: of its body, in bytes.
    """
    headers = _encoded(reply.headers)
    if isinstance(reply.content, Document):
        headers |= {**_encoded(reply.content.headers), b"content-type": b"text/html; charset=utf-8"}
    elif reply.content is not None:
        headers[b"content-type"] = b"application/json"
    if reply.status not in _WITHOUT_BODY:
        headers[b"content-length"] = b"%d" % length
    if reply.private:
        headers[b"cache-control"] = b"no-store"
    return [*headers.items(), *[(b"set-cookie", cookie.encode("latin-1")) for cookie in reply.cookies]]


def _encoded(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode("latin-1"): value.encode("latin-1") for name, value in headers.items()}


@dataclass(frozen=True, slots=True)
class Page:
    """Something that is only read, and is the same for everybody.

    Attributes:
        content: a text; or what makes it, in a thread, whenever it is asked for.
        policy: its Content-Security-Policy; the API's by default.
        cached: its Cache-Control; none by default.
        embedded: by which sites pages may load it (Cross-Origin-Resource-Policy).
    """

    path: str
    content: str | Callable[[], str]
    media_type: str
    policy: str = API_POLICY
    cached: str | None = None
    embedded: str = "same-origin"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        scope["keyturn.route"] = self.path
        content = self.content if isinstance(self.content, str) else await anyio.to_thread.run_sync(self.content)
        headers = {"content-security-policy": self.policy, "cross-origin-resource-policy": self.embedded}
        if self.cached is not None:
            # Whatever else a request says: otherwise a browser would fetch the file anew with every new cookie.
            tag = f'"{hashlib.sha256(content.encode()).hexdigest()[:16]}"'
            headers |= {"cache-control": self.cached, "vary": "Origin", "etag": tag}
            if any(tag in known for known in scope["keyturn.headers"].all(b"if-none-match")):
                await Response(status_code=304, headers=headers)(scope, receive, send)
                return
        await Response(content, headers=headers, media_type=self.media_type)(scope, receive, send)


class Located(Protocol):
    """An application at one path."""

    @property
    def path(self) -> str: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


def router(
    calls: Sequence[Call],
    origins: OriginPolicy,
    pages: Sequence[Located],
    lifespan: Callable[[Any], contextlib.AbstractAsyncContextManager[None]],
) -> ASGIApp:
    """Calls and pages behind their paths.

    Args:
        calls: in any order; those at one path become one route.
        origins: what every unsafe request is checked against.
        pages: what is only read.
        lifespan: what runs as long as the application does.
    """
    by_path: dict[str, dict[str, Call]] = {}
    for call in calls:
        by_path.setdefault(call.path, {})[call.method] = call
    endpoints = [Endpoint(path, found, origins) for path, found in by_path.items()]
    # A path without parameters is looked up; a router would compare it with every pattern in turn.
    plain: dict[str, ASGIApp] = {endpoint.path: endpoint for endpoint in endpoints if "{" not in endpoint.path}
    plain |= {page.path: page for page in pages}
    patterns = [Route(endpoint.path, endpoint) for endpoint in endpoints if "{" in endpoint.path]
    others = Router(patterns, redirect_slashes=False, lifespan=lifespan)

    def route(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return plain.get(scope.get("path", ""), others)(scope, receive, send)

    return route


def lifespan_of(
    api: Api, sample: Callable[[], None], postman: Postman
) -> Callable[[Any], contextlib.AbstractAsyncContextManager[None]]:
    """What runs beside the calls: following ends that other processes decided, mail, the purge, and the numbers for operators.

    Args:
        api: the handlers.
        sample: brings those numbers up to date, in the event loop's thread.
        postman: sends the mails.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        context = api.context
        follower = Follower(context, api.storing)

        async def look() -> None:
            sample()

        # Before the first request: a session that ended before a restart must not be good again after it.
        await follower.look()
        tasks = [
            asyncio.create_task(_repeat(follower.pause, follower.look)),
            asyncio.create_task(_repeat(follower.pause, follower.listen)),
            asyncio.create_task(_repeat(partial(asyncio.sleep, PURGE_SECONDS), lambda: _purge(api))),
            asyncio.create_task(_repeat(partial(asyncio.sleep, SAMPLE_SECONDS), look)),
        ]
        try:
            async with delivering(postman):
                yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            api.refreshes.close()
            context.database.close()

    return lifespan


async def _purge(api: Api) -> None:
    for purge in (_purge_sessions, _purge_counters, _purge_one_time_tokens):
        while await _purged(api, purge) == PURGE_ROWS:
            pass


async def _purged(api: Api, purge: Callable[[Transaction], int]) -> int:
    """How many rows a step of a purge deleted. It rests for three times as long as it took: refreshes go first."""
    clock, database = api.context.clock, api.context.database
    began = clock.monotonic()
    count = await api.storing.run(lambda: database.transact(purge))
    await asyncio.sleep(3 * (clock.monotonic() - began) / SECOND)
    return count


def _purge_sessions(tx: Transaction) -> int:
    return tx.sessions.purge(PURGE_ROWS)


def _purge_counters(tx: Transaction) -> int:
    return tx.counters.purge(PURGE_ROWS, keep=MAX_COUNTERS)


def _purge_one_time_tokens(tx: Transaction) -> int:
    return tx.one_time_tokens.purge(PURGE_ROWS)


async def _repeat(pause: Callable[[], Awaitable[None]], work: Callable[[], Awaitable[None]]) -> None:
    """Do something now and then, whatever becomes of it: a database that is away comes back."""
    while True:
        try:
            await work()
        except KeyturnError as error:
            _log.warning("background", extra={"facts": {"code": error.code}})
        except Exception:
            _log.exception("background")
        await pause()
