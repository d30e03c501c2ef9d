"""What holds of the counters."""

from __future__ import annotations

from keyturn.core.model import SECOND, Micros
from keyturn.errors import NotFound
from keyturn.ports import Database, Transaction
from keyturn.testing.store_contract.support import WRITERS, at_once, expect, expect_equal, expect_raises

_LONG = 3600


def _add(database: Database, key: str = "a/b", amount: int = 1, lifetime: int = _LONG) -> int:
    return database.transact(lambda t: t.counters.add(key, amount, lifetime))


def _count(database: Database, key: str = "a/b") -> int:
    return database.read(lambda t: t.counters.get(key))[0]


class CounterContract:
    """What holds of the counters."""

    def test_a_counter_counts_from_zero_up_and_down(self, database: Database) -> None:
        expect_equal(_count(database), 0)
        expect_equal([_add(database), _add(database, amount=3), _add(database, amount=-1)], [1, 4, 3])
        expect_equal((_count(database), _count(database, "a/c")), (3, 0))

    def test_a_counter_expires_when_its_first_count_does(self, database: Database) -> None:
        def work(transaction: Transaction) -> tuple[Micros, Micros]:
            transaction.counters.add("a/b", 1, _LONG)
            transaction.counters.add("a/b", 1, 2 * _LONG)
            return transaction.now, transaction.counters.get("a/b")[1]

        now, expires_at = database.transact(work)
        expect_equal(expires_at, now + _LONG * SECOND)

    def test_a_counter_that_has_expired_is_none_and_begins_anew(self, database: Database) -> None:
        _add(database, amount=7, lifetime=0)
        expect_equal(_count(database), 0)
        expect_equal((_add(database), _count(database)), (1, 1))

    def test_of_many_that_count_at_once_every_one_is_counted(self, database: Database) -> None:
        found = at_once([lambda: _add(database)] * WRITERS)
        expect_equal(sorted(n for n in found if isinstance(n, int)), list(range(1, WRITERS + 1)))

    def test_what_a_transaction_counts_that_fails_is_not_counted(self, database: Database) -> None:
        def work(transaction: Transaction) -> None:
            transaction.counters.add("a/b", 1, _LONG)
            raise NotFound

        expect_raises(NotFound, lambda: database.transact(work))
        expect_equal(_count(database), 0)

    def test_counters_are_forgotten_alone_and_by_their_beginning(self, database: Database) -> None:
        for key in ("a/b", "a/bc", "a/c", "ab/c"):
            _add(database, key)
        database.transact(lambda t: t.counters.clear("a/b"))
        expect_equal([_count(database, key) for key in ("a/b", "a/bc", "a/c", "ab/c")], [0, 1, 1, 1])
        database.transact(lambda t: t.counters.clear_all("a/"))
        expect_equal([_count(database, key) for key in ("a/bc", "a/c", "ab/c")], [0, 0, 1])

    def test_counters_are_listed_by_the_beginning_of_their_keys_while_they_count(self, database: Database) -> None:
        for key in ("a/b", "a/c", "a/c", "ab/c"):
            _add(database, key)
        _add(database, "a/gone", lifetime=0)
        listed = database.read(lambda t: t.counters.listed("a/"))
        expect_equal([(key, count) for key, count, _ in listed], [("a/b", 1), ("a/c", 2)])
        now = database.read(lambda t: t.now)
        expect(all(now < forgotten_at for _, _, forgotten_at in listed), "a counter that is listed is gone already")

    def test_the_purge_takes_what_has_expired_and_then_what_would_expire_first(self, database: Database) -> None:
        for number in range(3):
            _add(database, f"gone/{number}", lifetime=0)
            _add(database, f"here/{number}", lifetime=_LONG + number)

        def purge(limit: int, keep: int) -> int:
            return database.transact(lambda t: t.counters.purge(limit, keep=keep))

        expect_equal([purge(2, 3), purge(2, 3), purge(2, 3)], [2, 1, 0])
        expect_equal((purge(9, 2), purge(9, 2)), (1, 0))
        expect(_count(database, "here/0") == 0, "what would expire first is gone")
        expect_equal([_count(database, f"here/{number}") for number in (1, 2)], [1, 1])
