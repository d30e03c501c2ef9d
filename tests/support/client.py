"""An HTTP client for the tests. Every answer it gets is checked against the description that the server gives of itself."""

from __future__ import annotations

import re
import ssl
from functools import cache, lru_cache
from typing import Any, Self

import httpx2
from jsonschema_rs import Draft202012Validator
from tests.support.witness import WITNESS

BASE = "/api/v1/auth"
EMAIL = "alice@example.com"
PASSWORD = "correct horse battery staple"

_PAGES = re.compile(
    r"/openapi\.json|/docs(\.css)?|/playground(/api/[a-z-]+|[a-z-]*\.\w+)?|/|/sign-(in|up|out|out-everywhere)|/(profile|email|password|close|forgot-password|send-verification|outbox)|/(reset-password|verify-email|was-it-you)(/[^/]+)?|/(dis)?connect/[^/]+|/devices/[^/]+/end|/static/[^/]+/[^/]+|/keyturn/\w+\.js"
)
"""What is for people; openapi.json is silent about it."""


class UndescribedAnswer(AssertionError):
    """The server answered something that its openapi.json does not list."""


class Description:
    """An OpenAPI document to hold answers against."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def check(self, method: str, path: str, status: int, content_type: str | None, body: Any) -> None:
        """Refuse an answer whose status, media type, code or shape the document does not list."""
        operation = self._operation(method, path)
        if operation is None:
            # Nothing is described there: then the answer must say so.
            if status not in {404, 405, 421, 403, 431, 413, 500}:
                raise UndescribedAnswer(f"{method} {path} is not described, but answered {status}")
            return
        answer = operation["responses"].get(str(status))
        if answer is None:
            raise UndescribedAnswer(f"{method} {path} answered {status}, which is not listed: {body!r}")
        if method == "HEAD" or (not answer.get("content") and not body):
            return
        media_type = (content_type or "").partition(";")[0]
        if media_type not in answer.get("content", {}):
            raise UndescribedAnswer(f"{method} {path} answered {status} as {media_type}, which is not listed")
        schema = {**answer["content"][media_type]["schema"], "components": self._document["components"]}
        problems = list(Draft202012Validator(schema).iter_errors(body))
        if problems:
            raise UndescribedAnswer(f"{method} {path} answered {status}: {problems[0].message}")

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        parts = path.split("/")
        for template, operations in self._document["paths"].items():
            wanted = template.split("/")
            if len(wanted) == len(parts) and all(
                want == part or (want.startswith("{") and part) for want, part in zip(wanted, parts, strict=True)
            ):
                found: dict[str, Any] | None = operations.get("get" if method == "HEAD" else method.lower())
                return found
        return None


@cache
def trusted() -> ssl.SSLContext:
    """Whom clients believe over TLS. Read once: a client that is given none reads all the authorities of the machine."""
    return httpx2.create_ssl_context()


@lru_cache(maxsize=32)
def _description(url: str) -> Description | None:
    answer = httpx2.get(f"{url}/openapi.json", verify=trusted())
    return Description(answer.json()) if answer.status_code == 200 else None


def description_of(url: str) -> Description | None:
    """What a server says of itself; none where it keeps that to itself."""
    return _description(url)


def note(response: httpx2.Response) -> None:
    """Remember the secrets of an exchange, to look for them in the logs."""
    request = response.request
    for headers in (request.headers, response.headers):
        WITNESS.note(b"\n".join(value for _, value in headers.raw))
    WITNESS.note(request.content)
    WITNESS.note(response.content)


class Browser(httpx2.Client):
    """Keeps cookies, and sends what a same-origin script sends.

    Args:
        url: of the server.
        headers: sent with every request; the headers of a same-origin fetch by default.
        description: what to hold answers against; the server's own by default.
    """

    def __init__(
        self, url: str, *, headers: dict[str, str] | None = None, description: Description | None = None
    ) -> None:
        self.url = url
        self._description = description or description_of(url)
        self.access_token: str | None = None
        default = {
            "origin": url,
            "sec-fetch-site": "same-origin",
            "user-agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0",
        }
        super().__init__(
            base_url=url,
            headers=default if headers is None else headers,
            event_hooks={"response": [self._check, note]},
            timeout=30,
            verify=trusted(),
        )

    def __enter__(self) -> Self:
        super().__enter__()
        return self

    def call(
        self, method: str, path: str, json: Any = None, *, bearer: str | None = None, **more: Any
    ) -> httpx2.Response:
        """Call the account API.

        Args:
            path: below the base path, or from the root if it begins with //.
            bearer: an access token to send.
        """
        headers = {**more.pop("headers", {}), **({"authorization": f"Bearer {bearer}"} if bearer else {})}
        target = path[1:] if path.startswith("//") else f"{BASE}{path}"
        if json is not None:
            more["json"] = json
        return self.request(method, target, headers=headers, **more)

    def register(self, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """Make an account, sign in to it, and keep the access token."""
        return self._signed_in(self.call("POST", "/register", {"email": email, "password": password, **more}), 201)

    def login(self, login: str = EMAIL, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
        """Sign in and keep the access token."""
        return self._signed_in(self.call("POST", "/login", {"login": login, "password": password, **more}), 200)

    def refresh(self, token: str | None = None) -> httpx2.Response:
        """Refresh with the cookie, or with a token in the body."""
        answer = self.call("POST", "/refresh-token", {"refresh_token": token} if token else None)
        if answer.status_code == 200:
            self.access_token = answer.json().get("access_token", self.access_token)
        return answer

    def me(self) -> httpx2.Response:
        """Call a protected route with the access token at hand."""
        return self.call("GET", "/me", bearer=self.access_token)

    def _signed_in(self, answer: httpx2.Response, status: int) -> dict[str, Any]:
        assert answer.status_code == status, answer.text
        signed_in: dict[str, Any] = answer.json()
        self.access_token = signed_in.get("access_token")
        return signed_in

    def _check(self, response: httpx2.Response) -> None:
        response.read()
        if self._description is not None:
            content_type = response.headers.get("content-type")
            body = response.json() if "json" in (content_type or "") and response.content else response.text
            path = response.request.url.path
            if not _PAGES.fullmatch(path):
                self._description.check(response.request.method, path, response.status_code, content_type, body)
