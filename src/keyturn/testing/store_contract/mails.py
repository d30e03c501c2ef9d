"""What holds of mails and of one-time tokens."""

from __future__ import annotations

from dataclasses import replace

from keyturn.core.model import Mail, MailKind, Micros, OneTimeToken, Purpose
from keyturn.errors import NotFound
from keyturn.ports import Database, Transaction
from keyturn.testing.store_contract.support import (
    HOUR,
    WRITERS,
    at_once,
    expect_equal,
    expect_raises,
    now_of,
    sample_user,
)


def _token(database: Database, digest: str = "d1", lifetime: Micros = HOUR, **changes: object) -> OneTimeToken:
    token = OneTimeToken(digest, Purpose.RESET_PASSWORD, "u1", "u1@example.org", now_of(database) + lifetime)
    token = replace(token, **changes)  # type: ignore[arg-type]
    database.transact(lambda t: t.one_time_tokens.insert(token))
    return token


def _take(database: Database, digest: str = "d1", purpose: Purpose = Purpose.RESET_PASSWORD) -> OneTimeToken | None:
    return database.transact(lambda t: t.one_time_tokens.take(purpose, digest))


def _find(database: Database, digest: str = "d1", purpose: Purpose = Purpose.RESET_PASSWORD) -> OneTimeToken | None:
    return database.read(lambda t: t.one_time_tokens.find(purpose, digest))


def _mail(database: Database, mail_id: str = "m1", wait: Micros = 0, **changes: object) -> Mail:
    now = now_of(database)
    mail = Mail(mail_id, MailKind.NEW_DEVICE, "u1", "u1@example.org", now, now + wait, {"device": "Firefox \u2713"})
    mail = replace(mail, **changes)  # type: ignore[arg-type]
    database.transact(lambda t: t.mails.insert(mail))
    return mail


def _due(database: Database, limit: int = 9) -> list[str]:
    return [mail.id for mail in database.read(lambda t: t.mails.due(limit))]


class MailContract:
    """What holds of mails and of one-time tokens."""

    def test_a_one_time_token_is_found_as_often_as_wanted_and_taken_once(self, database: Database) -> None:
        token = _token(database)
        expect_equal([_find(database), _find(database)], [token, token])
        expect_equal([_take(database), _take(database), _find(database)], [token, None, None])

    def test_a_one_time_token_is_worth_nothing_for_another_purpose(self, database: Database) -> None:
        token = _token(database)
        others = [purpose for purpose in Purpose if purpose is not token.purpose]
        expect_equal(
            [_take(database, purpose=other) or _find(database, purpose=other) for other in others], [None, None]
        )
        expect_equal(_take(database), token)

    def test_of_many_who_take_a_one_time_token_at_once_one_gets_it(self, database: Database) -> None:
        token = _token(database)
        found = at_once([lambda: _take(database)] * WRITERS)
        expect_equal([one for one in found if one is not None], [token])

    def test_a_one_time_token_that_was_taken_in_vain_is_still_there(self, database: Database) -> None:
        token = _token(database)

        def work(transaction: Transaction) -> None:
            transaction.one_time_tokens.take(Purpose.RESET_PASSWORD, "d1")
            raise NotFound

        expect_raises(NotFound, lambda: database.transact(work))
        expect_equal(_find(database), token)

    def test_a_one_time_token_that_has_expired_is_never_found_and_is_purged(self, database: Database) -> None:
        for number in range(3):
            _token(database, f"d{number}", lifetime=0)
        token = _token(database, "d9")
        expect_equal((_find(database, "d0"), _take(database, "d0")), (None, None))
        purged = [database.transact(lambda t: t.one_time_tokens.purge(2)) for _ in range(3)]
        expect_equal((purged, _take(database, "d9")), ([2, 1, 0], token))

    def test_what_waits_for_a_user_is_found_by_the_user_and_by_the_address(self, database: Database) -> None:
        token = _token(database)
        _token(database, "d2", user_id="u2")
        about = _mail(database, "m1", recipient="old@example.org")
        to = _mail(database, "m2", user_id=None, recipient="U1@Example.org")
        _mail(database, "m3", user_id=None, recipient="u2@example.org")
        _mail(database, "m4", user_id="u2", recipient="u1@example.org")
        expect_equal(database.read(lambda t: t.one_time_tokens.of_user("u1")), [token])
        found = database.read(lambda t: t.mails.of_user(sample_user()))
        expect_equal(sorted(found, key=lambda mail: mail.id), [about, to])

    def test_the_one_time_tokens_of_a_user_are_forgotten_and_those_of_others_stay(self, database: Database) -> None:
        _token(database)
        _token(database, "d2", purpose=Purpose.VERIFY_EMAIL)
        other = _token(database, "d3", user_id="u2")
        database.transact(lambda t: t.one_time_tokens.forget("u1"))
        expect_equal((_find(database), _find(database, "d2", Purpose.VERIFY_EMAIL)), (None, None))
        expect_equal(_find(database, "d3"), other)

    def test_a_mail_waits_as_it_was_stored_until_its_time_comes(self, database: Database) -> None:
        early, _, unowned = (
            _mail(database, "m1", wait=-2),
            _mail(database, "m2", wait=HOUR),
            _mail(database, "m3", wait=-1, user_id=None),
        )
        expect_equal(database.read(lambda t: t.mails.due(9)), [early, unowned])
        expect_equal(_due(database, 1), ["m1"])

    def test_of_many_who_claim_a_mail_at_once_one_succeeds(self, database: Database) -> None:
        mail = _mail(database)
        claimed = replace(mail, attempts=1, next_at=mail.next_at + HOUR)
        found = at_once([lambda: database.transact(lambda t: t.mails.swap(claimed))] * WRITERS)
        expect_equal((found.count(True), found.count(False)), (1, WRITERS - 1))
        expect_equal(_due(database), [])

    def test_a_mail_is_put_off_only_by_whoever_claimed_it_last(self, database: Database) -> None:
        mail = _mail(database)
        mine = replace(mail, attempts=1, next_at=mail.next_at - 5, last_error="it hangs")
        database.transact(lambda t: t.mails.swap(replace(mail, attempts=1, next_at=mail.next_at + HOUR)))
        database.transact(lambda t: t.mails.put_off(mine))
        expect_equal(database.read(lambda t: t.mails.due(9)), [mine])
        database.transact(lambda t: t.mails.swap(replace(mine, attempts=2, next_at=mail.next_at + HOUR)))
        database.transact(lambda t: t.mails.put_off(mine))
        expect_equal(_due(database), [])

    def test_a_mail_is_deleted_alone_and_those_about_a_user_together(self, database: Database) -> None:
        for mail_id, user_id in (("m1", "u1"), ("m2", "u1"), ("m3", "u1"), ("m4", "u2")):
            _mail(database, mail_id, user_id=user_id)
        database.transact(lambda t: t.mails.delete("m2"))
        expect_equal(sorted(_due(database)), ["m1", "m3", "m4"])
        database.transact(lambda t: t.mails.forget("u1"))
        expect_equal(_due(database), ["m4"])

    def test_a_mail_of_a_transaction_that_fails_is_never_sent(self, database: Database) -> None:
        now = now_of(database)

        def work(transaction: Transaction) -> None:
            transaction.mails.insert(Mail("m1", MailKind.RESET, None, "u1@example.org", now, now))
            raise NotFound

        expect_raises(NotFound, lambda: database.transact(work))
        expect_equal(_due(database), [])
