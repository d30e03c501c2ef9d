"""Asking a provider: bounded in time and size, without redirects, and nothing but strict JSON is taken for an answer."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from threading import Lock
from typing import Any, TypeAlias

import httpx2

from keyturn.core.model import SECOND, Micros
from keyturn.core.strict_json import NotStrictJson, parse
from keyturn.errors import ProviderInvalid, ProviderUnavailable
from keyturn.ports import Clock

JSON: TypeAlias = Mapping[str, Any]

TIMEOUT_SECONDS = 5.0
"""Of each step: connecting, sending, every part of the answer."""

DEADLINE_SECONDS = 10
"""Of a whole answer, so that one that drips for ever ends as well."""

MAX_ANSWER_BYTES = 256 * 1024
MAX_RENEWALS = 5
"""How often a minute what a provider publishes may be fetched before its time."""

REST_SECONDS = 5
"""How long a provider that has failed is not asked again for its description or its keys."""

_MAX_DEPTH, _MAX_MEMBERS = 12, 5000
_LOOPBACK = re.compile(r"http://(127(?:\.\d{1,3}){3}|localhost|\[::1\])(:\d{1,5})?(/|$)")


def is_safe_url(url: object, *, loopback: bool) -> bool:
    """Whether an address may be asked: https; plain http only on loopback, and where the provider itself is there."""
    if not isinstance(url, str) or not re.fullmatch(r"[!-~]{1,2048}", url) or "@" in url or "#" in url:
        return False
    return url.startswith("https://") or (loopback and _LOOPBACK.match(url) is not None)


@cache
def _trusted() -> ssl.SSLContext:
    """The authorities of the machine, read once for all providers."""
    return httpx2.create_ssl_context()


class Fetcher:
    """Sends requests to one provider. Safe to use from several threads.

    Args:
        clock: for the bounds in time.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        # Cookies of a provider would tie one user's sign-in to another's.
        self._client = httpx2.Client(
            follow_redirects=False,
            verify=_trusted(),
            timeout=TIMEOUT_SECONDS,
            # One request a sign-in: a connection that is kept would mostly be found closed.
            limits=httpx2.Limits(max_keepalive_connections=0),
            headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "Keyturn"},
        )

    def get(self, url: str, *, bearer: str | None = None) -> JSON:
        """The JSON object at an address.

        Args:
            url: which `is_safe_url` let pass.
            bearer: an access token of the provider's.

        Raises:
            ProviderUnavailable: no whole answer in time, or 5xx.
            ProviderInvalid: another status than 200, or no JSON object.
        """
        headers = {"authorization": f"Bearer {bearer}"} if bearer is not None else {}
        return as_object(self._answer("GET", url, headers=headers))

    def get_list(self, url: str, *, bearer: str) -> list[Any]:
        """The JSON array at an address; arguments and errors are those of `get`."""
        found = self._answer("GET", url, headers={"authorization": f"Bearer {bearer}"})
        if not isinstance(found, list):
            raise ProviderInvalid("the answer is no JSON array")
        return found

    def post(self, url: str, form: Mapping[str, str], *, basic: tuple[str, str] | None = None) -> JSON:
        """The JSON object that a form is answered with.

        Args:
            url: which `is_safe_url` let pass.
            form: its fields.
            basic: name and password for HTTP Basic.

        Raises:
            ProviderUnavailable, ProviderInvalid: as `get`.
        """
        return as_object(self._answer("POST", url, data=dict(form), auth=basic))

    def _answer(self, method: str, url: str, **more: Any) -> object:
        began = self.clock.monotonic()
        try:
            with self._client.stream(method, url, **more) as answer:
                if answer.status_code >= 500:
                    raise ProviderUnavailable(f"it answered {answer.status_code}")
                if answer.status_code != 200:
                    raise ProviderInvalid(f"it answered {answer.status_code}")
                body = self._read(answer, began)
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            # Its text may hold the address, and that a code.
            raise ProviderUnavailable(type(error).__name__) from None
        finally:
            self._client.cookies.clear()
        try:
            return parse(body, max_depth=_MAX_DEPTH, max_members=_MAX_MEMBERS)
        except NotStrictJson:
            raise ProviderInvalid("the answer is no strict JSON") from None

    def _read(self, answer: httpx2.Response, began: Micros) -> bytes:
        body = b""
        for part in answer.iter_raw():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise ProviderInvalid("the answer is too large")
            if self.clock.monotonic() - began > DEADLINE_SECONDS * SECOND:
                raise ProviderUnavailable("the answer takes too long")
        return body


def as_object(value: object) -> JSON:
    """The value, if it is a JSON object.

    Raises:
        ProviderInvalid
    """
    if not isinstance(value, Mapping):
        raise ProviderInvalid("the answer is no JSON object")
    return value


def bearer_token(answer: JSON) -> str:
    """The access token of a token endpoint's answer (RFC 6749, 5.1).

    Raises:
        ProviderInvalid: there is none, or none that can stand in a header.
    """
    token, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ProviderInvalid("there is no access token of a kind that we know")
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]{1,8192}", token):
        raise ProviderInvalid("the access token is not of its form")
    return token


class Remembered:
    """Something that a provider publishes: fetched once for all threads, kept for a while.

    Args:
        fetch: gets it; what it raises is kept for `REST_SECONDS`, so that a provider that is down is not asked at every sign-in.
        clock: tells how old it is.
        lifetime: seconds that it is kept.
    """

    def __init__(self, fetch: Callable[[], JSON], clock: Clock, *, lifetime: int) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lifetime = lifetime * SECOND
        self._lock = Lock()
        self._found: JSON | None = None
        self._failure: ProviderInvalid | ProviderUnavailable | None = None
        self._asked_at: Micros = 0
        self._renewed: list[Micros] = []

    def get(self) -> JSON:
        """What is published, no older than its lifetime.

        Raises:
            ProviderUnavailable, ProviderInvalid
        """
        with self._lock:
            age = self._clock.monotonic() - self._asked_at
            if self._failure is not None and age < REST_SECONDS * SECOND:
                raise type(self._failure)(self._failure.why)
            fresh = self._found if age < self._lifetime else None
            return fresh if fresh is not None else self._renew()

    def newer_than(self, known: JSON) -> JSON:
        """What is published by now; what the caller knows, if it was fetched too often lately.

        Raises:
            ProviderUnavailable, ProviderInvalid
        """
        with self._lock:
            if self._found is not None and self._found is not known:
                return self._found  # another thread was faster
            now = self._clock.monotonic()
            self._renewed = [moment for moment in self._renewed if now - moment < 60 * SECOND]
            if len(self._renewed) >= MAX_RENEWALS:
                return known
            self._renewed.append(now)
            return self._renew()

    def _renew(self) -> JSON:
        self._found, self._failure = None, None
        try:
            found = self._found = self._fetch()
        except (ProviderInvalid, ProviderUnavailable) as failure:
            self._failure = failure
            raise
        finally:
            self._asked_at = self._clock.monotonic()
        return found
