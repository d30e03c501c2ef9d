"""What holds of the users."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from keyturn.core.model import Account, Micros
from keyturn.errors import EmailTaken, UsernameTaken
from keyturn.ports import Database, Transaction
from keyturn.testing.store_contract.support import (
    WRITERS,
    account_of,
    at_once,
    expect_equal,
    expect_raises,
    find,
    register,
    sample_user,
    update,
    user_of,
)


def _stale_since(transaction: Transaction, since: Micros) -> list[tuple[str, Micros]]:
    return transaction.users.stale_since(since)


class UserContract:
    """What holds of the users."""

    def test_an_account_comes_back_as_it_was_stored(self, database: Database) -> None:
        user = sample_user(
            email="Ada@example.org",
            email_verified=True,
            username="Ada.L",
            full_name="Ada Lovelace, née Byron 🖋",
            roles=("admin", "Ünïcode"),
            disabled=True,
        )
        account = Account(user, "$argon2id$…")
        bare = Account(sample_user("u2"), None)
        register(database, bare)
        expect_equal(database.transact(lambda t: t.users.insert(account)), user)
        expect_equal(user_of(database), user)
        expect_equal(account_of(database), account)
        expect_equal(account_of(database, "u2"), bare)

    def test_an_unknown_user_is_none(self, database: Database) -> None:
        expect_equal(
            database.read(lambda t: (t.users.load_many(["u1"]), t.users.find("u1@example.org"), t.users.find("u1"))),
            ({}, None, None),
        )
        expect_equal(account_of(database), None)

    def test_a_login_is_found_however_it_is_typed(self, database: Database) -> None:
        account = Account(sample_user(email="Kelvin@example.org", username="Straße"), "hash")
        register(database, account)
        for login in (
            "kelvin@EXAMPLE.org",
            " \u212aelvin@example.org. ",
            "\uff4belvin\uff20example.org",
            "STRASSE",
            "straße",
        ):
            expect_equal(find(database, login), account)

    def test_a_username_is_no_email_address_and_the_other_way_round(self, database: Database) -> None:
        register(database, Account(sample_user(email="ada@example.org", username="grace"), None))
        expect_equal(database.read(lambda t: (t.users.find("ada"), t.users.find("grace@example.org"))), (None, None))

    def test_a_login_that_no_database_could_store_is_not_found(self, database: Database) -> None:
        for login in ("", "\0", "\ud800", "a\0@example.org", "\udfff@example.org", "x" * 100_000, "' OR ''='"):
            expect_equal(find(database, login), None)

    def test_names_are_unique_in_their_canonical_forms(self, database: Database) -> None:
        register(database, Account(sample_user("u1", email="kim@example.org", username="kim"), None))
        same_email = Account(sample_user("u2", email="\u212aIM@Example.org"), None)
        same_username = Account(sample_user("u2", username="\uff2bim"), None)
        expect_raises(EmailTaken, lambda: register(database, same_email))
        expect_raises(UsernameTaken, lambda: register(database, same_username))
        expect_equal(user_of(database, "u2"), None)

    def test_many_users_can_be_without_a_username(self, database: Database) -> None:
        register(database, Account(sample_user("u1"), None), Account(sample_user("u2"), None))
        expect_equal(user_of(database, "u2"), sample_user("u2"))

    def test_of_concurrent_registrations_of_one_name_exactly_one_succeeds(self, database: Database) -> None:
        accounts = [Account(sample_user(f"u{n}", email="kim@example.org"), None) for n in range(WRITERS)]
        outcomes = at_once([partial(register, database, account) for account in accounts])
        expect_equal(
            sorted(type(outcome).__name__ for outcome in outcomes), ["EmailTaken"] * (WRITERS - 1) + ["NoneType"]
        )

    def test_users_are_listed_in_the_order_in_which_they_were_made(self, database: Database) -> None:
        users = [sample_user(f"u{n}", created_at=made) for n, made in enumerate((30, 10, 20, 10, 40))]
        register(database, *(Account(user, None) for user in users))
        ordered = [users[1], users[3], users[2], users[0], users[4]]
        expect_equal(database.read(lambda t: t.users.page(9)), ordered)
        expect_equal(database.read(lambda t: t.users.page(2)), ordered[:2])
        expect_equal(database.read(lambda t: t.users.page(2, ordered[0])), ordered[1:3])
        expect_equal(database.read(lambda t: t.users.page(9, ordered[4])), [])

    def test_many_users_are_loaded_by_id_and_unknown_ids_are_left_out(self, database: Database) -> None:
        users = [sample_user("u1"), sample_user("u2"), sample_user("u3")]
        register(database, *(Account(user, None) for user in users))
        expect_equal(database.read(lambda t: t.users.load_many(["u3", "u9", "u1"])), {"u1": users[0], "u3": users[2]})
        expect_equal(database.read(lambda t: t.users.load_many([])), {})

    def test_the_feed_names_the_users_whose_tokens_are_stale_since_a_moment(self, database: Database) -> None:
        early, late = sample_user("u1", tokens_valid_from=10), sample_user("u2", tokens_valid_from=20)
        register(database, Account(early, None), Account(late, None), Account(sample_user("u3"), None))
        for since, expected in {0: ["u1", "u2"], 10: ["u1", "u2"], 11: ["u2"], 21: []}.items():
            feed = database.read(partial(_stale_since, since=since))
            expect_equal([user_id for user_id, _ in feed], expected)
        expect_equal(database.read(partial(_stale_since, since=11)), [("u2", 20)])

    def test_an_update_writes_the_fields_and_their_canonical_forms(self, database: Database) -> None:
        register(database, Account(sample_user(username="old"), "hash"))
        changed = sample_user(
            email="new@example.org",
            email_verified=True,
            username="New",
            full_name="N",
            roles=("a",),
            disabled=True,
            tokens_valid_from=7,
        )
        update(database, changed)
        expect_equal(find(database, "NEW@example.org"), Account(changed, "hash"))
        expect_equal(find(database, "NEW"), Account(changed, "hash"))
        expect_equal(database.read(lambda t: (t.users.find("old"), t.users.find("u1@example.org"))), (None, None))

    def test_an_update_to_the_name_of_another_is_refused(self, database: Database) -> None:
        taken = sample_user("u1", username="kim")
        mine = sample_user("u2", username="lee")
        register(database, Account(taken, None), Account(mine, None))
        expect_raises(EmailTaken, lambda: update(database, replace(mine, email=taken.email.upper())))
        expect_raises(UsernameTaken, lambda: update(database, replace(mine, username="KIM")))
        expect_equal(user_of(database, "u2"), mine)
        respelt = replace(mine, username="LEE")
        update(database, respelt)
        expect_equal(user_of(database, "u2"), respelt)

    def test_what_is_written_to_a_user_who_is_gone_is_written_nowhere(self, database: Database) -> None:
        def work(transaction: Transaction) -> None:
            transaction.users.update(sample_user())
            transaction.users.set_password_hash("u1", "hash")
            transaction.users.delete("u1")

        database.transact(work)
        expect_equal(user_of(database), None)

    def test_a_password_hash_is_replaced(self, database: Database) -> None:
        register(database, Account(sample_user(), None))
        database.transact(lambda t: t.users.set_password_hash("u1", "new"))
        expect_equal(account_of(database), Account(sample_user(), "new"))

    def test_the_name_of_a_deleted_user_is_free_again(self, database: Database) -> None:
        register(database, Account(sample_user(username="kim"), "hash"))
        database.transact(lambda t: t.users.delete("u1"))
        expect_equal(database.read(lambda t: (t.users.load_many(["u1"]), t.users.find("kim"))), ({}, None))
        heir = sample_user("u2", email="u1@example.org", username="kim")
        register(database, Account(heir, None))
        expect_equal(find(database, "kim"), Account(heir, None))
