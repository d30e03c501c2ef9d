"""What every adapter answers, as values. An adapter passes if a small application made with it answers each case so.

The application has, for every method, and with Keyturn at its paths:

| path | guarded by |
| --- | --- |
| `/guarded` | somebody is signed in |
| `/guide` | any of the roles guide, admin |
| `/both` | all of the roles guide, admin |
| `/recent` | the password was entered at most ten minutes ago |
| `/optional` | anybody |
| `/user` | as `/guarded`; the account is read |

and answers 200 with `{"subject": …, "roles": […]}`, the subject null for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from tests.support.client import Browser
from tests.support.server import LiveServer
from tests.support.tokens import access_payload, forge, header, signing_key

from keyturn.core.model import SECOND
from keyturn.service import administration, ending

METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
PATHS = ("/guarded", "/guide", "/both", "/recent", "/optional", "/user")

INVALID = {"www-authenticate": 'Bearer error="invalid_token"'}
MISSING = {"www-authenticate": "Bearer"}
CROSS_SITE = {"sec-fetch-site": "cross-site"}
SAME_ORIGIN = {"sec-fetch-site": "same-origin"}
FROM_ELSEWHERE = {"origin": "https://elsewhere.example"}


_numbers = count(1)


class World:
    """A server with the application, and Alice, a guide, who has just signed in."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.context = server.context
        self.email = f"alice{next(_numbers)}@example.com"
        with Browser(server.url) as browser:
            self.user_id: str = browser.register(self.email)["user"]["id"]
        administration.set_roles(self.context, self.user_id, ("guide",))
        server.clock.advance(2)  # tokens of the very second in which roles are changed are refused
        with Browser(server.url) as browser:
            answer = browser.login(self.email, delivery="body")
        self.token: str = answer["access_token"]
        self.refresh_token: str = answer["refresh_token"]
        self.session_id: str = answer["session"]["id"]

    def other_token(self) -> str:
        with Browser(self.server.url) as browser:
            return str(browser.login(self.email, delivery="body")["access_token"])

    def signed(self, auth_time_ago: int = 0, **claims: object) -> str:
        """A token with the server's own signature that differs from a good one in these claims alone."""
        issuer, now = self.server.issuer, self.server.clock.now() // SECOND
        good = {"iss": issuer, "aud": issuer, "sub": self.user_id, "sid": self.session_id, "iat": now, "exp": now + 600}
        key = self.context.tokens.access_keys.active
        return forge(key, header(key), access_payload(**good | {"auth_time": now - auth_time_ago} | claims))

    def forged(self) -> str:
        """A good token, but for the signature: by another key of the same name."""
        own = self.context.tokens.access_keys.active
        key = signing_key(own.algorithm, own.kid)
        issuer, now = self.server.issuer, self.server.clock.now() // SECOND
        return forge(key, header(key), access_payload(iss=issuer, aud=issuer, sub=self.user_id, iat=now, exp=now + 600))


Headers = Callable[[World], Mapping[str, str]]
Before = Callable[[World], object]


def nothing(world: World) -> Mapping[str, str]:
    return {}


def bearer(world: World) -> Mapping[str, str]:
    return {"authorization": f"Bearer {world.token}"}


def cookie(world: World) -> Mapping[str, str]:
    return {"cookie": f"keyturn_access={world.token}"}


def signed(**claims: Any) -> Headers:
    return lambda world: {"authorization": f"Bearer {world.signed(**claims)}"}


def after(seconds: float) -> Before:
    return lambda world: world.server.clock.advance(seconds)


def end_session(world: World) -> None:
    administration.end_each(world.context, [world.session_id])


def sign_out(world: World) -> None:
    ending.sign_out(world.context, [world.context.tokens.parse_refresh(world.refresh_token)], [])


def disable(world: World) -> None:
    administration.set_disabled(world.context, world.user_id, disabled=True)


def take_roles(world: World) -> None:
    world.server.clock.advance(1)
    administration.set_roles(world.context, world.user_id, ())


def give_both(world: World) -> None:
    administration.set_roles(world.context, world.user_id, ("guide", "admin"))
    world.server.clock.advance(2)
    world.token = world.other_token()


@dataclass(frozen=True)
class Case:
    """A request, and what it must be answered.

    Attributes:
        sentence: what is shown.
        credentials: the headers with tokens in them.
        status: of the answer.
        code: of the problem; none: it is no problem.
        method, path, headers: of the request.
        before: what happens first.
        answer: headers that the answer must have.
    """

    sentence: str
    credentials: Headers
    status: int = 200
    code: str | None = None
    method: str = "GET"
    path: str = "/guarded"
    headers: Mapping[str, str] = field(default_factory=dict)
    before: Before = nothing
    answer: Mapping[str, str] = field(default_factory=dict)


def missing(sentence: str, credentials: Headers, **more: Any) -> Case:
    return Case(sentence, credentials, 401, "access_token_missing", answer=MISSING, **more)


def invalid(sentence: str, credentials: Headers, **more: Any) -> Case:
    return Case(sentence, credentials, 401, "access_token_invalid", answer=INVALID, **more)


def cross_origin(sentence: str, **more: Any) -> Case:
    return Case(sentence, cookie, 403, "cross_origin", **more)


CASES = [
    Case("a bearer token", bearer),
    Case("a bearer token, with the scheme in small letters", lambda w: {"authorization": f"bearer {w.token}"}),
    Case("the access cookie", cookie),
    Case("HEAD", bearer, method="HEAD"),
    Case("OPTIONS", bearer, method="OPTIONS"),
    missing("nobody", nothing),
    missing("nobody, with HEAD", nothing, method="HEAD"),
    missing("nobody, with OPTIONS", nothing, method="OPTIONS"),
    missing("another scheme", lambda w: {"authorization": "Basic YWxpY2U6c2VjcmV0"}),
    missing("the refresh cookie alone", lambda w: {"cookie": f"keyturn_refresh={w.refresh_token}"}),
    invalid("an expired token", bearer, before=after(601)),
    Case("a token in its last second", bearer, before=after(599)),
    invalid("a revoked session", bearer, before=end_session),
    invalid("a revoked session, by the cookie", cookie, before=end_session),
    invalid("a session that was signed out", bearer, before=sign_out),
    invalid("a disabled user", bearer, before=disable),
    invalid("roles that were changed", bearer, before=take_roles),
    invalid("a forged token", lambda w: {"authorization": f"Bearer {w.forged()}"}),
    Case("a token with the right signature and claims", signed()),
    invalid("another audience", signed(aud="https://other.example")),
    invalid("another issuer", signed(iss="https://other.example")),
    invalid("a refresh token in place of an access token", lambda w: {"authorization": f"Bearer {w.refresh_token}"}),
    invalid("a refresh token in the access cookie", lambda w: {"cookie": f"keyturn_access={w.refresh_token}"}),
    invalid("no token at all behind Bearer", lambda w: {"authorization": "Bearer"}),
    Case("the same token in header and cookie", lambda w: {**bearer(w), **cookie(w)}),
    invalid("two tokens that differ", lambda w: {**bearer(w), "cookie": f"keyturn_access={w.other_token()}"}),
    Case(
        "the cookie twice",
        lambda w: {"cookie": f"keyturn_access={w.token}; keyturn_access={w.token}"},
        400,
        "duplicate_cookie",
    ),
    Case("the cookie, unsafe, same origin", cookie, method="POST", headers=SAME_ORIGIN),
    Case("the cookie, unsafe, from no browser", cookie, method="POST"),
    Case("the cookie, safe, from another site", cookie, headers=CROSS_SITE),
    cross_origin("the cookie, unsafe, from another site", method="POST", headers=CROSS_SITE),
    cross_origin("the cookie, DELETE, from another site", method="DELETE", headers=CROSS_SITE),
    cross_origin("the cookie, unsafe, from a sibling", method="PUT", headers={"sec-fetch-site": "same-site"}),
    cross_origin("the cookie, unsafe, another origin", method="PATCH", headers=FROM_ELSEWHERE),
    Case("a bearer token, unsafe, from another site", bearer, method="POST", headers=CROSS_SITE),
    Case("one of the roles", bearer, path="/guide"),
    Case("one of two roles that are both needed", bearer, 403, "role_missing", path="/both"),
    Case("both roles", bearer, path="/both", before=give_both),
    Case("no role", signed(roles=[]), 403, "role_missing", path="/guide"),
    Case("a role of a similar name", signed(roles=["guides"]), 403, "role_missing", path="/guide"),
    missing("nobody, where a role is needed", nothing, path="/guide"),
    cross_origin("a role, by the cookie, from another site", path="/guide", method="POST", headers=CROSS_SITE),
    Case("a sign-in just now", bearer, path="/recent"),
    Case("a sign-in exactly as old as allowed", signed(auth_time_ago=600), path="/recent"),
    Case("a sign-in a second too old", signed(auth_time_ago=601), 403, "reauthentication_required", path="/recent"),
    Case("nobody, where anybody may", nothing, path="/optional"),
    Case("somebody, where anybody may", bearer, path="/optional"),
    Case("nobody, unsafe, where anybody may", nothing, path="/optional", method="POST", headers=CROSS_SITE),
    invalid("an expired token, where anybody may", bearer, path="/optional", before=after(601)),
    cross_origin(
        "the cookie, from another site, where anybody may", path="/optional", method="POST", headers=CROSS_SITE
    ),
    Case("the account", bearer, path="/user"),
    missing("nobody, where the account is read", nothing, path="/user"),
]
