"""Refresh tokens signed by the right key, for a session that lives, with its own seed: wrong in one way each."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import ECKey
from tests.support.attacks import Visitor, keys_of
from tests.support.forger import unb64
from tests.support.server import LiveServer
from tests.support.tokens import b64, compact_json
from tests.support.wire import Wire, cookie
from tests.support.witness import WITNESS, Witness


class Mint:
    """Makes tokens out of a genuine one, with the server's own key.

    Args:
        server: whose tokens.
        genuine: a refresh token of a live session.
    """

    def __init__(self, server: LiveServer, genuine: str) -> None:
        self.server = server
        self.genuine = genuine
        self.head, self.claims = (json.loads(unb64(part)) for part in genuine.split(".")[:2])
        self.secret = unb64(keys_of(server)["refresh"]["k"])

    def sign(self, head: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, secret: bytes | None = None) -> str:
        text = ".".join(b64(part if isinstance(part, bytes) else compact_json(part)) for part in (head, claims))
        mac = hmac.digest(self.secret if secret is None else secret, text.encode(), hashlib.sha256)
        return WITNESS.token(f"{text}.{b64(mac)}")

    def said(self, **changes: Any) -> str:
        """With other claims; None removes one."""
        claims = {name: value for name, value in (self.claims | changes).items() if value is not None}
        return self.sign(self.head, claims)

    def headed(self, **changes: Any) -> str:
        """With another header; None removes a member."""
        return self.sign(
            {name: value for name, value in (self.head | changes).items() if value is not None}, self.claims
        )


def headers(mint: Mint) -> Iterator[str]:
    """Rows 1, 5, 6, 7, 9, 10, 11, 12, 23."""
    for algorithm in ("none", "None", "HS384", "HS512", "ES256", "RS256", "hs256", "", 1, ["HS256"], None):
        yield mint.headed(alg=algorithm)
    for kind in ("JWT", "at+jwt", "application/rt+jwt", "RT+JWT", "rt+jwt ", "dbsc+jwt", "", 1, ["rt+jwt"], None):
        yield mint.headed(typ=kind)
    access_kid = keys_of(mint.server)["access"]["kid"]
    for kid in (access_kid, "../../dev/null", "x' OR '1'='1", "|sleep 10", "", "unknown", 1, ["x"], "k" * 100, None):
        yield mint.headed(kid=kid)
    for more in (
        {"crit": []},
        {"b64": False},
        {"zip": "DEF"},
        {"jwk": {}},
        {"jku": "http://127.0.0.1:9"},
        {"cty": "JWT"},
    ):
        yield mint.headed(**more)


def secrets(mint: Mint) -> Iterator[str]:
    """Rows 2, 3, 4; K5: a blank key, the public key, the key for something else, no signature."""
    public = ECKey.import_key(keys_of(mint.server)["access"])
    private = unb64(keys_of(mint.server)["access"]["d"])
    for secret in (b"", b"\0", b"secret", public.as_pem(private=False), public.as_der(private=False), private):
        yield mint.sign(mint.head, mint.claims, secret)
    yield mint.sign(mint.head, mint.claims, keys_of(mint.server)["refresh"]["k"].encode())
    head, body, tail = mint.genuine.split(".")
    yield from (f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{tail[:-2]}", f"{head}.{body}.{tail}A")
    yield f"{head}.{body}.{b64(unb64(tail)[:16])}"
    yield f"{head}.{b64(compact_json(mint.claims | {'gen': 1000}))}.{tail}"


def spellings(mint: Mint) -> Iterator[str]:
    """Rows 14, 15, 17, 18: the same said in another way."""
    head, body, tail = mint.genuine.split(".")
    yield from (mint.genuine + more for more in ("=", "==", "\n", " ", ".", ".x", "\0", "A"))
    yield from (f" {mint.genuine}", f"{head}=.{body}.{tail}", f"{head}.{body}=.{tail}", f"Bearer {mint.genuine}")
    yield json.dumps({"protected": head, "payload": body, "signature": tail})
    claims = compact_json(mint.claims).decode()
    for name in ("sid", "gen", "seed", "jti", "par", "exp"):
        yield mint.sign(mint.head, f'{claims[:-1]},"{name}":{json.dumps(mint.claims[name])}}}'.encode())
    for codec in ("utf-16", "utf-8-sig", "utf-32"):
        yield mint.sign(mint.head, claims.encode(codec))
    for extra in ('"a":"\\ud800"', '"a":"\\u0000"', '"a":NaN', f'"a":{"9" * 2000}', f'"a":{"[" * 500}{"]" * 500}'):
        yield mint.sign(mint.head, f"{claims[:-1]},{extra}}}".encode())
    yield from (mint.sign(mint.head, text) for text in (b"", b"null", b"[]", b"{}", b"x", claims.encode() + b" {}"))


def claims(mint: Mint) -> Iterator[str]:
    """Rows 19, 20, 21, 22, and what is ours alone: session, seed, generation, ids."""
    issuer = mint.claims["iss"]
    party = (issuer + "/", issuer[:-1], issuer.upper(), [issuer], [issuer, "x"], "", 1, None)
    time = (str(mint.claims["exp"]), mint.claims["exp"] + 0.5, True, -1, 0, [1], 10**30, None)
    odd = {
        "iss": party,
        "aud": party,
        "iat": time,
        "exp": time,
        "gen": (0, -1, "1", 1.0, True, 2**31, 10**30, [1], None),
    }
    for name in ("sid", "seed", "jti", "par"):
        genuine = mint.claims[name]
        odd[name] = ("", "x" * 24, f"{genuine[:-1]}A", genuine + "0", genuine[:-1], 1, ["a"], None)
    odd["seed"] += ("0" * 24, mint.claims["sid"], mint.claims["jti"])
    for name, values in odd.items():
        yield from (mint.said(**{name: value}) for value in values)


@pytest.mark.parametrize("family", [headers, secrets, spellings, claims], ids=lambda family: family.__name__)
def test_no_forged_refresh_token_yields_or_ends_anything(shared: LiveServer, witness: Witness, family: Any) -> None:
    """Rows 1-23 for refresh tokens: never reuse, even when it names a session of ours with its own seed."""
    with Visitor(shared) as owner, Wire(shared.address) as wire:
        token = owner.join(delivery="body")["refresh_token"]
        looks = set()
        for forged in family(Mint(shared, token)):
            body = {"refresh_token": forged}
            answer = wire.call("POST", "/refresh-token", body)
            assert (answer.status, answer.code) == (403, "refresh_token_invalid"), forged
            looks.add(answer.looks)
            assert wire.call("POST", "/logout", body).status == 204
            assert owner.me().status_code == 200, forged
        assert len(looks) == 1
        assert witness.events("authn_token_reuse") == witness.events("session_ended") == []
        assert owner.refresh(token).status_code == 200


def test_the_mint_can_make_a_token_that_is_accepted(shared: LiveServer) -> None:
    """Without this, every refusal above could be for a reason of its own."""
    with Visitor(shared) as owner:
        token = owner.join(delivery="body")["refresh_token"]
        mint = Mint(shared, token)
        assert mint.said() == token
        assert owner.refresh(mint.said(gen=1000, jti="a" * 24, par="b" * 24)).status_code == 200


def test_a_token_of_one_session_names_no_other(shared: LiveServer, witness: Witness) -> None:
    """The key's holder, with the seed of a session of his own, reaches no session but that one."""
    with Visitor(shared) as thief, Visitor(shared) as victim:
        own = thief.join(delivery="body")["refresh_token"]
        theirs = victim.join(delivery="body")["session"]["id"]
        for generation in (1, 2, 2**31 - 1):
            answer = thief.refresh(Mint(shared, own).said(sid=theirs, gen=generation))
            assert answer.json()["code"] == "refresh_token_invalid"
        assert victim.me().status_code == 200
        assert witness.events("authn_token_reuse") == []


def test_a_session_that_nobody_knows_is_one_that_is_over(shared: LiveServer, visitor: Visitor) -> None:
    """An authentic token whose row is gone counts as expired, and clears no cookie."""
    token = Mint(shared, visitor.refresh_cookie).said(sid="0" * 24)
    with Wire(shared.address) as wire:
        answer = wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=token)])
        assert (answer.status, answer.json["reason"]) == (403, "expired")
        assert answer.values("set-cookie") == []


@pytest.mark.parametrize("wanted", ["?mode=token", "?delivery=body", "?delivery=cookie", "?refresh_token=1"])
@pytest.mark.parametrize("delivery", ["split", "cookie"])
def test_no_parameter_or_header_brings_the_refresh_token_into_a_body(
    shared: LiveServer, delivery: str, wanted: str
) -> None:
    """Row 41; R12: the delivery is the session's, whatever a later request would like."""
    tricks = {"accept": "application/jwt", "x-delivery": "body", "x-token-delivery": "body", "prefer": "return=token"}
    with Visitor(shared) as owner:
        signed_in = owner.join(delivery=delivery)
        for _ in range(2):
            shared.clock.advance(31)
            answer = owner.call("POST", f"/refresh-token{wanted}", headers=tricks)
            assert answer.status_code == 200
            assert "refresh_token" not in answer.json()
            assert owner.refresh_cookie not in answer.text
            assert ("access_token" in answer.json()) == (delivery == "split")
            assert answer.json()["session"]["delivery"] == delivery
        asked = owner.call("POST", "/refresh-token", {"delivery": "body"})
        assert asked.status_code == 422
        changed = {"current_password": owner.password, "new_password": owner.password}
        answer = owner.call("POST", f"/password{wanted}", changed, bearer=owner.access_token, headers=tricks)
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()
        assert signed_in["session"]["delivery"] == delivery


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_a_refresh_is_a_post(shared: LiveServer, visitor: Visitor, method: str) -> None:
    """R13."""
    token = visitor.refresh_cookie
    answer = visitor.call(method, "/refresh-token")
    assert answer.status_code == 405
    assert "set-cookie" not in answer.headers
    assert visitor.refresh_cookie == token
