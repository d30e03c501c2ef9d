"""Two processes over one database, everything at once: one token two hundred times, and refreshes against sign-outs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import PASSWORD
from tests.support.history import Row, rows_of
from tests.support.load import CHEAP_HASHES
from tests.support.postgres import Cluster
from tests.support.processes import address_of, eventually, to_each_worker, two_servers
from tests.support.programs import needs
from tests.support.server import ServerProcess
from tests.support.wire import Answer, Wire, bearer

CROWD = 200
ROUNDS = 25  # of each kind: fifty
SOAK_ROUNDS = 1000
ENVIRON = {**CHEAP_HASHES, "KEYTURN_LOG_LEVEL": "warning"}


@dataclass
class Pair:
    """Two processes over one database.

    Attributes:
        one, other: a connection to each.
        crowd: many connections, to both.
    """

    one: Wire
    other: Wire
    crowd: list[Wire]
    users: Iterator[int] = field(default_factory=count)

    def register(self) -> dict[str, Any]:
        body = {"email": f"user{next(self.users)}@example.com", "password": PASSWORD, "delivery": "body"}
        answer = self.one.call("POST", "/register", body)
        assert answer.status == 201
        return dict(answer.json)


def servers(stack: ExitStack, data: Path, **environ: str) -> Pair:
    """Two servers."""
    urls = stack.enter_context(two_servers(data, {**ENVIRON, "KEYTURN_ISSUER": "http://localhost:8000", **environ}))
    wires = [stack.enter_context(Wire(address_of(url), timeout=60)) for url in urls * (CROWD // 2)]
    return Pair(wires[0], wires[1], wires)


def workers(stack: ExitStack, data: Path, **environ: str) -> Pair:
    """One server of two processes."""
    server = stack.enter_context(ServerProcess(data, {**ENVIRON, "KEYTURN_WORKERS": "2", **environ}))
    wires = [stack.enter_context(Wire(server.address, timeout=60)) for _ in range(CROWD)]
    return Pair(*to_each_worker(stack, server, 2), wires)


processes = pytest.mark.parametrize("processes", [servers, workers])


def at_once(wires: Sequence[Wire], requests: Sequence[bytes]) -> list[Answer]:
    """Send every request before any answer is read."""
    for wire, request in zip(wires, requests, strict=True):
        wire.begin(request)
    return [wire.answer(method="POST") for wire in wires]


def refresh(wire: Wire, token: str) -> bytes:
    return wire.request("POST", "/refresh-token", {"refresh_token": token})


def rotate_at_once(pair: Pair, rounds: int) -> None:
    """R3: in each round all present one token, and all get the one successor."""
    answering = set()
    for _ in range(rounds):
        token = pair.register()["refresh_token"]
        answers = at_once(pair.crowd, [refresh(wire, token) for wire in pair.crowd])
        assert {answer.status for answer in answers} == {200}
        successors = {answer.json["refresh_token"] for answer in answers}
        assert len(successors) == 1
        assert token not in successors
        answering |= {answer.values("x-request-id")[0][:12] for answer in answers}
    assert len(answering) == 2


def assert_each_rotated_once(rows: dict[str, Row], rounds: int) -> None:
    assert len(rows) == rounds
    assert {(row.generation, row.end_reason) for row in rows.values()} == {(1, None)}


@processes
def test_a_token_that_two_hundred_present_to_two_processes_rotates_once(tmp_path: Path, processes: Any) -> None:
    """Row 29."""
    with ExitStack() as stack:
        rotate_at_once(processes(stack, tmp_path / "data"), ROUNDS)
    assert_each_rotated_once(rows_of(tmp_path / "data" / "keyturn.db"), ROUNDS)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@processes
def test_a_thousand_tokens_each_rotate_once(tmp_path: Path, processes: Any) -> None:
    with ExitStack() as stack:
        rotate_at_once(processes(stack, tmp_path / "data"), SOAK_ROUNDS)
    assert_each_rotated_once(rows_of(tmp_path / "data" / "keyturn.db"), SOAK_ROUNDS)


@needs("postgres")
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("rounds", [10, pytest.param(SOAK_ROUNDS, marks=pytest.mark.soak)])
def test_a_token_of_a_postgresql_database_rotates_once(tmp_path: Path, postgres: Cluster, rounds: int) -> None:
    url = postgres.database()
    with ExitStack() as stack:
        rotate_at_once(servers(stack, tmp_path / "data", KEYTURN_DATABASE_URL=url), rounds)
    assert_each_rotated_once(postgres.rows(url), rounds)


@processes
def test_nothing_lives_after_a_sign_out_at_another_process(tmp_path: Path, processes: Any) -> None:
    """Row 39: whichever of the two comes first, the session is over when the sign-out has returned."""
    with ExitStack() as stack:
        pair = processes(stack, tmp_path / "data")
        access = []
        for round_ in range(ROUNDS):
            opened = pair.register()
            token = opened["refresh_token"]
            logout = pair.other.request("POST", "/logout", {"refresh_token": token})
            wires, requests = [pair.one, pair.other], [refresh(pair.one, token), logout]
            answers = at_once(*(each[:: (-1) ** round_] for each in (wires, requests)))[:: (-1) ** round_]
            assert answers[1].status == 204
            assert answers[0].status in {200, 403}
            given = [opened, *(answer.json for answer in answers[:1] if answer.status == 200)]
            for wire in wires:
                for tokens in given:
                    assert wire.call("POST", "/refresh-token", {"refresh_token": tokens["refresh_token"]}).status == 403
                    assert wire.call("GET", "/me", headers=[bearer(tokens["access_token"])]).status == 401
            access += [tokens["access_token"] for tokens in given]
        for wire in (pair.one, pair.other):
            eventually(
                lambda wire=wire: (
                    {wire.call("GET", "/verify", headers=[bearer(each)]).status for each in access} == {401}
                ),
                "an access token of an ended session is still good",
            )
