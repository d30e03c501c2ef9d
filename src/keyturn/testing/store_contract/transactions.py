"""What holds of transactions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Event

from keyturn.core.model import Account, EndReason, Micros, Session, User
from keyturn.errors import KeyturnError
from keyturn.ports import Database, Transaction
from keyturn.testing.store_contract.support import (
    PATIENCE,
    WRITERS,
    account_of,
    at_once,
    expect,
    expect_equal,
    expect_raises,
    find,
    following,
    load,
    now_of,
    register,
    sample_session,
    sample_user,
    store,
    swap,
    user_of,
)


class _GivenUpError(Exception):
    pass


class TransactionContract:
    """What holds of transactions."""

    def test_a_transaction_returns_what_its_work_returned(self, database: Database) -> None:
        result = object()
        expect(database.transact(lambda t: result) is result, "transact returned something else")
        expect(database.read(lambda t: result) is result, "read returned something else")

    def test_a_transaction_that_raises_leaves_nothing_behind(self, database: Database) -> None:
        now = now_of(database)
        account = Account(sample_user(), "hash")
        kept = sample_session(now)._replace(user=account.user)
        register(database, account)
        store(database, kept)

        def work(transaction: Transaction) -> None:
            transaction.users.insert(Account(sample_user("u2"), None))
            transaction.users.update(sample_user(disabled=True))
            transaction.users.set_password_hash("u1", "other")
            transaction.sessions.insert(sample_session(now, "s2"))
            transaction.sessions.swap_many([following(kept, child_id="other")])
            transaction.sessions.end_of_user("u1", EndReason.REVOKED)
            transaction.facts.put("color", "red")
            raise _GivenUpError

        expect_raises(_GivenUpError, lambda: database.transact(work))
        expect_equal(database.read(lambda t: t.sessions.load_many(["s1", "s2"])), {"s1": kept})
        expect_equal(account_of(database), account)
        expect_equal(user_of(database, "u2"), None)
        expect_equal(database.transact(lambda t: t.facts.lock("color")), None)

    def test_a_fact_is_what_was_put_last(self, database: Database) -> None:
        database.transact(lambda t: t.facts.put("color", "red"))
        database.transact(lambda t: t.facts.put("color", "green"))
        expect_equal(database.transact(lambda t: (t.facts.lock("color"), t.facts.lock("size"))), ("green", None))

    def test_of_many_who_find_no_fact_and_put_one_only_the_first_found_none(self, database: Database) -> None:
        def work(transaction: Transaction) -> str | None:
            found = transaction.facts.lock("color")
            transaction.facts.put("color", "red")
            return found

        found = at_once([lambda: database.transact(work)] * WRITERS)
        expect_equal(sorted(map(str, found)), ["None", *["red"] * (WRITERS - 1)])

    def test_a_transaction_sees_what_it_wrote(self, database: Database) -> None:
        def work(transaction: Transaction) -> dict[str, Session]:
            session = sample_session(transaction.now)
            transaction.sessions.insert(session)
            transaction.sessions.swap_many([following(session, child_id="written")])
            return transaction.sessions.load_many(["s1"])

        expect_equal(database.transact(work)["s1"].child_id, "written")

    def test_what_a_read_tries_to_write_is_not_written(self, database: Database) -> None:
        register(database, Account(sample_user(), None))
        with suppress(KeyturnError):  # it may refuse, or just forget
            database.read(lambda t: t.users.delete("u1"))
        expect_equal(user_of(database), sample_user())

    def test_a_read_waits_for_no_writer_and_sees_nothing_of_its_work(self, database: Database) -> None:
        def work(transaction: Transaction) -> User | None:
            transaction.users.insert(Account(sample_user(), None))
            return reader.submit(user_of, database).result(PATIENCE)

        with ThreadPoolExecutor(1) as reader:
            expect_equal(database.transact(work), None)
        expect_equal(user_of(database), sample_user())

    def test_a_read_sees_one_state_throughout(self, database: Database) -> None:
        register(database, Account(sample_user(), None))

        def work(transaction: Transaction) -> tuple[dict[str, User], dict[str, User]]:
            before = transaction.users.load_many(["u1"])
            writer.submit(database.transact, lambda t: t.users.delete("u1")).result(PATIENCE)
            return before, transaction.users.load_many(["u1"])

        with ThreadPoolExecutor(1) as writer:
            expect_equal(database.read(work), ({"u1": sample_user()}, {"u1": sample_user()}))
        expect_equal(user_of(database), None)

    def test_no_update_is_lost_between_two_who_lock_the_user(self, database: Database) -> None:
        register(database, Account(sample_user(full_name="0"), None))

        def count(transaction: Transaction) -> None:
            account = transaction.users.lock("u1")
            if account is not None:
                user = account.user
                transaction.users.update(replace(user, full_name=str(int(user.full_name or "0") + 1)))

        at_once([lambda: database.transact(count)] * WRITERS)
        expect_equal(user_of(database), sample_user(full_name=str(WRITERS)))

    def test_no_sign_in_under_way_outlives_a_password_change(self, database: Database) -> None:
        register(database, Account(sample_user(), "old"))
        signing_in, changing = Event(), Event()

        def sign_in(transaction: Transaction) -> str | None:
            account = transaction.users.lock("u1")
            signing_in.set()
            # The other is let in here if the lock does not hold; if it does, this only gives it time to try.
            changing.wait(0.2)
            if account is not None and account.password_hash == "old":
                transaction.sessions.insert(sample_session(transaction.now))
            return account.password_hash if account is not None else None

        def change_password(transaction: Transaction) -> None:
            transaction.users.lock("u1")
            changing.set()
            transaction.sessions.end_of_user("u1", EndReason.PASSWORD_CHANGED)
            transaction.users.set_password_hash("u1", "new")

        with ThreadPoolExecutor(1) as thread:
            seen = thread.submit(database.transact, sign_in)
            expect(signing_in.wait(PATIENCE), "the sign-in never began")
            database.transact(change_password)
            expect_equal(seen.result(PATIENCE), "old")
        expect_equal(load(database).end_reason, EndReason.PASSWORD_CHANGED)

    def test_the_time_of_a_transaction_is_read_once_its_turn_has_come(self, database: Database) -> None:
        begun, turn_of_second = Event(), Event()
        register(database, Account(sample_user(), None))

        def first(transaction: Transaction) -> Micros:
            transaction.users.lock("u1")
            begun.set()
            turn_of_second.wait(0.1)  # time enough for the second to read a clock, if it reads one before its turn
            return reader.submit(now_of, database).result(PATIENCE)

        def second(transaction: Transaction) -> Micros:
            turn_of_second.set()
            transaction.users.lock("u1")
            return transaction.now

        with ThreadPoolExecutor(1) as writer, ThreadPoolExecutor(1) as reader:
            before = writer.submit(database.transact, first)
            expect(begun.wait(PATIENCE), "the first transaction never began")
            after = database.transact(second)
            expect(after >= before.result(PATIENCE), "a transaction that waited has a time from before its wait")

    def test_it_answers_a_ping(self, database: Database) -> None:
        database.ping()


class DurabilityContract:
    """What holds of databases that outlive their process."""

    def reopen(self, database: Database) -> Database:
        """Close the database, and open it again from what is left. Yours to write."""
        raise NotImplementedError

    def test_what_was_acknowledged_is_there_after_reopening(self, database: Database) -> None:
        account = Account(sample_user(username="kim"), "hash")
        session = sample_session(now_of(database))
        register(database, account)
        store(database, session)
        last = following(session, child_id="last")
        swap(database, last)
        reopened = self.reopen(database)
        try:
            expect_equal(load(reopened), last._replace(user=account.user))
            expect_equal(find(reopened, "kim"), account)
        finally:
            reopened.close()
