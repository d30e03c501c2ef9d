"""Every answer that `/openapi.json` lists can happen, and it lists every code there is."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.client import BASE, PASSWORD, Browser
from tests.support.counted import CountedHasher
from tests.support.faults import FailingDatabase
from tests.support.server import LiveServer
from tests.support.wire import Wire

from keyturn.core.model import Purpose
from keyturn.http.problems import STATUS
from keyturn.ports import Transaction
from keyturn.server import wiring
from keyturn.server.api import Api
from keyturn.server.mail_api import MailApi
from keyturn.service.context import Context
from keyturn.service.one_time import mint

JSON = dict[str, Any]
Operation = tuple[str, str]

PROBLEM = "application/problem+json"
WITH_PROVIDERS = (f"{BASE}/providers", f"{BASE}/identities")
"""Their answers happen in test_listed_provider_answers.py."""
_numbers = count(1)


def _breakable(context: Context) -> Context:
    return replace(context, database=FailingDatabase(context.database), hasher=CountedHasher(context.hasher))


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with room for one piece of work of each kind at a time, and no more than one refresh waiting."""
    data_dir = tmp_path_factory.mktemp("small") / "data"
    small = {"hash_concurrency": 1, "hash_queue": 0, "refresh_queue": 1}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "_STORE_THREADS", 1)
        # One may wait: the server itself looks into the database now and then.
        patch.setattr(wiring, "_STORE_QUEUE", 1)
        with LiveServer(data_dir, wrap=_breakable, **small) as live:
            yield live


@pytest.fixture(scope="module")
def document(shared_server: LiveServer) -> JSON:
    described: JSON = httpx2.get(f"{shared_server.url}/openapi.json").json()
    return described


@dataclass(frozen=True)
class Prepared:
    """A request that succeeds, unless something about it is changed."""

    browser: Browser
    method: str
    path: str
    json: JSON | None
    headers: dict[str, str]

    def send(self, *, path: str | None = None, **changes: Any) -> httpx2.Response:
        headers = {**self.headers, **changes.pop("headers", {})}
        if "content" not in changes:
            changes.setdefault("json", self.json)
        elif "content-type" not in headers:
            headers["content-type"] = "application/json"
        return self.browser.request(self.method, path or self.path, headers=headers, **changes)


class Stage:
    """Prepares requests, each of a user of its own."""

    def __init__(self, server: LiveServer, document: JSON, browser: Browser) -> None:
        self.server = server
        self.document = document
        self.browser = browser

    def listing(self, code: str | None) -> list[Operation]:
        """The operations that list a code, of which there are some; none: all of them."""
        found = [operation for operation, answers in listed(self.document).items() if code in {c for _, c in answers}]
        assert found, code
        return found

    def prepare(self, operation: Operation) -> Prepared:
        method, template = operation
        email = f"user{next(_numbers)}@example.com"
        # Nothing is left to the cookie jar: a request says all that it sends.
        self.browser.cookies.clear()
        signed_in = self.browser.register(email)
        refresh, access = self.browser.cookies["keyturn_refresh"], signed_in["access_token"]
        self.browser.cookies.clear()
        name = template.removeprefix(BASE)
        bodies: dict[tuple[str, str], JSON] = {
            ("POST", "/register"): {"email": f"new-{email}", "password": PASSWORD},
            ("POST", "/login"): {"login": email, "password": PASSWORD},
            ("PATCH", "/me"): {"full_name": "Alice"},
            ("DELETE", "/me"): {"current_password": PASSWORD},
            ("POST", "/email"): {"current_password": PASSWORD, "email": f"next-{email}"},
            ("POST", "/password"): {"current_password": PASSWORD, "new_password": PASSWORD + "!"},
            ("POST", "/password/forgot"): {"email": email},
            ("POST", "/password/reset"): {
                "token": self._mailed(Purpose.RESET_PASSWORD, email),
                "new_password": PASSWORD + "!",
            },
        }
        headers = {"authorization": f"Bearer {access}"}
        if name in {"/refresh-token", "/logout"}:
            headers = {"cookie": f"keyturn_refresh={refresh}"}
        path = template.replace("{id}", signed_in["session"]["id"])
        path = path.replace("{token}", self._mailed(Purpose.VERIFY_EMAIL, email))
        return Prepared(self.browser, method, path, bodies.get((method, name)), headers)

    def _mailed(self, purpose: Purpose, email: str) -> str:
        """A token as a mail to an address has it."""
        context = self.server.context

        def work(tx: Transaction) -> str:
            account = tx.users.find(email)
            assert account is not None
            return mint(context, tx, purpose, account.user)

        return context.database.transact(work)


@pytest.fixture(scope="module")
def stage(shared_server: LiveServer, document: JSON) -> Iterator[Stage]:
    with Browser(shared_server.url) as browser:
        yield Stage(shared_server, document, browser)


def listed(document: JSON, *, with_providers: bool = False) -> dict[Operation, set[tuple[int, str | None]]]:
    """(status, code) of every answer that each operation lists; a success has no code."""
    found: dict[Operation, set[tuple[int, str | None]]] = {}
    for path, operations in document["paths"].items():
        if path.startswith(WITH_PROVIDERS) and not with_providers:
            continue
        for method, operation in operations.items():
            answers = found.setdefault((method.upper(), path), set())
            for status, answer in operation["responses"].items():
                problem = answer.get("content", {}).get(PROBLEM)
                codes = problem["schema"]["allOf"][1]["properties"]["code"]["enum"] if problem else [None]
                answers.update((int(status), code) for code in codes)
    return found


def test_the_document_lists_every_code_with_its_status(document: JSON) -> None:
    codes = {error.code for error in STATUS}
    assert set(document["components"]["schemas"]["ProblemAnswer"]["properties"]["code"]["enum"]) == codes
    every = listed(document, with_providers=True)
    pairs = {pair for answers in every.values() for pair in answers if pair[1] is not None}
    assert pairs <= {(status, error.code) for error, status in STATUS.items()}
    # A method that no call takes is no operation; roles are asked for by applications alone.
    assert {code for _, code in pairs} == codes - {"method_not_allowed", "role_missing"}


def test_every_operation_lists_one_success(document: JSON) -> None:
    for operation, answers in listed(document).items():
        successes = [status for status, code in answers if code is None]
        assert len(successes) == 1, operation
        assert successes[0] in {200, 201, 202, 204}, operation


def test_every_operation_succeeds_as_it_says(stage: Stage) -> None:
    for operation in stage.listing(None):
        answer = stage.prepare(operation).send()
        assert (answer.status_code, None) in listed(stage.document)[operation], operation


GARBAGE_COOKIES = "keyturn_refresh=a; keyturn_refresh=b; keyturn_access=a; keyturn_access=b"

CHANGES: dict[str, dict[str, Any]] = {
    "malformed_json": {"content": b"{"},
    "duplicate_cookie": {"headers": {"authorization": "", "cookie": GARBAGE_COOKIES}},
    "access_token_missing": {"headers": {"authorization": ""}},
    "access_token_invalid": {"headers": {"authorization": "Bearer garbage"}},
    "refresh_token_missing": {"headers": {"cookie": ""}},
    "refresh_token_invalid": {"headers": {"cookie": "keyturn_refresh=garbage"}},
    "invalid_credentials": {"json": {"login": "nobody@example.com", "password": "wrong"}},
    "current_password_wrong": {},
    "one_time_token_invalid": {},
    "not_found": {"path": f"{BASE}/sessions/nothing"},
    "too_large": {"content": b" " * 16_385},
    "unsupported_media_type": {"content": b"{}", "headers": {"content-type": "text/plain"}},
    "unknown_host": {"headers": {"host": "evil.example.org"}},
    "invalid_request": {"json": {"nonsense": 1}},
    "headers_too_large": {"headers": {"x": "y" * 16_384}},
}
"""What to change about a request that would succeed."""


@pytest.mark.parametrize("code", CHANGES)
def test_a_listed_answer_happens(stage: Stage, code: str) -> None:
    operations = stage.listing(code)
    assert operations
    for operation in operations:
        changes = dict(CHANGES[code])
        request = stage.prepare(operation)
        if code == "one_time_token_invalid":
            changes = {"json": {**request.json, "token": "x" * 43}} if request.json else {"path": f"{request.path}x"}
        if code == "current_password_wrong":
            changes = {"json": {**(request.json or {}), "current_password": "wrong"}}
        assert_answers(request.send(**changes), code, operation)


def assert_answers(answer: httpx2.Response, code: str, operation: Operation) -> None:
    assert answer.headers["content-type"] == PROBLEM, operation
    status = next(status for error, status in STATUS.items() if error.code == code)
    assert (answer.status_code, answer.json()["code"]) == (status, code), operation


def test_what_is_no_http_is_malformed_whatever_the_call(stage: Stage) -> None:
    for method, path in stage.listing("malformed_request"):
        with Wire(stage.server.address) as wire:
            answer = wire.send(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nno colon here\r\n\r\n".encode())
            assert (answer.status, answer.code) == (400, "malformed_request")


def test_cross_origin_happens_wherever_it_is_listed(stage: Stage) -> None:
    for operation in stage.listing("cross_origin"):
        request = stage.prepare(operation)
        headers = {"sec-fetch-site": "cross-site"}
        if operation[1].endswith("/verify"):
            # It asks for the origin only where a browser sent the token by itself.
            headers |= {"authorization": "", "cookie": f"keyturn_access={request.headers['authorization'][7:]}"}
        assert_answers(request.send(headers=headers), "cross_origin", operation)


def test_what_is_taken_is_listed_where_names_are_given(stage: Stage) -> None:
    taken = f"user{next(_numbers)}@example.com"
    stage.browser.register(taken, username="somebody")
    assert stage.listing("email_taken") == [("POST", f"{BASE}/register"), ("POST", f"{BASE}/email")]
    for operation in stage.listing("email_taken"):
        request = stage.prepare(operation)
        assert_answers(request.send(json={**(request.json or {}), "email": taken}), "email_taken", operation)
    for operation in stage.listing("username_taken"):
        request = stage.prepare(operation)
        answer = request.send(json={**(request.json or {}), "username": "somebody"})
        assert_answers(answer, "username_taken", operation)


def test_session_ended_is_listed_where_one_refreshes(stage: Stage) -> None:
    (operation,) = stage.listing("session_ended")
    request = stage.prepare(operation)
    request.send(path=f"{BASE}/logout")
    assert_answers(request.send(), "session_ended", operation)


def test_registration_closed_is_listed_where_one_registers(stage: Stage, tmp_path: Path) -> None:
    (operation,) = stage.listing("registration_closed")
    with LiveServer(tmp_path / "data", registration="closed") as closed:
        answer = stage.prepare(operation).send(path=closed.url + operation[1], headers={"origin": closed.url})
    assert_answers(answer, "registration_closed", operation)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[LiveServer]:
    """A server with a limit of one for everything, behind a proxy that says where a request comes from."""
    limits = dict.fromkeys(("rate_limit_client", "rate_limit_registration", "rate_limit_refresh"), 1)
    with LiveServer(tmp_path / "data", rate_limits=True, trusted_proxies=["127.0.0.1"], **limits) as live:
        yield live


def test_too_many_attempts_happens_wherever_it_is_listed(strict: LiveServer, document: JSON) -> None:
    with Browser(strict.url) as browser:
        stage = Stage(strict, document, browser)
        operations = stage.listing("too_many_attempts")
        assert len(operations) == 8
        for operation in operations:
            request = stage.prepare(operation)
            headers = {"x-forwarded-for": "203.0.113.7"}
            wrong = {name: "wrong" for name in request.json or {} if name in {"password", "current_password"}}
            if operation[1].endswith("/register"):
                wrong = {}
            for _ in range(2):
                answer = request.send(json={**request.json, **wrong} if request.json else None, headers=headers)
            assert_answers(answer, "too_many_attempts", operation)
            assert int(answer.headers["retry-after"]) > 0


def test_https_required_happens_wherever_it_is_listed(stage: Stage) -> None:
    app = wiring.application(stage.server.settings, stage.server.context)

    async def ask(method: str, path: str) -> httpx2.Response:
        transport = httpx2.ASGITransport(app, client=("203.0.113.9", 4711))
        async with httpx2.AsyncClient(transport=transport, base_url=stage.server.url) as client:
            return await client.request(method, path)

    for operation in stage.listing("https_required"):
        assert_answers(asyncio.run(ask(*operation)), "https_required", operation)


def test_internal_error_is_what_any_call_answers_that_breaks(stage: Stage, tmp_path: Path) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("broken")

    requests = {operation: stage.prepare(operation) for operation in stage.listing("internal_error")}
    with pytest.MonkeyPatch.context() as patch:
        for handlers in (Api, MailApi):
            for name, handler in vars(handlers).items():
                if inspect.iscoroutinefunction(handler):
                    patch.setattr(handlers, name, broken)
        with LiveServer(tmp_path / "data") as live:
            for operation, request in requests.items():
                answer = request.send(path=live.url + request.path, headers={"origin": live.url})
                assert_answers(answer, "internal_error", operation)
                assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_store_unavailable_happens_wherever_it_is_listed(stage: Stage) -> None:
    requests = {operation: stage.prepare(operation) for operation in stage.listing("store_unavailable")}
    stage.server.context.database.away = True
    try:
        for operation, request in requests.items():
            assert_answers(request.send(), "store_unavailable", operation)
    finally:
        stage.server.context.database.away = False


@contextmanager
def busy(stage: Stage, more: Sequence[Prepared]) -> Iterator[None]:
    """A server that has all the work of each kind that it can take: a hash, what the database is asked, refreshes."""
    database, hasher = stage.server.context.database, stage.server.context.hasher
    database.gate.clear()
    hasher.gate.clear()
    threads = [threading.Thread(target=request.send) for request in more]
    try:
        for thread in threads:
            thread.start()
        yield
    finally:
        database.gate.set()
        hasher.gate.set()
        for thread in threads:
            thread.join(20)
            assert not thread.is_alive()


def test_overloaded_happens_wherever_it_is_listed(stage: Stage) -> None:
    requests = {operation: stage.prepare(operation) for operation in stage.listing("overloaded")}
    # One at work and one waiting in the lane of the database, one hash, one refresh at work and one waiting.
    ping, login, refresh = ("GET", "/readyz"), ("POST", f"{BASE}/login"), ("POST", f"{BASE}/refresh-token")
    work = [stage.prepare(operation) for operation in (ping, ping, login, refresh, refresh)]
    with busy(stage, work):
        for operation, request in requests.items():
            answer = until(lambda request=request: request.send(timeout=1), lambda found: found.status_code == 503)
            assert_answers(answer, "overloaded", operation)
            assert answer.headers["retry-after"] == "1"


def until(attempt: Callable[[], httpx2.Response], wanted: Callable[[httpx2.Response], bool]) -> httpx2.Response:
    """Try again what took the place of the work that was still on its way."""
    for _ in range(60):
        try:
            answer = attempt()
        except httpx2.TimeoutException:
            continue
        if wanted(answer):
            return answer
    raise AssertionError("it never happened")


def test_every_listed_code_has_its_test_here(document: JSON) -> None:
    codes = {code for answers in listed(document).values() for _, code in answers if code is not None}
    apart = {
        "malformed_request",
        "cross_origin",
        "email_taken",
        "username_taken",
        "session_ended",
        "registration_closed",
        "reauthentication_required",
        "too_many_attempts",
        "https_required",
        "internal_error",
        "store_unavailable",
        "overloaded",
    }
    assert codes == CHANGES.keys() | apart


def test_bodies_are_described_as_strictly_as_they_are_read(document: JSON) -> None:
    for item in document["paths"].values():
        for operation in item.values():
            if "requestBody" in operation:
                reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                schema = document["components"]["schemas"][reference.rpartition("/")[2]]
                assert schema["additionalProperties"] is False
                assert operation["requestBody"]["required"] == bool(schema.get("required"))
