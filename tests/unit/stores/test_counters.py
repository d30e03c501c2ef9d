"""Counting in Redis that is not there, in each of the ways in which that can be."""

from __future__ import annotations

import socket
import sys
from contextlib import closing

import pytest

from keyturn.errors import SettingsError, StoreUnavailable
from keyturn.ports import Attempt
from keyturn.stores.counters import RedisCounters
from keyturn.stores.throttle import Limits, StoredThrottle, keyed
from keyturn.testing.fakes import FakeClock


def test_without_the_library_the_start_stops_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(SettingsError, match=r"keyturn\[server,redis\]"):
        RedisCounters("redis://localhost", FakeClock())


@pytest.mark.parametrize("url", ["http://localhost:6379", "redis://localhost:port", "localhost"])
def test_what_is_no_url_of_redis_stops_the_start_and_is_not_repeated(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        RedisCounters(url, FakeClock())
    assert "redis://host:6379/0" in str(refused.value)
    assert url not in str(refused.value)


def test_a_redis_that_does_not_answer_is_an_unavailable_store() -> None:
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        counters = RedisCounters(f"redis://127.0.0.1:{nobody.getsockname()[1]}", FakeClock())
        throttle = StoredThrottle(counters, keyed(b"key"), Limits())
        for act in (
            lambda: throttle.attempt(Attempt("alice")),
            lambda: throttle.registration("203.0.113.7"),
            lambda: throttle.forget(["alice"]),
        ):
            with pytest.raises(StoreUnavailable):
                act()
