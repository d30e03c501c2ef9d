"""What holds of the providers' accounts that open accounts here."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from keyturn.core.model import Identity
from keyturn.errors import IdentityTaken
from keyturn.ports import Database
from keyturn.testing.store_contract.support import WRITERS, at_once, expect_equal, expect_raises

_SAMPLE = Identity("i1", "u1", "https://id.example", "248289761001", "kim@example.org", 7)


def _insert(database: Database, identity: Identity = _SAMPLE) -> None:
    database.transact(lambda t: t.identities.insert(identity))


def _find(database: Database, issuer: str = _SAMPLE.issuer, subject: str = _SAMPLE.subject) -> Identity | None:
    return database.read(lambda t: t.identities.find(issuer, subject))


class IdentityContract:
    """What holds of the providers' accounts that open accounts here."""

    def test_an_identity_is_found_by_issuer_and_subject_to_the_letter(self, database: Database) -> None:
        _insert(database)
        expect_equal(_find(database), _SAMPLE)
        expect_equal(_find(database, issuer="https://id.example/"), None)
        expect_equal(_find(database, issuer="https://ID.example"), None)
        expect_equal(_find(database, subject="248289761001 "), None)

    def test_the_same_subject_of_another_issuer_is_somebody_else(self, database: Database) -> None:
        other = replace(_SAMPLE, id="i2", user_id="u2", issuer="https://other.example", email=None)
        _insert(database)
        _insert(database, other)
        expect_equal((_find(database), _find(database, other.issuer)), (_SAMPLE, other))

    def test_an_identity_belongs_to_one_user_only(self, database: Database) -> None:
        _insert(database)
        expect_raises(IdentityTaken, lambda: _insert(database, replace(_SAMPLE, id="i2", user_id="u2")))
        expect_equal(_find(database), _SAMPLE)

    def test_of_many_that_connect_one_identity_at_once_exactly_one_succeeds(self, database: Database) -> None:
        many = [replace(_SAMPLE, id=f"i{n}", user_id=f"u{n}") for n in range(WRITERS)]
        outcomes = at_once([partial(_insert, database, identity) for identity in many])
        names = sorted(type(outcome).__name__ for outcome in outcomes)
        expect_equal(names, ["IdentityTaken"] * (WRITERS - 1) + ["NoneType"])

    def test_the_identities_of_a_user_come_the_oldest_first(self, database: Database) -> None:
        mine = [replace(_SAMPLE, id=f"i{n}", subject=str(n), created_at=made) for n, made in enumerate((9, 3, 5))]
        for identity in [*mine, replace(_SAMPLE, id="other", user_id="u2")]:
            _insert(database, identity)
        expect_equal(database.read(lambda t: t.identities.of_user("u1")), [mine[1], mine[2], mine[0]])
        expect_equal(database.read(lambda t: t.identities.of_users(["u1", "u3"])), [mine[1], mine[2], mine[0]])
        expect_equal(database.read(lambda t: t.identities.of_users([])), [])

    def test_an_identity_that_was_deleted_is_free_again(self, database: Database) -> None:
        _insert(database)
        database.transact(lambda t: t.identities.delete("i1"))
        expect_equal(_find(database), None)
        heir = replace(_SAMPLE, id="i2", user_id="u2")
        _insert(database, heir)
        expect_equal(_find(database), heir)

    def test_all_of_a_user_s_are_deleted_and_nobody_else_s(self, database: Database) -> None:
        other = replace(_SAMPLE, id="i3", user_id="u2", subject="3")
        for identity in (_SAMPLE, replace(_SAMPLE, id="i2", subject="2"), other):
            _insert(database, identity)
        database.transact(lambda t: t.identities.delete_of_user("u1"))
        expect_equal(database.read(lambda t: t.identities.of_user("u1")), [])
        expect_equal(_find(database, subject="3"), other)
