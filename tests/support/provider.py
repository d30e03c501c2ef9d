"""An OpenID provider on a real socket that says what a test wants it to say: the truth, or any lie."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
from base64 import b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import httpx2
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from tests.support.client import BASE, Browser

from keyturn.core.keys import ALGORITHMS
from keyturn.core.model import SECOND
from keyturn.testing.fakes import FakeClock

CLIENT_ID, CLIENT_SECRET = "keyturn", "a secret of the client: with / and +"
EMAIL = "alice@example.com"

STRICT = {"keyturn_refresh", "keyturn_device"}
"""The cookies that no browser sends where it comes from another site."""

Json = dict[str, Any]


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


@cache
def rsa_key(number: int = 0) -> RSAKey:
    """Made once for all tests: it takes a while."""
    return RSAKey.generate_key(2048, {"kid": f"rsa-{number}"})


def new_key(kid: str | None = None) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid} if kid is not None else None, auto_kid=False)


def algorithm_of(key: Key) -> str:
    return {ECKey: "ES256", RSAKey: "RS256", OKPKey: "EdDSA"}[type(key)]


def jwk(key: Key, **more: object) -> Json:
    """The public half, as a provider publishes it."""
    return {**key.as_dict(private=False), "use": "sig", **more}


def signed(claims: Json, key: Key, **header: object) -> str:
    """A token with any header; a member that is none is left out."""
    members = {"alg": algorithm_of(key), "typ": "JWT", "kid": key.kid, **header}
    head, body = (base64url(json.dumps(part).encode()) for part in (_without_none(members), claims))
    message = f"{head}.{body}".encode()
    return f"{head}.{body}.{base64url(ALGORITHMS[algorithm_of(key)].sign(message, key))}"


def _without_none(members: Mapping[str, object]) -> Json:
    return {name: value for name, value in members.items() if value is not None}


@dataclass
class Answer:
    """What the provider answers instead of what it should."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    """Called before the body is sent."""


@dataclass
class Asked:
    """An authorization request, as it stood in the address."""

    query: dict[str, str]
    claims: Json


class Provider:
    """Keeps the rules, unless a test breaks one.

    Args:
        clock: of the server that asks.

    Attributes:
        keys: those that are published.
        key: the one that signs.
        claims: of whoever signs in next, over those that there should be; none: left out.
        header: of the ID token, likewise.
        description: of itself, likewise.
        answers: instead of those that there should be, by path.
        forge: what becomes of an ID token in the end.
        requests: how often it was asked, by path.
        tokens: every token that it gave out.
    """

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.reset()

    def reset(self) -> None:
        """Keep the rules again, with a new key."""
        self.key: Key = new_key("first")
        self.keys: list[Json] = [jwk(self.key)]
        self.claims: Json = {}
        self.header: Json = {}
        self.description: Json = {}
        self.userinfo: Json | None = None
        self.answers: dict[str, Answer] = {}
        self.forge: Callable[[str], str] = lambda token: token
        self.requests: Counter[str] = Counter()
        self.tokens: list[str] = []
        self.asked: list[Asked] = []
        self._codes: dict[str, Asked] = {}

    def use_rsa(self) -> None:
        """Sign with RS256, as Google does."""
        self.key = rsa_key()
        self.keys = [jwk(self.key)]

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"provider": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def settings(self, **more: object) -> Json:
        """A table of the settings for it."""
        return {
            "issuer": self.issuer,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "label": "Example",
            **more,
        }

    def visit(self, url: str, **more: str | None) -> str:
        """Be the user who says there who they are; gives the address that the browser is sent back to.

        Args:
            url: where the browser was sent.
            more: to be in the address on the way back; none: to be missing.
        """
        query = dict(parse_qsl(urlsplit(url).query))
        asked = Asked(query, dict(self.claims))
        self.asked.append(asked)
        code = secrets.token_hex(16)
        self._codes[code] = asked
        back = _without_none({"code": code, "state": query["state"], "iss": self.issuer, **more})
        return f"{query['redirect_uri']}?{urlencode(back)}"

    def answer_to(self, method: str, path: str, headers: Mapping[str, str], form: dict[str, str]) -> Answer:
        self.requests[path] += 1
        if path in self.answers:
            return self.answers[path]
        match method, path:
            case "GET", "/.well-known/openid-configuration":
                return _json(self._described())
            case "GET", "/jwks":
                return _json({"keys": self.keys})
            case "POST", "/token":
                return self._redeemed(headers, form)
            case "GET", "/userinfo":
                return _json(self.userinfo) if self.userinfo is not None else Answer(404)
        return Answer(404)

    def _described(self) -> Json:
        return _without_none(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                **({"userinfo_endpoint": f"{self.issuer}/userinfo"} if self.userinfo is not None else {}),
                **self.description,
            }
        )

    def _redeemed(self, headers: Mapping[str, str], form: dict[str, str]) -> Answer:
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or not self._is_client(headers, form):
            return _json({"error": "invalid_grant"}, 400)
        challenge = base64url(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if challenge != asked.query["code_challenge"] or form["redirect_uri"] != asked.query["redirect_uri"]:
            return _json({"error": "invalid_grant"}, 400)
        access_token = secrets.token_urlsafe(24)
        id_token = self.forge(signed(self._claims(asked, access_token), self.key, **self.header))
        self.tokens += [access_token, id_token]
        return _json({"access_token": access_token, "token_type": "Bearer", "expires_in": 60, "id_token": id_token})

    def _is_client(self, headers: Mapping[str, str], form: dict[str, str]) -> bool:
        kind, _, credentials = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            given = tuple(unquote(part) for part in b64decode(credentials).decode().split(":", 1))
        else:
            given = (form.get("client_id", ""), form.get("client_secret", ""))
        return hmac.compare_digest(repr(given), repr((CLIENT_ID, CLIENT_SECRET)))

    def _claims(self, asked: Asked, access_token: str) -> Json:
        now = self.clock.now() // SECOND
        usual = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "248289761001",
            "iat": now,
            "exp": now + 300,
            "nonce": asked.query["nonce"],
            "at_hash": base64url(hashlib.sha256(access_token.encode()).digest()[:16]),
            "email": EMAIL,
            "email_verified": True,
            "name": "Alice Ax",
        }
        return _without_none(usual | asked.claims)


def _json(content: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(content).encode(), {"content-type": "application/json"})


class _Handler(BaseHTTPRequestHandler):
    provider: Provider
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self._answer({name: values[0] for name, values in parse_qs(body.decode()).items()})

    def _answer(self, form: dict[str, str]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.provider.answer_to(self.command, urlsplit(self.path).path, headers, form)
        try:
            self.send_response(answer.status)
            for name, value in {**answer.headers, "content-length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            answer.before()
            self.wfile.write(answer.body)
        except OSError:
            self.close_connection = True  # whoever asked has had enough

    def log_message(self, *args: object) -> None:
        pass


def start(browser: Browser, name: str = "example", **query: str) -> str:
    """Begin to sign in; where the browser is sent."""
    answer = browser.call("GET", f"/providers/{name}/start", params=query)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def come_back(browser: Browser, url: str) -> httpx2.Response:
    """Go back to Keyturn as a browser does: from another site, without the cookies that are `SameSite=Strict`."""
    parts = urlsplit(url)
    assert parts.path.startswith(BASE)
    sent = "; ".join(f"{name}={value}" for name, value in browser.cookies.items() if name not in STRICT)
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "cookie": sent}
    return browser.get(f"{parts.path}?{parts.query}", headers=headers)


def sign_in(browser: Browser, provider: Provider, name: str = "example", **query: str) -> httpx2.Response:
    """Sign in; what the way back is answered with."""
    return come_back(browser, provider.visit(start(browser, name, **query)))
