"""Hashes of passwords: with a pepper and without, of ours and of others."""

from __future__ import annotations

import logging
import threading

import bcrypt
import pytest
from tests.support.settings import OTHER_PEPPER, PEPPER

from keyturn.errors import Overloaded, SettingsError
from keyturn.hashing import Argon2Hasher, Pepper
from keyturn.testing.fakes import SeededEntropy

PASSWORD = "pass wörd 🔑"
BCRYPT = "$2b$04$NKkkR.fYoMEyVYArqln5WeXEz7ViRiJxaw4AHeT//PWGmnyRfJ6g."  # of PASSWORD, by passlib 1.7.4

NEW, OLD = Pepper.of(PEPPER), Pepper.of(OTHER_PEPPER)


def hasher(pepper: Pepper | None = None, previous: Pepper | None = None, *, memory_kib: int = 8) -> Argon2Hasher:
    entropy = SeededEntropy("salts")
    return Argon2Hasher(entropy, memory_kib=memory_kib, time_cost=1, pepper=pepper, previous_pepper=previous)


@pytest.mark.parametrize("pepper", [None, NEW], ids=["plain", "peppered"])
def test_a_password_belongs_to_its_hash_and_no_other_does(pepper: Pepper | None) -> None:
    ours = hasher(pepper)
    stored = ours.hash(PASSWORD)
    assert ours.verify(stored, PASSWORD)
    assert ours.verify(stored, "pass wo\u0308rd 🔑")
    assert not ours.is_outdated(stored)
    for wrong in ("", "pass word 🔑", PASSWORD + " ", PASSWORD.upper()):
        assert not ours.verify(stored, wrong)
    assert ours.hash(PASSWORD) != stored


def test_a_long_password_counts_to_its_last_character() -> None:
    for ours in (hasher(), hasher(NEW)):
        stored = ours.hash("x" * 511 + "a")
        assert ours.verify(stored, "x" * 511 + "a")
        assert not ours.verify(stored, "x" * 511 + "b")


def test_nobody_has_a_password() -> None:
    for ours in (hasher(), hasher(NEW)):
        assert not ours.verify(None, PASSWORD)
        assert not ours.verify(None, "")


def test_an_empty_password_opens_nothing_whatever_another_system_let_through() -> None:
    of_nothing = "$2b$04$LciGtPNt4Hh/O3TwtoSPIurnSw0l0hq8GWGxKXjfVn/YdmZiCUMgO"
    assert bcrypt.checkpw(b"", of_nothing.encode())
    for typed in ("", "\0", "\0" * 8):
        assert not hasher().verify(of_nothing, typed)
    ours = hasher()
    assert not ours.verify(ours.hash(""), "")


def test_what_can_be_verified_is_told_beforehand() -> None:
    peppered = hasher(NEW).hash(PASSWORD)
    assert hasher(NEW).can_verify(peppered)
    assert hasher(OLD, NEW).can_verify(peppered)
    assert not hasher().can_verify(peppered)
    assert hasher().can_verify(BCRYPT)
    assert not hasher().can_verify(PASSWORD)


def test_a_hash_says_which_pepper_it_was_made_with_and_nothing_of_it() -> None:
    stored = hasher(NEW).hash(PASSWORD)
    assert stored.startswith(f"pepper:{NEW.id}$argon2id$v=19$")
    assert len(stored) < 128  # what the password column of a Django application holds
    assert hasher().hash(PASSWORD).startswith("$argon2id$v=19$")
    assert PEPPER not in f"{stored} {NEW!r} {NEW} {vars(hasher(NEW))!r}"
    assert NEW.id != OLD.id


def test_a_pepper_is_needed_to_verify_what_was_made_with_it() -> None:
    peppered = hasher(NEW).hash(PASSWORD)
    phc = peppered.removeprefix(f"pepper:{NEW.id}")
    for other in (hasher(), hasher(OLD)):
        assert not other.verify(peppered, PASSWORD)
        assert not other.verify(phc, PASSWORD)
    assert not hasher(OLD).verify(f"pepper:{OLD.id}{phc}", PASSWORD)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(hasher(), hasher(NEW), id="introduced"),
        pytest.param(hasher(OLD), hasher(NEW, OLD), id="changed"),
        pytest.param(hasher(OLD), hasher(None, OLD), id="taken away"),
        pytest.param(hasher(OLD, memory_kib=16), hasher(NEW, OLD), id="changed, and cheaper"),
        pytest.param(hasher(memory_kib=16), hasher(), id="cheaper"),
        pytest.param(hasher(), hasher(memory_kib=16), id="dearer"),
    ],
)
def test_hashes_from_before_a_change_verify_and_are_outdated(before: Argon2Hasher, after: Argon2Hasher) -> None:
    stored = before.hash(PASSWORD)
    assert after.verify(stored, PASSWORD)
    assert not after.verify(stored, "another password")
    assert after.is_outdated(stored)
    assert not after.is_outdated(after.hash(PASSWORD))


def test_a_missing_pepper_is_reported_once_by_its_id(caplog: pytest.LogCaptureFixture) -> None:
    made = [hasher(pepper).hash(PASSWORD) for pepper in (NEW, NEW, OLD)]
    without = hasher()
    with caplog.at_level(logging.INFO, "keyturn"):
        assert not any(without.verify(stored, PASSWORD) for stored in made * 2)
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("ERROR", "password_pepper_missing")
    ] * 2
    assert [record.__dict__["facts"] for record in caplog.records] == [{"pepper": NEW.id}, {"pepper": OLD.id}]


def test_a_pepper_that_can_be_guessed_is_refused_without_being_quoted() -> None:
    for weak in ("short", "x" * 40, "change-me-change-me-change-me-change-me"):
        with pytest.raises(SettingsError, match="KEYTURN_PASSWORD_PEPPER ") as refused:
            Pepper.of(weak, "KEYTURN_PASSWORD_PEPPER")
        assert weak not in str(refused.value)


def test_a_hash_of_another_system_verifies_and_is_outdated() -> None:
    for ours in (hasher(), hasher(NEW)):
        assert ours.verify(BCRYPT, PASSWORD)
        assert not ours.verify(BCRYPT, "another password")
        assert ours.is_outdated(BCRYPT)


def test_a_hash_of_another_system_cannot_be_passed_off_as_peppered() -> None:
    assert not hasher(NEW).verify(f"pepper:{NEW.id}{BCRYPT}", PASSWORD)
    assert hasher(NEW).is_outdated(f"pepper:{NEW.id}{BCRYPT}")


@pytest.mark.parametrize(
    "useless",
    [None, "", "!", "unknown", "$argon2id$", "pepper:", f"pepper:{OLD.id}$argon2id$x", BCRYPT.replace("$04$", "$31$")],
)
@pytest.mark.parametrize("pepper", [None, NEW], ids=["plain", "peppered"])
def test_a_hash_of_no_use_costs_the_work_of_one_of_ours(useless: str | None, pepper: Pepper | None) -> None:
    counted = _Counted(pepper)
    assert not counted.verify(useless, PASSWORD)
    assert counted.verified == [counted.nobody]
    stored = counted.hash(PASSWORD)
    counted.verified.clear()
    assert counted.verify(stored, PASSWORD)
    assert not counted.verify(stored, "pass wo\u0308rd")
    assert len(counted.verified) == 2


class _Counted(Argon2Hasher):
    """Notes every hash that a password is compared with by argon2."""

    def __init__(self, pepper: Pepper | None) -> None:
        super().__init__(SeededEntropy("salts"), memory_kib=8, time_cost=1, pepper=pepper)
        self.nobody = self._nobody
        self.verified: list[str] = []

    def _matches(self, stored: str, password: str) -> bool | None:
        matches = super()._matches(stored, password)
        if matches is not None:
            self.verified.append(stored)
        return matches


def test_foreign_hashes_wait_for_their_turn_like_any_other() -> None:
    ours = Argon2Hasher(SeededEntropy("salts"), memory_kib=8, time_cost=1, concurrency=1, max_wait=0.01)
    slow = BCRYPT.replace("$04$", "$13$")
    working = threading.Thread(target=ours.verify, args=(slow, PASSWORD))
    working.start()
    refused = 0
    while working.is_alive():
        try:
            ours.verify(BCRYPT, PASSWORD)
        except Overloaded:
            refused += 1
    assert refused
