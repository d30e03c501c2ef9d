"""Express with jsonwebtoken on Node, its refresh tokens in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import installing
from benchmarks.clients import Repeating, Rotating, posting
from benchmarks.contestants import CONNECTIONS, Running
from benchmarks.running import Connection, free_address, process, request

_OPENING = b'"refreshToken":"'
_REFRESH_SECRET = "an-express-refresh-secret-of-some-length"


@contextmanager
def _serving(variant: str, access_secret: str, issuer: str) -> Iterator[tuple[str, int]]:
    folder, address = installing.node_modules("express"), free_address()
    environ = {
        "VARIANT": variant,
        "PORT": str(address[1]),
        "ACCESS_SECRET": access_secret,
        "REFRESH_SECRET": _REFRESH_SECRET,
        "ISSUER": issuer,
        "NODE_ENV": "production",
    }
    with process([str(installing.node()), "server.js"], address, cwd=folder, env=environ):
        yield address


@contextmanager
def refreshing(variant: str) -> Iterator[Running]:
    """Refreshes.

    Args:
        variant: "array" as tutorials write it; "set" with a `KeyObject` and a Set.
    """
    make = posting("/token", b'{"token":"%b"}')
    with _serving(variant, "an-express-access-secret-of-some-length", "") as address:
        connection = Connection(address)
        tokens = []
        for number in range(CONNECTIONS):
            _, answer = connection.exchange(request("POST", "/login", {"username": f"user{number}"}))
            tokens.append(answer["refreshToken"].encode())
        _rotates(connection)
        yield Running(address, [Rotating(make, _OPENING, b'"', token) for token in tokens])


def _rotates(connection: Connection) -> None:
    _, first = connection.exchange(request("POST", "/login", {"username": "somebody"}))
    presenting = request("POST", "/token", {"token": first["refreshToken"]})
    assert connection.exchange(presenting)[0] == 200
    assert connection.exchange(presenting)[0] == 403, "an old token was taken"


@contextmanager
def protected(variant: str, secret: str, issuer: str, token: str, subject: str) -> Iterator[Running]:
    """A protected route.

    Args:
        variant: as in `refreshing`.
        secret: that access tokens are signed with.
        issuer: of the tokens, and their audience.
        token: what clients present.
        subject: whom it is of.
    """
    with _serving(variant, secret, issuer) as address:
        forged = request("GET", "/me", bearer=token[:-4] + "AAAA")
        assert Connection(address).exchange(forged)[0] == 403, "a forged token was taken"
        yield Running(
            address, [Repeating(request("GET", "/me", bearer=token), subject.encode()) for _ in range(CONNECTIONS)]
        )
