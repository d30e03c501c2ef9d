"""A call of the API: what it takes, what it gives, and the one way in which every request to it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from pydantic import ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keyturn.core.model import Micros
from keyturn.core.strict_json import NotStrictJson, parse
from keyturn.errors import KeyturnError
from keyturn.http.forwarded import Client
from keyturn.http.headers import Headers
from keyturn.http.problems import InvalidRequest, MalformedJson, TooLarge, UnsupportedMediaType
from keyturn.server.schemas import Answer, Body

MAX_BODY_BYTES = 16 * 1024
B = TypeVar("B", bound=Body)

_MAX_JSON_DEPTH = 8
_MAX_JSON_MEMBERS = 64
NOTHING: Mapping[str, str] = MappingProxyType({})


class Incoming(NamedTuple):
    """A request that was read, and whose body is as its call wants it.

    Attributes:
        received_at: on the monotonic clock, in microseconds.
        is_gone: whether the client has hung up.
        body: what a call of the API got.
        form: what a form's fields hold, unchecked.
        query: of the address, as it was sent.
    """

    method: str
    headers: Headers
    client: Client
    received_at: Micros
    is_gone: Callable[[], bool]
    path: Mapping[str, str] = NOTHING
    body: Body | None = None
    form: Mapping[str, str] = NOTHING
    query: bytes = b""

    def __repr__(self) -> str:
        """Without what somebody typed, or a link says."""
        return (
            f"Incoming({self.method}, {self.path}, {self.client}, received_at={self.received_at}, body={self.body!r})"
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A page.

    Attributes:
        html: all of it.
        headers: that pages have and the API has not.
    """

    html: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class Reply(NamedTuple):
    """An answer.

    Attributes:
        content: a page, or the JSON.
        cookies: Set-Cookie values.
        private: whether nothing between here and the client may keep it.
    """

    status: int = 200
    content: Mapping[str, object] | Document | None = None
    headers: Mapping[str, str] = NOTHING
    cookies: Sequence[str] = ()
    private: bool = True

    def __repr__(self) -> str:
        """Without its content and its cookies: both hold tokens."""
        return f"Reply({self.status}, {dict(self.headers)})"


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        path: with parameters in braces, as OpenAPI writes them.
        run: the handler; it knows for itself which thread it belongs in.
        body: what the request's body must be; none: there is none.
        takes_form: whether the body is that of a form instead.
        answer: what a success holds; none: nothing.
        status: of a success.
        errors: what else it may answer, apart from what every call may.
        security: which credentials it takes, any one of them; an empty name: it may do without.
    """

    method: str
    path: str
    summary: str
    run: Callable[[Incoming], Awaitable[Reply]]
    body: type[Body] | None = None
    takes_form: bool = False
    answer: type[Answer] | None = None
    status: int = 200
    errors: Sequence[type[KeyturnError]] = ()
    security: Sequence[str] = ()


def has_hung_up(receive: Receive) -> bool:
    """Whether the client of a request is gone, without waiting for it to go. Its body must have been read.

    Whoever made `receive` may have a method of this name that knows. Otherwise one step of `receive` tells: it either has the
    news already or begins to wait for it.
    """
    knows: Callable[[], bool] | None = getattr(getattr(receive, "__self__", receive), "has_hung_up", None)
    if knows is not None:
        return knows()
    step = receive().__await__()
    try:
        next(step)
    except StopIteration as received:
        return bool(received.value["type"] == "http.disconnect")
    finally:
        step.close()
    return False


class Listening:
    """A `receive` that `has_hung_up` may ask, whatever the one of the framework around us does when it is stepped.

    Middleware hands on one that begins tasks and cancels them (BaseHTTPMiddleware of Starlette does), and that of granian is no
    coroutine: such a one must be awaited to its end, in a task of its own. This one does so as soon as the body is there.

    Args:
        receive: of the request.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._rest: asyncio.Task[Message] | None = None

    async def __call__(self) -> Message:
        if self._rest is not None:
            return await self._rest
        message = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._rest = asyncio.create_task(self._hear_the_end())
        return message

    def has_hung_up(self) -> bool:
        return self._rest is not None and self._rest.done() and self._rest.result()["type"] == "http.disconnect"

    def close(self) -> None:
        """The answer is out: nobody listens any more."""
        if self._rest is not None:
            self._rest.cancel()

    async def _hear_the_end(self) -> Message:
        try:
            return await self._receive()
        except Exception:  # a framework's own way to say so
            return {"type": "http.disconnect"}


async def heard(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run an application with a `receive` that `has_hung_up` may ask."""
    listening = Listening(receive)
    try:
        await app(scope, listening, send)
    finally:
        listening.close()


async def read_body(headers: Headers, receive: Receive, model: type[Body]) -> Body:
    """The body of a request, checked.

    Args:
        headers: of the request.
        receive: of the request, whose body was not read yet.
        model: what it must be. An empty body is an empty object, and needs no Content-Type.

    Raises:
        TooLarge, UnsupportedMediaType, MalformedJson, InvalidRequest
    """
    if b"content-encoding" in headers:
        raise UnsupportedMediaType
    data = await read_limited(headers, receive)
    if not data:
        return _of_nothing(model)
    if not _is_json(headers.single(b"content-type")):
        raise UnsupportedMediaType
    try:
        parsed = parse(data, max_depth=_MAX_JSON_DEPTH, max_members=_MAX_JSON_MEMBERS)
    except NotStrictJson:
        raise MalformedJson from None
    return validated(model, parsed)


@cache
def _of_nothing(model: type[Body]) -> Body:
    """What an empty body says. All requests may share it: a body does not change."""
    return validated(model, {})


async def read_limited(headers: Headers, receive: Receive) -> bytes:
    """The bytes of a body.

    Raises:
        TooLarge
        MalformedJson: the client hung up before the end; nobody reads the answer.
    """
    declared = headers.single(b"content-length")
    if declared is not None and (not declared.isdigit() or int(declared[:20]) > MAX_BODY_BYTES):
        raise TooLarge
    data, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise MalformedJson
        data += message.get("body", b"")
        more = message.get("more_body", False)
        if len(data) > MAX_BODY_BYTES:
            raise TooLarge
    return data


def _is_json(content_type: str | None) -> bool:
    media_type, _, parameters = (content_type or "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media_type.strip().lower() == "application/json" and charset in {"", "charset=utf-8"}


def validated(model: type[B], parsed: object) -> B:
    """What a body says, if it is as it must be.

    Raises:
        InvalidRequest
    """
    try:
        return model.model_validate(parsed)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise InvalidRequest([_field_problem(problem["loc"], problem["msg"]) for problem in problems]) from None


def _field_problem(location: tuple[int | str, ...], message: str) -> tuple[str, str]:
    # A name that nobody asked for is the client's own text: shortened, it may still say what was misspelt.
    return ".".join(str(part)[:64] for part in location) or "body", message.removeprefix("Value error, ")
