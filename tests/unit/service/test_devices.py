"""The cookie of a device: bound to the accounts that signed in on it, under any key that still verifies."""

from __future__ import annotations

import pytest

from keyturn.core.keyring import KeyRing, KeyState, SigningKey
from keyturn.service.devices import MAX_ACCOUNTS, KnownDevices
from keyturn.stores.keys import new_key
from keyturn.testing.fakes import SeededEntropy

ENTROPY = SeededEntropy()


def key(state: KeyState = KeyState.ACTIVE) -> SigningKey:
    return new_key("refresh", "HS256", 0, state)


@pytest.fixture
def devices() -> KnownDevices:
    return KnownDevices(KeyRing([key()]))


def test_a_device_is_known_to_the_accounts_that_signed_in_on_it_and_to_no_other(devices: KnownDevices) -> None:
    cookie = devices.after_sign_in(None, "alice", ENTROPY)
    assert devices.find(cookie, "alice") == cookie.partition(".")[0]
    assert devices.find(cookie, "bob") is None
    shared = devices.after_sign_in(cookie, "bob", ENTROPY)
    assert devices.find(shared, "alice") == devices.find(shared, "bob") == cookie.partition(".")[0]


def test_a_device_is_known_where_nobody_knows_yet_who_comes_if_anybody_signed_in_on_it(devices: KnownDevices) -> None:
    cookie = devices.after_sign_in(None, "alice", ENTROPY)
    device, *tags = cookie.split(".")
    assert devices.find_any(cookie) == device
    for other in (None, "", device, f"{device}.{tags[0]}", f"{'0' * 24}.{tags[1]}", f"{device}.{'A' * 22}"):
        assert devices.find_any(other) is None
    # Nobody is told from it who that was.
    assert devices.find(f"{device}.{tags[1]}", "alice") is None


def test_signing_in_again_leaves_the_cookie_as_it_is(devices: KnownDevices) -> None:
    cookie = devices.after_sign_in(None, "alice", ENTROPY)
    assert devices.after_sign_in(cookie, "alice", ENTROPY) == cookie


def test_two_devices_have_two_names(devices: KnownDevices) -> None:
    one, two = (devices.after_sign_in(None, "alice", ENTROPY) for _ in range(2))
    assert one != two


def test_the_last_accounts_are_known(devices: KnownDevices) -> None:
    cookie = None
    people = [f"user{number}" for number in range(MAX_ACCOUNTS + 2)]
    for person in people:
        cookie = devices.after_sign_in(cookie, person, ENTROPY)
    assert [person for person in people if devices.find(cookie, person)] == people[-MAX_ACCOUNTS:]
    assert len(cookie or "") < 144


def test_a_device_stays_known_while_the_key_that_it_had_is_retiring() -> None:
    old = key()
    cookie = KnownDevices(KeyRing([old])).after_sign_in(None, "alice", ENTROPY)
    retiring = SigningKey(old.kid, old.algorithm, old.key, KeyState.RETIRING)
    later = KnownDevices(KeyRing([retiring, key()]))
    assert later.find(cookie, "alice")
    renewed = later.after_sign_in(cookie, "alice", ENTROPY)
    assert renewed.count(".") == 2
    assert renewed != cookie
    assert later.find(renewed, "alice") == later.find(cookie, "alice")
    assert KnownDevices(KeyRing([key()])).find(cookie, "alice") is None


@pytest.mark.parametrize("garbage", ["", ".", "0" * 24, "0" * 24 + "." + "A" * 22, "x" * 10_000, "ÿ", "0" * 24 + ".A"])
def test_what_is_no_cookie_of_ours_makes_no_device_known(devices: KnownDevices, garbage: str) -> None:
    assert devices.find(garbage, "alice") is None
    assert devices.find(devices.after_sign_in(garbage, "alice", ENTROPY), "alice")
