"""Everything at once: one token two hundred times, and a refresh against whatever ends its session."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import PASSWORD
from tests.support.server import LiveServer
from tests.support.wire import Answer, Wire, bearer
from tests.support.witness import Witness

ROUNDS = 200
CROWD = 200


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that is ready for the crowd."""
    with LiveServer(Path(tmp_path_factory.mktemp("crowded")) / "data") as live:
        yield live


@pytest.fixture
def wires(crowded: LiveServer) -> Iterator[tuple[Wire, Wire]]:
    """Two connections, for two who do not wait for each other."""
    with Wire(crowded.address) as first, Wire(crowded.address) as second:
        yield first, second


def at_once(*acts: Callable[[], Answer]) -> list[Answer]:
    """Do all of it at the same time, each in a thread of its own."""
    start = threading.Barrier(len(acts))
    answers: list[Answer | None] = [None] * len(acts)

    def run(index: int, act: Callable[[], Answer]) -> None:
        start.wait(30)
        answers[index] = act()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    arrived = [answer for answer in answers if answer is not None]
    assert len(arrived) == len(acts)
    return arrived


def sign_in(wire: Wire, call: str, email: str) -> dict[str, Any]:
    names = {"email": email} if call == "/register" else {"login": email}
    answer = wire.call("POST", call, {**names, "password": PASSWORD, "delivery": "body"})
    assert answer.status in {200, 201}, answer
    return dict(answer.json)


def refreshed(wire: Wire, token: str) -> Answer:
    return wire.call("POST", "/refresh-token", {"refresh_token": token})


def tokens_of(answers: Sequence[Answer]) -> tuple[set[str], set[str]]:
    """The access tokens and the refresh tokens that were given out."""
    given = [answer.json for answer in answers if answer.status in {200, 201}]
    access, refresh = {each["access_token"] for each in given}, {each["refresh_token"] for each in given}
    return access, refresh


def alive(wire: Wire, answers: Sequence[Answer], *more: dict[str, Any]) -> list[str]:
    """The doors that any of the tokens given out still opens."""
    access, refresh = tokens_of(answers)
    access |= {each["access_token"] for each in more}
    refresh |= {each["refresh_token"] for each in more}
    opened = [
        path
        for token in access
        for path in ("/me", "/verify")
        if wire.call("GET", path, headers=[bearer(token)]).status != 401
    ]
    return opened + ["refresh" for token in refresh if refreshed(wire, token).status != 403]


@pytest.mark.parametrize("age", ["the first token", "the root", "the child"])
def test_a_token_that_two_hundred_present_at_once_has_one_successor(
    crowded: LiveServer, witness: Witness, age: str
) -> None:
    """Row 29; R3. Nobody is refused, nothing rotates twice, and the session lives on."""
    with Wire(crowded.address) as wire:
        token = sign_in(wire, "/register", f"crowd-{age.replace(' ', '-')}@example.com")["refresh_token"]
        if age != "the first token":
            first, token = token, refreshed(wire, token).json["refresh_token"]
            crowded.clock.advance(31)
            token = first if age == "the root" else token
        witness.begin()
        connections = [Wire(crowded.address) for _ in range(CROWD)]
        for connection in connections:
            connection.connect()
        answers = at_once(*(lambda wire=connection: refreshed(wire, token) for connection in connections))
        for connection in connections:
            connection.close()
        assert {answer.status for answer in answers} == {200}
        # Whoever came first made the token the root; whoever came later was told the same.
        successors = tokens_of(answers)[1]
        assert len(successors) == 1
        renewals = witness.events("session_renewed")
        assert len(renewals) == CROWD
        assert len([facts for facts in renewals if facts["verdict"] != "converged"]) == 1
        assert refreshed(wire, successors.pop()).status == 200


def test_no_token_lives_after_a_sign_out_has_returned(wires: tuple[Wire, Wire], crowded: LiveServer) -> None:
    """Row 39: two hundred rounds of a refresh and a sign-out at once, from every age a session can have."""
    one, other = wires
    for round_ in range(ROUNDS):
        opened = sign_in(one, "/register" if round_ == 0 else "/login", "logout@example.com")
        refresh_token = opened["refresh_token"]
        if round_ % 2:
            refresh_token = refreshed(one, refresh_token).json["refresh_token"]
            crowded.clock.advance(31)
        signing_out = {"refresh_token": refresh_token}
        named = [] if round_ % 3 else [bearer(opened["access_token"])]
        answers = at_once(
            lambda token=refresh_token: refreshed(one, token),
            lambda body=signing_out, headers=named: other.call("POST", "/logout", body, headers=headers),
        )
        assert answers[1].status == 204
        assert answers[0].status in {200, 403}
        assert alive(one, answers[:1], opened | {"refresh_token": refresh_token}) == []


def test_no_old_token_lives_after_a_password_change_has_returned(wires: tuple[Wire, Wire], crowded: LiveServer) -> None:
    """Row 40: the thief refreshes while the owner changes the password; only the owner's new session lives."""
    one, other = wires
    stolen = sign_in(one, "/register", "password@example.com")
    opened = stolen
    for round_ in range(ROUNDS):
        if round_ % 2:
            crowded.clock.advance(31)
        change = {"current_password": PASSWORD, "new_password": PASSWORD}
        answers = at_once(
            lambda token=stolen["refresh_token"]: refreshed(one, token),
            lambda token=opened["access_token"], body=change: other.call(
                "POST", "/password", body, headers=[bearer(token)]
            ),
        )
        assert answers[1].status == 200
        assert answers[0].status in {200, 403}
        assert alive(one, answers[:1], stolen, opened) == []
        # The owner's new session is the next to be stolen from.
        stolen = opened = answers[1].json
        assert one.call("GET", "/me", headers=[bearer(opened["access_token"])]).status == 200


def test_a_sign_in_under_way_does_not_outlive_a_password_change(wires: tuple[Wire, Wire]) -> None:
    """Row 40: whoever signs in with the old password at that moment is signed out by it, or was too late."""
    one, other = wires
    passwords = [PASSWORD, "another password of some length"]
    opened = sign_in(one, "/register", "sign-in@example.com")
    for round_ in range(ROUNDS // 4):
        old, new = passwords[round_ % 2], passwords[(round_ + 1) % 2]
        login = {"login": "sign-in@example.com", "password": old, "delivery": "body"}
        change = {"current_password": old, "new_password": new}
        answers = at_once(
            lambda body=login: one.call("POST", "/login", body),
            lambda token=opened["access_token"], body=change: other.call(
                "POST", "/password", body, headers=[bearer(token)]
            ),
        )
        assert answers[1].status == 200
        assert answers[0].status in {200, 401}
        assert alive(one, answers[:1]) == []
        opened = answers[1].json


def test_an_address_that_two_want_at_once_is_one_users(wires: tuple[Wire, Wire]) -> None:
    """P16: one canonical address, one account; whoever comes second is told, and keeps the old one."""
    both = [sign_in(wire, "/register", f"wants-{number}@example.com") for number, wire in enumerate(wires)]
    headers = [[bearer(one["access_token"])] for one in both]
    for round_ in range(ROUNDS // 4):
        # The same address in two spellings.
        wanted = [f"wanted{round_}@example.com", f"WANTED{round_}@example.com."]
        answers = at_once(
            *(
                lambda wire=wire, email=email, named=named: wire.call(
                    "POST", "/email", {"current_password": PASSWORD, "email": email}, headers=named
                )
                for wire, email, named in zip(wires, wanted, headers, strict=True)
            )
        )
        assert sorted(answer.status for answer in answers) == [200, 409]
        kept = [
            wire.call("GET", "/me", headers=named).json["email"] for wire, named in zip(wires, headers, strict=True)
        ]
        changed = [email.lower().startswith(f"wanted{round_}@") for email in kept]
        assert changed == [answer.status == 200 for answer in answers]


def test_a_sign_in_at_the_change_of_an_address_is_its_owners_or_none(wires: tuple[Wire, Wire]) -> None:
    """Whoever signs in with the old address at that moment gets into the same account, or is too late."""
    one, other = wires
    opened = sign_in(one, "/register", "moves-0@example.com")
    for round_ in range(ROUNDS // 4):
        login = {"login": f"moves-{round_}@example.com", "password": PASSWORD, "delivery": "body"}
        change = {"current_password": PASSWORD, "email": f"moves-{round_ + 1}@example.com"}
        answers = at_once(
            lambda body=login: one.call("POST", "/login", body),
            lambda body=change: other.call("POST", "/email", body, headers=[bearer(opened["access_token"])]),
        )
        assert answers[1].status == 200
        tokens_of(answers[:1])
        assert answers[0].status in {200, 401}
        if answers[0].status == 200:
            assert answers[0].json["user"]["id"] == opened["user"]["id"]
        assert one.call("POST", "/login", login).status == 401


def test_no_address_is_changed_after_the_password_was(wires: tuple[Wire, Wire]) -> None:
    """S10: a thief with the old password and a session changes the address no more once the owner's change has returned."""
    one, other = wires
    passwords = [PASSWORD, "another password of some length"]
    opened = sign_in(one, "/register", "owner@example.com")
    for round_ in range(ROUNDS // 4):
        old, new = passwords[round_ % 2], passwords[(round_ + 1) % 2]
        headers = [bearer(opened["access_token"])]
        theft = {"current_password": old, "email": f"thief-{round_}@example.com"}
        answers = at_once(
            lambda body=theft, named=headers: one.call("POST", "/email", body, headers=named),
            lambda body={"current_password": old, "new_password": new}, named=headers: other.call(
                "POST", "/password", body, headers=named
            ),
        )
        assert answers[1].status == 200
        opened = answers[1].json
        # Before the change or not at all: what the new session is told is how it stays.
        assert answers[0].status in {200, 401}
        email = f"thief-{round_}@example.com" if answers[0].status == 200 else opened["user"]["email"]
        assert opened["user"]["email"] == email
        assert one.call("POST", "/email", theft, headers=headers).status == 401


def test_of_two_who_end_and_two_who_refresh_none_sees_an_error(wires: tuple[Wire, Wire], crowded: LiveServer) -> None:
    """Row 39: sign-out everywhere, the end of one session and two refreshes, all at once."""
    one, other = wires
    for round_ in range(ROUNDS // 8):
        opened = sign_in(one, "/register" if round_ == 0 else "/login", "everywhere@example.com")
        token, headers = opened["refresh_token"], [bearer(opened["access_token"])]
        with Wire(crowded.address) as third, Wire(crowded.address) as fourth:
            answers = at_once(
                lambda token=token: refreshed(one, token),
                lambda token=token: refreshed(third, token),
                lambda headers=headers: other.call("POST", "/logout-all", {}, headers=headers),
                lambda headers=headers, id_=opened["session"]["id"]: fourth.call(
                    "DELETE", f"/sessions/{id_}", headers=headers
                ),
            )
        assert {answer.status for answer in answers[:2]} <= {200, 403}
        assert answers[2].status in {204, 401}
        assert answers[3].status in {204, 401, 404}
        assert alive(one, answers[:2], opened) == []
