"""Text that would like to be more than text: a header, a line of the log, a command to a terminal."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.attacks import Visitor
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer, cookie
from tests.support.witness import Witness

BREAKS = ("\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\0", "\x1b[2J", "\x7f")
"""What some reader takes for the end of a line, or for an order."""

ENCODED = ("%0d%0a", "%0a", "%0D", "%E5%98%8A%E5%98%8D", "%00", "%e2%80%a8", "%1b%5b2J", "%250d%250a", "\\r\\n")
CANARY = "X-Injected: yes"


def assert_nothing_injected(answer: Answer) -> None:
    assert answer.status < 500
    assert "x-injected" not in dict(answer.headers)
    assert all(value.isprintable() for _, value in answer.headers)


def logged(witness: Witness, server: LiveServer) -> str:
    """All that the server has logged, each line of it one for every reader, and nothing in it that moves a cursor."""
    # An answer may arrive before its line is written; that of the one before is written by then.
    with Wire(server.address) as wire:
        wire.call("GET", "//healthz")
    lines = list(witness.lines)
    assert lines != []
    assert [line for line in lines if not line.isascii() or not line.isprintable()] == []
    assert all(json.loads(line)["event"] for line in lines[::2])
    return "\n".join(lines)


@pytest.fixture
def anyone(shared: LiveServer) -> Iterator[Wire]:
    with Wire(shared.address) as wire:
        yield wire


@pytest.mark.parametrize("field", ["username", "full_name", "email"])
@pytest.mark.parametrize("text", BREAKS, ids=ascii)
def test_no_name_holds_a_line_break(shared: LiveServer, anyone: Wire, witness: Witness, field: str, text: str) -> None:
    """Row 79: at the making of an account and at its change."""
    before, after = ("a", "b") if field != "email" else ("a", "b@example.com")
    body = {"email": "break@example.com", "password": "a password of some length"}
    answer = anyone.call("POST", "/register", body | {field: f"{before}{text}{CANARY}{after}"})
    assert (answer.status, answer.code) == (422, "invalid_request")
    assert [problem["field"] for problem in answer.json["errors"]] == [field]
    assert_nothing_injected(answer)
    logged(witness, shared)


@pytest.mark.parametrize("text", BREAKS, ids=ascii)
def test_what_somebody_types_as_a_login_reaches_neither_headers_nor_log(
    shared: LiveServer, anyone: Wire, witness: Witness, text: str
) -> None:
    """Row 79; L3, L6: people type their password there."""
    for name in ("login", "email", "username"):
        typed = f"alice{text}{CANARY} level=error event=authn_login_success"
        answer = anyone.call("POST", "/login", {name: typed, "password": f"p{text}{CANARY}"})
        assert (answer.status, answer.code) == (401, "invalid_credentials")
        assert_nothing_injected(answer)
    assert "Injected" not in logged(witness, shared)


def test_an_unknown_member_is_named_without_its_line_breaks_doing_anything(
    shared: LiveServer, anyone: Wire, witness: Witness
) -> None:
    """Row 79: the one place where a client's own text is quoted to it, as JSON."""
    for text in BREAKS:
        if text == "\0":
            continue
        answer = anyone.call("POST", "/login", {f"x{text}{CANARY}": 1, "password": "p", "login": "l"})
        assert answer.status == 422
        assert_nothing_injected(answer)
    assert "Injected" not in logged(witness, shared)


@pytest.mark.parametrize(
    "text", [*ENCODED, "\x1b[2J", "\x85", "\xa0", "\t", "A" * 10_000], ids=lambda text: ascii(text[:20])
)
def test_a_browsers_name_is_shown_as_a_device_and_nothing_else(shared: LiveServer, witness: Witness, text: str) -> None:
    """Row 79: User-Agent goes into the list of sessions."""
    with Visitor(shared) as owner, Wire(shared.address) as wire:
        owner.join()
        agent = ("user-agent", f"Mozilla/5.0{text}{CANARY}<script>alert(1)</script> Firefox/140.0")
        with contextlib.suppress(ConnectionError):
            answer = wire.call("POST", "/login", {"login": owner.email, "password": owner.password}, headers=[agent])
            assert answer.status in {200, 400}
            assert_nothing_injected(answer)
        listed = owner.call("GET", "/sessions", bearer=owner.access_token).json()["sessions"]
        for session in listed:
            assert session["device"].isprintable()
            assert len(session["device"]) <= 100
            assert "<" not in session["device"]
            assert "Injected" not in session["device"]
    log = logged(witness, shared)
    assert "Injected" not in log
    assert "script" not in log


@pytest.mark.parametrize("text", ENCODED)
def test_a_path_is_neither_sent_back_nor_logged(shared: LiveServer, anyone: Wire, witness: Witness, text: str) -> None:
    """Row 79: no redirect, no echo, and the log names only paths of ours."""
    for path in (
        f"//{text}{CANARY.replace(' ', '%20')}",
        f"//x{text}Set-Cookie:%20keyturn_refresh=evil",
        f"/sessions/{text}X-Injected:%20yes",
        f"/login?next={text}X-Injected:%20yes",
        f"/{text}/login",
    ):
        for method in ("GET", "POST", "DELETE", "HEAD"):
            try:
                answer = anyone.call(method, path)
            except ConnectionError:
                continue
            assert_nothing_injected(answer)
            assert answer.status >= 400
            assert answer.values("location") == answer.values("set-cookie") == []
    log = logged(witness, shared)
    assert "Injected" not in log
    assert "evil" not in log


@pytest.mark.parametrize("text", [*ENCODED, "\t", " ", "@evil.example", "#", "/x", "\x1b", "\x85"], ids=ascii)
def test_a_host_is_ours_or_refused(shared: LiveServer, witness: Witness, text: str) -> None:
    """Row 79; H3: and nothing of it comes back."""
    host = f"127.0.0.1:{shared.address[1]}"
    with Wire(shared.address, host=f"{host}{text}x-injected.example") as wire:
        answer = wire.call("GET", "/me")
        assert answer.status in {400, 421}
        assert b"injected" not in answer.body
        assert_nothing_injected(answer)
    with Wire(shared.address) as wire:
        forwarded = [("x-forwarded-host", f"evil{text}.example"), ("forwarded", f"host=evil{text}.example")]
        answer = wire.call("GET", "/me", headers=forwarded)
        assert answer.status in {400, 401}
        assert b"evil" not in answer.body
    log = logged(witness, shared)
    assert "injected" not in log
    assert "evil" not in log


def test_a_line_break_in_any_header_is_no_request(shared: LiveServer, witness: Witness) -> None:
    """Row 79: a bare CR or NUL in a value; H6."""
    for name in ("user-agent", "origin", "host", "cookie", "authorization", "x-forwarded-for", "x-request-id"):
        for text in ("\r", "\0"):
            with Wire(shared.address) as wire, contextlib.suppress(ConnectionError):
                answer = wire.call("GET", "/me", headers=[(name, f"a{text}{CANARY}")])
                assert 400 <= answer.status < 500
                assert_nothing_injected(answer)
    assert "Injected" not in logged(witness, shared)


def test_a_line_break_in_a_token_is_part_of_no_token(shared: LiveServer, anyone: Wire, witness: Witness) -> None:
    """Row 79."""
    for text in BREAKS:
        answer = anyone.call("POST", "/refresh-token", {"refresh_token": f"a.b{text}{CANARY}.c"})
        assert answer.status in {400, 403}
        assert_nothing_injected(answer)
    for text in ENCODED:
        for header in (bearer(f"a.b{text}.c"), cookie(keyturn_access=f"a.b{text}.c")):
            assert_nothing_injected(anyone.call("GET", "/verify", headers=[header]))
    assert "Injected" not in logged(witness, shared)


def test_an_address_that_a_proxy_passes_on_is_an_address(tmp_path: Path, witness: Witness) -> None:
    """Row 79: X-Forwarded-For goes into the log and into the list of sessions."""
    account = {"email": "proxied@example.com", "password": "a password of some length"}
    with LiveServer(tmp_path / "data", trusted_proxies=["127.0.0.1"]) as server, Wire(server.address) as wire:
        access = wire.call("POST", "/register", account).json["access_token"]
        login = {"login": account["email"], "password": account["password"]}
        for text in (*ENCODED, "\x1b[2J", "\x85", "\t", "<script>", " level=error", '"', "A" * 5000):
            headers = [("x-forwarded-for", f"203.0.113.7{text}{CANARY}"), ("x-forwarded-proto", "http")]
            with contextlib.suppress(ConnectionError):
                assert_nothing_injected(wire.call("POST", "/login", login, headers=headers))
        listed = wire.call("GET", "/sessions", headers=[bearer(access)]).json["sessions"]
        assert {session["address"] for session in listed} <= {"", "127.0.0.1", "203.0.113.7"}
        assert "Injected" not in logged(witness, server)


def test_no_answer_repeats_a_request_id_that_a_client_made_up(
    shared: LiveServer, anyone: Wire, witness: Witness
) -> None:
    """Row 79: nor does the log."""
    answer = anyone.call("GET", "/me", headers=[("x-request-id", "made-up-by-the-client")])
    assert answer.values("x-request-id") != ["made-up-by-the-client"]
    assert "made-up" not in logged(witness, shared)
