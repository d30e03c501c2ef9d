"""What every answer carries, what a problem looks like, and what stands at the root."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from tests.support.client import PASSWORD
from tests.support.server import PUBLIC, LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie

from keyturn.service.context import Context

API_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "vary": "Sec-Fetch-Site, Origin, Cookie, Authorization",
}


def one_of_each(wire: Wire, email: str) -> list[Answer]:
    """Answers of every kind: with tokens, empty, cacheable, and problems from every layer."""
    return [
        wire.call("POST", "/register", {"email": email, "password": PASSWORD}),
        wire.call("POST", "/logout"),
        wire.call("GET", "//.well-known/jwks.json"),
        wire.call("GET", "//healthz"),
        wire.call("GET", "/me"),
        wire.call("GET", "//nothing"),
        wire.call("PUT", "/me"),
        wire.call("POST", "/login", body=b"{"),
        wire.call("POST", "/logout", headers=[("sec-fetch-site", "cross-site")]),
        wire.call("GET", "/me", headers=[("x", "y" * 17_000)]),
        wire.send(b"GET /docs HTTP/1.1\r\nhost: evil.example.org\r\n\r\n"),
        wire.send(b"nonsense\r\n\r\n"),
    ]


def test_every_answer_carries_the_security_headers(wire: Wire, email: str) -> None:
    for answer in one_of_each(wire, email):
        for name, value in ALWAYS.items():
            assert answer.values(name) == [value], answer
        assert answer.values("content-security-policy") == [API_POLICY]
        assert answer.values("strict-transport-security") == []
        assert answer.values("server") == []


def test_behind_an_https_issuer_browsers_are_told_to_come_back_by_https(public: Wire, email: str) -> None:
    for answer in one_of_each(public, email)[:-1]:
        assert answer.values("strict-transport-security") == ["max-age=63072000; includeSubDomains"]


def test_only_public_keys_may_be_cached(wire: Wire, email: str) -> None:
    answers = one_of_each(wire, email)
    keys = answers.pop(2)
    assert keys.values("cache-control") == ["public, max-age=300"]
    assert {tuple(answer.values("cache-control")) for answer in answers} == {("no-store",)}


def test_every_answered_request_has_an_id_of_its_own(wire: Wire, email: str) -> None:
    ids = [answer.values("x-request-id") for answer in one_of_each(wire, email)[:-1]]
    assert all(re.fullmatch("[0-9a-f]{24}", given) for (given,) in ids)
    assert len({given for (given,) in ids}) == len(ids)
    # What a client calls its request is its own affair.
    answer = wire.call("GET", "//healthz", headers=[("x-request-id", "mine")])
    assert answer.values("x-request-id") != ["mine"]


def test_a_problem_is_an_rfc_9457_document_with_a_stable_code(wire: Wire, email: str) -> None:
    problems = [answer for answer in one_of_each(wire, email) if answer.status >= 400]
    assert len(problems) == 8
    for problem in problems:
        assert problem.values("content-type") == ["application/problem+json"]
        body = problem.json
        assert set(body) <= {"type", "title", "status", "code", "detail", "reason", "errors"}
        assert body["type"] == f"urn:keyturn:error:{body['code']}"
        assert body["status"] == problem.status
        assert body["title"]
        assert body["detail"].endswith((".", "…"))


def test_a_reason_comes_with_an_ended_session_and_with_nothing_else(wire: Wire, email: str) -> None:
    token = wire.call("POST", "/register", {"email": email, "password": PASSWORD}).cookies["keyturn_refresh"]
    wire.call("POST", "/logout", headers=[cookie(keyturn_refresh=token)])
    ended = wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=token)])
    assert ended.json == {
        "type": "urn:keyturn:error:session_ended",
        "title": "Forbidden",
        "status": 403,
        "code": "session_ended",
        "detail": "The session has ended. Sign in again.",
        "reason": "signed_out",
    }


def test_times_are_rfc_3339_in_utc(wire: Wire, email: str) -> None:
    body = wire.call("POST", "/register", {"email": email, "password": PASSWORD}).json
    for text in (
        body["user"]["created_at"],
        *(body["session"][name] for name in ("created_at", "last_used_at", "expires_at")),
    ):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
        assert datetime.fromisoformat(text).utcoffset() is not None


def test_every_name_of_an_answer_is_in_snake_case(wire: Wire, email: str) -> None:
    def names(value: object) -> Iterator[str]:
        for name, member in value.items() if isinstance(value, dict) else ():
            yield name
            yield from names(member)

    for answer in one_of_each(wire, email):
        if answer.body:
            assert all(re.fullmatch("[a-z]+(_[a-z]+)*", name) for name in names(answer.json))


def test_an_error_of_ours_is_a_500_that_names_the_request_and_quotes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class BrokenHasher:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("the hasher is broken")

    def broken(context: Context) -> Context:
        return replace(context, hasher=BrokenHasher())

    with LiveServer(tmp_path / "data", wrap=broken) as live, Wire(live.address) as wire:
        body = b'{"login": "a@example.com", "password": "correct horse"}'
        wire.connect().sendall(
            b"POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        with wire.connect().makefile("rb") as file:
            raw = file.read().decode()
    head, _, text = raw.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 500 ")
    request_id = re.search("x-request-id: ([0-9a-f]{24})", head)
    assert request_id
    assert '"code": "internal_error"' in text
    assert f'"request_id": "{request_id[1]}"' in text
    assert "hasher" not in raw
    (record,) = [entry for entry in caplog.records if entry.levelno >= logging.ERROR]
    assert record.facts == {"request_id": request_id[1]}  # type: ignore[attr-defined]
    assert "correct horse" not in caplog.text


def test_the_published_keys_hold_nothing_private_and_verify_the_tokens(wire: Wire, email: str) -> None:
    keys = wire.call("GET", "//.well-known/jwks.json").json["keys"]
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "y", "kid", "alg", "use"}]
    assert (keys[0]["alg"], keys[0]["crv"], keys[0]["use"]) == ("ES256", "P-256", "sig")


def test_a_shared_secret_is_not_published(tmp_path: Path) -> None:
    secret = "pX3vQ9mWk2LrT8nYd5HsF7bJc4GzA6eU"
    with LiveServer(tmp_path / "data", access_secret=secret) as live, Wire(live.address) as wire:
        assert wire.call("GET", "//.well-known/jwks.json").json == {"keys": []}
        signed_in = wire.call("POST", "/register", {"email": "a@example.com", "password": PASSWORD})
        assert wire.call("GET", "/me", headers=[bearer(signed_in.json["access_token"])]).status == 200


def test_healthz_and_readyz_say_ok(wire: Wire) -> None:
    for path in ("//healthz", "//readyz"):
        answer = wire.call("GET", path)
        assert (answer.status, answer.json) == (200, {"status": "ok"})


def test_in_development_the_pages_for_developers_are_there(wire: Wire) -> None:
    page = wire.call("GET", "//docs")
    assert page.status == 200
    assert page.values("content-type") == ["text/html; charset=utf-8"]
    assert "default-src 'none'" in page.values("content-security-policy")[0]
    assert "script-src" not in page.values("content-security-policy")[0]
    assert b"<script" not in page.body
    assert wire.call("GET", "//openapi.json").json["openapi"] == "3.1.0"


@pytest.mark.parametrize("path", ["//docs", "//openapi.json"])
def test_in_production_the_pages_for_developers_are_not_there(public: Wire, path: str) -> None:
    for method in ("GET", "HEAD", "POST"):
        assert public.call(method, path).status == 404


def test_a_setting_turns_the_pages_for_developers_on_or_off(tmp_path: Path) -> None:
    with (
        LiveServer(tmp_path / "on", issuer=PUBLIC, developer_pages=True) as live,
        Wire(live.address, host="auth.example.com") as wire,
    ):
        assert wire.call("GET", "//openapi.json").json["servers"] == [{"url": PUBLIC}]
        assert wire.call("GET", "//docs").status == 200
    with LiveServer(tmp_path / "off", developer_pages=False) as live, Wire(live.address) as wire:
        assert wire.call("GET", "//openapi.json").status == wire.call("GET", "//docs").status == 404


def test_the_base_path_is_a_setting(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", base_path="/auth") as live, Wire(live.address) as wire:
        assert wire.call("GET", "//auth/me").status == 401
        assert wire.call("GET", "/me").status == 404
        assert wire.call("GET", "//healthz").status == 200


def test_in_production_one_host_is_this_server(public: Wire) -> None:
    for host in ("auth.example.com", "AUTH.example.com", "auth.example.com:443"):
        request = f"GET /.well-known/jwks.json HTTP/1.1\r\nhost: {host}\r\n\r\n"
        assert public.send(request.encode()).status == 200
    for host in ("localhost", "127.0.0.1", "auth.example.com:444", "auth.example.com.", "x.auth.example.com", ""):
        request = f"GET /.well-known/jwks.json HTTP/1.1\r\nhost: {host}\r\n\r\n"
        assert public.send(request.encode()).code == "unknown_host"
