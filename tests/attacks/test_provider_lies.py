"""What a provider, or somebody in its place, may answer: a lie signs nobody in, and costs a bounded time.

The list is that of the OpenID Foundation's tests for relying parties, and what has been found in other systems.
"""

from __future__ import annotations

import hashlib
import json
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, Key, OctKey, OKPKey
from tests.support.client import Browser
from tests.support.provider import (
    CLIENT_ID,
    Answer,
    Provider,
    base64url,
    come_back,
    jwk,
    new_key,
    rsa_key,
    sign_in,
    signed,
    start,
)
from tests.support.server import LiveServer
from tests.support.wire import free_port
from tests.support.witness import WITNESS

from keyturn.core.keys import ALGORITHMS, HS256
from keyturn.core.model import SECOND
from keyturn.testing.fakes import FakeClock

Lie = Callable[[Provider], object]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[LiveServer]:
    data_dir: Path = tmp_path_factory.mktemp("lies") / "data"
    with LiveServer(data_dir, clock=_provider.clock, providers={"example": _provider.settings()}) as live:
        yield live


def claims(**changes: object) -> Lie:
    return lambda provider: provider.claims.update(changes)


def header(**changes: object) -> Lie:
    return lambda provider: provider.header.update(changes)


def forged(change: Callable[[str], str]) -> Lie:
    return lambda provider: setattr(provider, "forge", change)


def parts(token: str) -> tuple[dict[str, Any], str, str]:
    head, body, tail = token.split(".")
    return json.loads(urlsafe_b64decode(head + "==")), body, tail


def none_of(token: str, alg: str = "none") -> str:
    head, body, _ = parts(token)
    return f"{base64url(json.dumps({**head, 'alg': alg}).encode())}.{body}."


def with_a_mac(key: bytes) -> Callable[[str], str]:
    """Signed with something public as if it were a shared secret."""

    def forge(token: str) -> str:
        head, body, _ = parts(token)
        message = f"{base64url(json.dumps({**head, 'alg': 'HS256'}).encode())}.{body}"
        return f"{message}.{base64url(ALGORITHMS[HS256].sign(message.encode(), OctKey.import_key(key)))}"

    return forge


def by_another_key(provider: Provider) -> None:
    provider.key = new_key("first")


def by_a_key_in_the_header(provider: Provider) -> None:
    provider.key = new_key("own")
    provider.header["jwk"] = provider.key.as_dict(private=False)


def two_keys_and_no_kid(provider: Provider) -> None:
    provider.keys.append(jwk(new_key("second")))
    provider.header["kid"] = None


def key_of_another_use(provider: Provider) -> None:
    provider.keys[0]["use"] = "enc"


def key_of_another_algorithm(provider: Provider) -> None:
    provider.keys[0]["alg"] = "ES384"


def secret_in_the_set(provider: Provider) -> None:
    secret = b"0123456789abcdef" * 2
    provider.keys = [{"kty": "oct", "kid": "shared", "k": base64url(secret), "alg": "HS256"}]
    provider.forge = with_a_mac(secret)


NOW = FakeClock().now() // SECOND

LIES: dict[str, Lie] = {
    "alg none": forged(none_of),
    "alg None": forged(lambda token: none_of(token, "None")),
    "no signature": forged(lambda token: token.rpartition(".")[0] + "."),
    "signature of another token": forged(lambda token: signed({"sub": "1"}, new_key("first"))),
    "HS256 with the client's secret": forged(with_a_mac(b"a secret of the client: with / and +")),
    "HS256 with a secret in the set": secret_in_the_set,
    "signed by another key": by_another_key,
    "signed by a key in the header": by_a_key_in_the_header,
    "crit": header(crit=["exp"]),
    "kid of nobody": header(kid="nobody"),
    "kid that is no text": header(kid=7),
    "no kid and several keys": two_keys_and_no_kid,
    "key for encryption": key_of_another_use,
    "key for another algorithm": key_of_another_algorithm,
    "no keys": lambda provider: provider.keys.clear(),
    "not a token": forged(lambda token: "nonsense"),
    "a token of five parts": forged(lambda token: f"{token}.a.b"),
    "a huge token": forged(lambda token: token + "A" * 20_000),
    "a payload with something before it": forged(lambda token: token.replace(".", ".e30", 1)),
    "iss of another": claims(iss="https://evil.example"),
    "no iss": claims(iss=None),
    "no aud": claims(aud=None),
    "aud of another": claims(aud="another"),
    "aud with another beside": claims(aud=[CLIENT_ID, "another"]),
    "aud that begins like ours": claims(aud=f"{CLIENT_ID}2"),
    "aud empty": claims(aud=[]),
    "azp of another": claims(azp="another"),
    "expired": claims(exp=1),
    "no exp": claims(exp=None),
    "exp true": claims(exp=True),
    "exp as text": claims(exp="9999999999"),
    "no iat": claims(iat=None),
    "iat long ago": claims(iat=1),
    "iat to come": claims(iat=9_999_999_999),
    "nbf to come": claims(nbf=9_999_999_999),
    "nbf as text": claims(nbf="1"),
    "no nonce": claims(nonce=None),
    "nonce of another": claims(nonce="another"),
    "nonce as a list": claims(nonce=["a"]),
    "no sub": claims(sub=None),
    "sub empty": claims(sub=""),
    "sub a number": claims(sub=7),
    "sub too long": claims(sub="a" * 256),
    "sub with a line break": claims(sub="a\nb"),
    "sub with a NUL": claims(sub="a\0b"),
    "at_hash of another": claims(at_hash=base64url(hashlib.sha256(b"another").digest()[:16])),
    "at_hash a number": claims(at_hash=7),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_in_an_id_token_signs_nobody_in(provider: Provider, browser: Browser, lie: str) -> None:
    LIES[lie](provider)
    answer = sign_in(browser, provider)
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_invalid")
    assert browser.refresh().status_code == 401
    assert WITNESS.events("authn_provider_fail")


def test_the_truth_signs_somebody_in(provider: Provider, browser: Browser) -> None:
    assert sign_in(browser, provider).status_code == 303
    assert browser.refresh().status_code == 200


def test_an_authorized_party_that_is_us_and_a_list_of_us_alone_are_the_truth(
    provider: Provider, browser: Browser
) -> None:
    provider.claims |= {"aud": [CLIENT_ID], "azp": CLIENT_ID}
    assert sign_in(browser, provider).status_code == 303


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_each_kind_of_key_signs_somebody_in(provider: Provider, browser: Browser, algorithm: str) -> None:
    makers: dict[str, Callable[[], Key]] = {
        "ES256": lambda: new_key("ec"),
        "RS256": rsa_key,
        "EdDSA": lambda: OKPKey.generate_key("Ed25519", {"kid": "ed"}),
    }
    provider.key = makers[algorithm]()
    provider.keys = [jwk(provider.key)]
    provider.claims["at_hash"] = None
    assert sign_in(browser, provider).status_code == 303


def test_a_token_without_a_kid_is_read_with_the_only_key_there_is(provider: Provider, browser: Browser) -> None:
    provider.key = new_key()
    provider.keys, provider.header = [jwk(provider.key), jwk(rsa_key())], {"kid": None}
    assert sign_in(browser, provider).status_code == 303


def test_keys_that_nobody_can_read_are_passed_over(provider: Provider, browser: Browser) -> None:
    junk: list[Any] = [
        7,
        {},
        {"kty": "XYZ", "kid": "first"},
        {"kty": "EC", "crv": "P-256", "kid": "first", "x": "AA", "y": "AA"},
        {"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"},
        {"kty": ["EC"], "crv": {}},
        jwk(ECKey.generate_key("P-384", {"kid": "first"})),
    ]
    provider.keys = [*junk, *provider.keys]
    assert sign_in(browser, provider).status_code == 303


def test_keys_that_change_just_before_somebody_comes_back_are_found(provider: Provider, browser: Browser) -> None:
    assert sign_in(browser, provider).status_code == 303
    for kid in ("second", "third"):
        provider.key = new_key(kid)
        provider.keys.insert(0, jwk(provider.key))
        assert sign_in(browser, provider).status_code == 303
    assert provider.requests["/jwks"] == 3


def test_unknown_keys_do_not_make_us_ask_again_and_again(provider: Provider, browser: Browser) -> None:
    for number in range(20):
        provider.header["kid"] = f"unknown-{number}"
        assert sign_in(browser, provider).status_code == 502
    assert provider.requests["/jwks"] <= 1 + 5
    assert provider.requests["/.well-known/openid-configuration"] == 1


def test_the_description_and_the_keys_are_fetched_once_for_everybody(provider: Provider, server: LiveServer) -> None:
    with ThreadPoolExecutor(8) as threads, ExitStack() as stack:
        browsers = [stack.enter_context(Browser(server.url)) for _ in range(8)]
        answers = list(threads.map(lambda one: sign_in(one, provider).status_code, browsers))
    assert answers == [303] * 8
    assert provider.requests["/jwks"] == provider.requests["/.well-known/openid-configuration"] == 1


def test_what_only_the_user_info_tells_is_taken_of_the_same_subject_alone(provider: Provider, browser: Browser) -> None:
    provider.claims |= {"email": None, "name": None}
    provider.userinfo = {"sub": "248289761001", "email": "other@example.com", "iss": "ignored"}
    assert sign_in(browser, provider).status_code == 303
    provider.userinfo["sub"] = "248289761002"
    assert sign_in(browser, provider).status_code == 502


def test_an_account_without_an_address_is_not_made(provider: Provider, browser: Browser) -> None:
    for email in (None, "", "not an address", "a@b\r\nbcc: c@d.example", 7):
        provider.claims |= {"email": email, "sub": f"without {email!r}".replace(" ", "-")[:40]}
        answer = sign_in(browser, provider)
        assert (answer.status_code, answer.json()["code"]) == (403, "provider_email_missing"), email


DESCRIPTION, KEYS, TOKEN = "/.well-known/openid-configuration", "/jwks", "/token"

DESCRIPTIONS: dict[str, dict[str, object]] = {
    "another issuer": {"issuer": "https://evil.example"},
    "no issuer": {"issuer": None},
    "an endpoint without TLS": {"authorization_endpoint": "http://evil.example/authorize"},
    "an endpoint that is none": {"authorization_endpoint": 7},
    "an endpoint that is a script": {"authorization_endpoint": "javascript:alert(1)"},
    "an endpoint with a line break": {"authorization_endpoint": "https://e.example/\r\nset-cookie: a=b"},
    "no endpoint": {"authorization_endpoint": None},
    "methods that are no list": {"token_endpoint_auth_methods_supported": "client_secret_basic"},
}


@pytest.mark.parametrize("lie", DESCRIPTIONS)
def test_a_description_that_is_not_the_provider_s_leads_nowhere(provider: Provider, browser: Browser, lie: str) -> None:
    provider.description = DESCRIPTIONS[lie]
    answer = browser.call("GET", "/providers/example/start")
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_invalid")
    assert "location" not in answer.headers


@pytest.mark.parametrize("endpoint", ["token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("url", ["http://evil.example/", "file:///etc/passwd", "https://user:word@e.example/", None])
def test_no_other_address_is_asked_than_one_of_https(
    provider: Provider, browser: Browser, endpoint: str, url: str | None
) -> None:
    provider.description = {endpoint: url}
    assert sign_in(browser, provider).status_code == 502


BROKEN: dict[str, tuple[Answer, int]] = {
    "a redirect": (Answer(302, headers={"location": "/token"}), 502),
    "no JSON": (Answer(body=b"<h1>Hello</h1>"), 502),
    "no object": (Answer(body=b"[]"), 502),
    "a member twice": (Answer(body=b'{"issuer": 1, "issuer": 2}'), 502),
    "not UTF-8": (Answer(body=b'{"a": "\xff"}'), 502),
    "very deep": (Answer(body=b"[" * 5000), 502),
    "too large": (Answer(body=b" " * (256 * 1024 + 1)), 502),
    "forbidden": (Answer(403), 502),
    "a fault": (Answer(500, body=b"<script>alert(1)</script>"), 503),
    "too busy": (Answer(503), 503),
    "packed": (Answer(body=b"\x1f\x8b\x08\x00", headers={"content-encoding": "gzip"}), 502),
}


@pytest.mark.parametrize("path", [DESCRIPTION, KEYS, TOKEN])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_answer_signs_nobody_in(provider: Provider, browser: Browser, path: str, broken: str) -> None:
    url = start(browser) if path != DESCRIPTION else None
    provider.clock.advance(3601 if path == KEYS else 0)
    provider.answers[path], status = BROKEN[broken]
    answer = (
        browser.call("GET", "/providers/example/start")
        if url is None
        else come_back(browser, provider.visit(url if path != KEYS else start(browser)))
    )
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status == 503)
    assert browser.refresh().status_code == 401


def test_an_answer_that_drips_for_ever_is_given_up(provider: Provider, browser: Browser) -> None:
    url = provider.visit(start(browser))
    provider.answers[TOKEN] = Answer(body=b"{}", before=lambda: provider.clock.advance(11))
    answer = come_back(browser, url)
    assert (answer.status_code, answer.json()["code"]) == (503, "provider_unavailable")


def test_a_provider_that_is_down_is_not_asked_at_every_sign_in_and_is_asked_again_soon(
    provider: Provider, browser: Browser
) -> None:
    provider.answers[DESCRIPTION] = Answer(500)
    for _ in range(5):
        assert browser.call("GET", "/providers/example/start").status_code == 503
    assert provider.requests[DESCRIPTION] == 1
    del provider.answers[DESCRIPTION]
    provider.clock.advance(5)
    assert sign_in(browser, provider).status_code == 303


def test_nobody_listens(provider: Provider, browser: Browser) -> None:
    provider.description = {"token_endpoint": f"http://127.0.0.1:{free_port()}/token"}
    assert sign_in(browser, provider).status_code == 503


@pytest.mark.parametrize(
    "answer",
    [
        {"token_type": "Bearer"},
        {"access_token": "a", "id_token": None},
        {"access_token": "a\r\nb", "token_type": "Bearer"},
        {"access_token": 7, "token_type": "Bearer"},
        {"access_token": "a", "token_type": ["Bearer"]},
        {"access_token": "a", "token_type": "DPoP"},
        {"access_token": "a", "token_type": "Bearer", "id_token": 7},
        {"error": "invalid_grant"},
    ],
    ids=str,
)
def test_an_answer_without_the_tokens_signs_nobody_in(
    provider: Provider, browser: Browser, answer: dict[str, object]
) -> None:
    provider.answers[TOKEN] = Answer(body=json.dumps(answer).encode())
    assert sign_in(browser, provider).status_code == 502


def test_a_slow_provider_holds_up_nobody_else(provider: Provider, server: LiveServer) -> None:
    released = threading.Event()
    with ThreadPoolExecutor(8) as threads, ExitStack() as stack:
        browsers = [stack.enter_context(Browser(server.url)) for _ in range(8)]
        urls = [provider.visit(start(one)) for one in browsers]
        provider.answers[TOKEN] = Answer(before=lambda: released.wait(4) and None)
        waiting = [threads.submit(come_back, one, url) for one, url in zip(browsers, urls, strict=True)]
        with Browser(server.url) as other:
            other.register(email=f"{len(server.data_dir.name)}@slow.example")
            assert other.refresh().status_code == 200
        assert not any(one.done() for one in waiting)
        released.set()
        assert {one.result().status_code for one in waiting} == {502}


def test_the_provider_s_tokens_reach_neither_the_browser_nor_the_log_nor_the_database(
    provider: Provider, server: LiveServer, browser: Browser
) -> None:
    answer = sign_in(browser, provider)
    assert answer.status_code == 303
    access_token, id_token = provider.tokens[-2:]
    told = f"{answer.headers.raw!r} {answer.text} {browser.refresh().text} {WITNESS.lines!r}"
    stored = b"".join(file.read_bytes() for file in server.data_dir.glob("keyturn.db*"))
    for token in (access_token, *id_token.split(".")[1:], provider.asked[-1].query["state"]):
        assert token not in told
        assert token.encode() not in stored
