"""Killed before each statement of a call, before its commit, after it, after the answer: all of it has happened, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.support.client import PASSWORD
from tests.support.dying import DyingServer
from tests.support.history import contents_of
from tests.support.wire import Answer, Wire, bearer, cookie

OTHER = "another long password"


class Person(NamedTuple):
    """Somebody with an account and two devices.

    Attributes:
        here: the tokens of the device that makes the call.
        there: those of the other one, which stays as it is.
    """

    email: str
    here: Mapping[str, str]
    there: Mapping[str, str]

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [bearer(self.here["access_token"]), cookie(keyturn_refresh=self.here["refresh_token"])]


class Flow(NamedTuple):
    """A call, and what is to be seen after it.

    Attributes:
        body: of the call; the e-mail address of the person is filled in.
        holds: checks, on a server that was started again, that the call has happened or that it has not.
    """

    method: str
    path: str
    body: Mapping[str, str] | None
    holds: Callable[[Wire, Person, bool], None]


def signed_up(wire: Wire, email: str) -> Person:
    def tokens(answer: Answer) -> Mapping[str, str]:
        assert answer.status in {200, 201}
        return {"access_token": answer.json["access_token"], "refresh_token": answer.cookies["keyturn_refresh"]}

    here = tokens(wire.call("POST", "/register", {"email": email, "password": PASSWORD}))
    return Person(email, here, tokens(login(wire, email)))


def login(wire: Wire, email: str, password: str = PASSWORD) -> Answer:
    return wire.call("POST", "/login", {"login": email, "password": password})


def refresh(wire: Wire, tokens: Mapping[str, str]) -> str:
    """How a refresh ends: `200`, or the reason for which the session has."""
    answer = wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=tokens["refresh_token"])])
    return str(answer.json.get("reason", answer.status))


def opened(wire: Wire, person: Person, happened: bool) -> None:
    assert refresh(wire, person.here) == ("replaced" if happened else "200")
    assert refresh(wire, person.there) == "200"
    assert login(wire, person.email).status == 200


def registered(wire: Wire, person: Person, happened: bool) -> None:
    email = f"new-{person.email}"
    assert login(wire, email).status == (200 if happened else 401)
    assert wire.call("POST", "/register", {"email": email, "password": PASSWORD}).status == (409 if happened else 201)


def refreshed(wire: Wire, person: Person, happened: bool) -> None:
    assert [refresh(wire, person.here) for _ in range(2)] == ["200", "200"]
    assert refresh(wire, person.there) == "200"


def signed_out(wire: Wire, person: Person, happened: bool) -> None:
    assert refresh(wire, person.here) == ("signed_out" if happened else "200")
    assert wire.call("GET", "/me", headers=person.headers[:1]).status == (401 if happened else 200)
    assert refresh(wire, person.there) == "200"
    assert wire.call("POST", "/logout", headers=person.headers).status == 204
    assert refresh(wire, person.here) == "signed_out"


def changed(wire: Wire, person: Person, happened: bool) -> None:
    for tokens in (person.here, person.there):
        assert refresh(wire, tokens) == ("password_changed" if happened else "200")
    assert login(wire, person.email).status == (401 if happened else 200)
    assert login(wire, person.email, OTHER).status == (200 if happened else 401)


def closed(wire: Wire, person: Person, happened: bool) -> None:
    for tokens in (person.here, person.there):
        assert (refresh(wire, tokens) == "200") is not happened
    assert login(wire, person.email).status == (401 if happened else 200)


FLOWS = {
    "register": Flow("POST", "/register", {"email": "new-{}", "password": PASSWORD}, registered),
    "login": Flow("POST", "/login", {"login": "{}", "password": PASSWORD}, opened),
    "refresh": Flow("POST", "/refresh-token", None, refreshed),
    "logout": Flow("POST", "/logout", None, signed_out),
    "password": Flow("POST", "/password", {"current_password": PASSWORD, "new_password": OTHER}, changed),
    "closing": Flow("DELETE", "/me", {"current_password": PASSWORD}, closed),
}


class Round(NamedTuple):
    """What came of a call of which one step was the server's last.

    Attributes:
        answer: none: it never came.
        step: the last one; empty: the call was answered.
    """

    answer: Answer | None
    step: str


def call(server: DyingServer, flow: Flow, person: Person, step: int) -> Round:
    body: Any = flow.body and {name: value.replace("{}", person.email) for name, value in flow.body.items()}
    with Wire(server.address) as wire:
        server.die_at(step)
        try:
            answer = wire.call(flow.method, flow.path, body, headers=person.headers)
        except ConnectionError:
            answer = None
    return Round(answer, server.kill())


@pytest.mark.parametrize("name", FLOWS)
def test_wherever_it_is_killed_a_call_has_happened_as_a_whole_or_not_at_all(tmp_path: Path, name: str) -> None:
    """Row 81, Z3."""
    flow, file, steps = FLOWS[name], tmp_path / "data" / "keyturn.db", list[str]()
    with ExitStack() as stack:

        def started() -> DyingServer:
            return stack.enter_context(DyingServer(tmp_path / "data", issuer="http://localhost"))

        server = started()
        while not steps or steps[-1]:
            with Wire(server.address) as wire:
                person = signed_up(wire, f"user{len(steps)}@example.com")
            before = contents_of(file)
            answer, step = call(server, flow, person, len(steps) + 1)
            steps.append(step)
            happened = not step.startswith("before")
            assert (contents_of(file) != before) == happened
            assert (answer is None) == bool(step)
            server = started()
            with Wire(server.address) as wire:
                flow.holds(wire, person, happened)
    assert steps[0] == "before BEGIN"
    assert steps[-3:] == ["before the commit", "after the commit", ""]
    assert len(steps) >= 5
