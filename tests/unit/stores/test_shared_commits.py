"""Whoever waits for a turn to write shares the commit of whoever has it, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event, text

from keyturn.core.model import Account
from keyturn.errors import EmailTaken, StoreUnavailable
from keyturn.ports import Transaction
from keyturn.stores.sql import SqlDatabase
from keyturn.testing.store_contract import sample_session, sample_user

WAITING = 8


class Meeting:
    """So many threads that come while somebody has the turn, and are done together after it."""

    def __init__(self, database: SqlDatabase) -> None:
        self.database = database
        self.commits = 0
        event.listen(database._writer, "commit", self._count)  # type: ignore[attr-defined]

    def _count(self, _: object) -> None:
        self.commits += 1

    def hold(self, works: list[Callable[[Transaction], Any]]) -> list[Any]:
        """What each gave, or the error that it raised."""
        begun, everybody_waits = threading.Event(), threading.Event()

        def first(_: Transaction) -> None:
            begun.set()
            assert everybody_waits.wait(20)

        def answer(work: Callable[[Transaction], Any]) -> Any:
            try:
                return self.database.transact(work)
            except Exception as error:
                return error

        with ThreadPoolExecutor(1 + len(works)) as threads:
            holder = threads.submit(self.database.transact, first)
            assert begun.wait(20)
            answers = [threads.submit(answer, work) for work in works]
            while len(self.database._waiting) < len(works):  # type: ignore[attr-defined]
                pass
            everybody_waits.set()
            holder.result(20)
            return [one.result(20) for one in answers]


@pytest.fixture
def meeting(database: SqlDatabase) -> Meeting:
    return Meeting(database)


def signing_in(number: int) -> Callable[[Transaction], str]:
    """A user and a session of theirs."""

    def work(tx: Transaction) -> str:
        tx.users.insert(Account(sample_user(f"u{number}"), "hash"))
        tx.sessions.insert(sample_session(tx.now, f"s{number}", f"u{number}"))
        return f"s{number}"

    return work


def there(database: SqlDatabase) -> set[str]:
    return set(database.read(lambda tx: tx.sessions.load_many([f"s{n}" for n in range(WAITING)])))


def test_everybody_who_waits_is_done_in_one_commit(meeting: Meeting) -> None:
    answers = meeting.hold([signing_in(number) for number in range(WAITING)])
    assert sorted(answers) == sorted(there(meeting.database)) == [f"s{n}" for n in range(WAITING)]
    assert meeting.commits == 2


def test_whoever_fails_fails_alone(meeting: Meeting) -> None:
    def failing(tx: Transaction) -> None:
        signing_in(3)(tx)
        tx.users.insert(Account(sample_user("u9", email="U3@example.org"), "hash"))

    works = [failing if number == 3 else signing_in(number) for number in range(WAITING)]
    answers = meeting.hold(works)
    assert [type(answer) for answer in answers].count(EmailTaken) == 1
    assert there(meeting.database) == {f"s{n}" for n in range(WAITING) if n != 3}
    assert meeting.database.read(lambda tx: tx.users.find("u3@example.org")) is None


def test_a_commit_that_fails_has_written_nothing_for_anybody(meeting: Meeting) -> None:
    def broken(tx: Transaction) -> None:
        tx.sessions._connection.execute(text("SELECT * FROM nowhere"))  # type: ignore[attr-defined]

    answers = meeting.hold([signing_in(0), signing_in(1), broken, signing_in(2)])
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 4
    assert there(meeting.database) == set()
    assert meeting.database.transact(signing_in(0)) == "s0"


def test_two_who_want_the_same_address_get_it_once(meeting: Meeting) -> None:
    answers = meeting.hold([signing_in(0)] * 5)
    assert sorted(str(type(answer).__name__) for answer in answers) == ["EmailTaken"] * 4 + ["str"]
