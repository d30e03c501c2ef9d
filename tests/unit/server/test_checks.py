"""What `keyturn check` finds, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keyturn.core.keyring import KeyRing, KeyState
from keyturn.core.model import SECOND, Micros
from keyturn.server.checks import CLOCK_SKEW, KEY_CEILING, OLDEST_TIME, Finding, check, private
from keyturn.server.settings import load_settings
from keyturn.stores.keys import Keys, new_key

NOW: Micros = 1_800_000_000 * SECOND

SAFE = {
    "issuer": "https://auth.example.com",
    "trusted_proxies": ["127.0.0.1"],
    "registration": "closed",
    "session_ttl": "30d",
    "password_min_length": 15,
    "smtp_url": "smtp://mail.example.com",
    "mail_from": "no-reply@example.com",
}


def keys(age: Micros = 0, *, retiring: bool = False) -> Keys:
    old = new_key("access", "ES256", NOW - age, KeyState.RETIRING)
    active = new_key("access", "EdDSA", NOW - age)
    return Keys(KeyRing([active, old] if retiring else [active]), KeyRing([new_key("refresh", "HS256", NOW)]))


def found(
    *, now: Micros = NOW, having: Keys | None = None, newest: Micros | None = None, **settings: Any
) -> list[Finding]:
    return check(load_settings({**SAFE, **settings}, {}), now=now, keys=having, newest=newest)


def test_a_careful_set_up_is_found_to_be_one() -> None:
    assert found(having=keys(), newest=NOW) == []


@pytest.mark.parametrize(
    ("settings", "topic", "words"),
    [
        ({"issuer": None}, "cookies", "KEYTURN_ISSUER is not set"),
        ({"issuer": "http://localhost:8000"}, "cookies", "neither Secure nor __Host-"),
        ({"developer_pages": True}, "pages", "KEYTURN_DEVELOPER_PAGES"),
        ({"rate_limits": False}, "throttling", "KEYTURN_RATE_LIMITS is off"),
        ({"host": "0.0.0.0", "trusted_proxies": []}, "tls", "no proxy is trusted"),
        ({"trusted_proxies": ["0.0.0.0/0"]}, "proxies", "0.0.0.0/0"),
        ({"trusted_proxies": ["10.0.0.5", "::/0"]}, "proxies", "::/0"),
        ({"refresh_window": "29s"}, "window", "KEYTURN_REFRESH_WINDOW is 29s"),
        ({"refresh_window": "0s"}, "window", "KEYTURN_REFRESH_WINDOW is 0s"),
        ({"smtp_starttls": False}, "mail", "KEYTURN_SMTP_STARTTLS is off"),
        ({"access_ttl": "16m"}, "lifetimes", "KEYTURN_ACCESS_TTL is 16m"),
        ({"issuer": "http://localhost", "hash_memory_kib": 8}, "passwords", "KEYTURN_HASH_MEMORY_KIB is 8"),
    ],
)
def test_what_is_unsafe_is_named_with_what_to_do(settings: dict[str, Any], topic: str, words: str) -> None:
    (finding,) = [one for one in found(**settings) if one.unsafe and one.topic == topic]
    assert words in finding.sentence
    assert finding.sentence.endswith(".")


@pytest.mark.parametrize(
    ("settings", "topic"),
    [
        ({"registration": "open"}, "registration"),
        ({"password_min_length": 14}, "passwords"),
        ({"session_ttl": "31d"}, "lifetimes"),
        ({"smtp_url": None, "mail_from": None}, "mail"),
        ({"pages": False}, "mail"),
        ({"access_claims": ["email"]}, "tokens"),
        ({"access_secret": "u1vQ7yZ2xK9mN4pR8sT3wB6cF5hJ0aDg"}, "tokens"),
    ],
)
def test_what_is_a_choice_is_named_as_one(settings: dict[str, Any], topic: str) -> None:
    (finding,) = found(**settings)
    assert (finding.topic, finding.unsafe) == (topic, False)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0", "trusted_proxies": ["10.0.0.0/8", "192.168.1.7", "fd00::/32"]},
        {"host": "::1"},
        {"refresh_window": "30s", "access_ttl": "15m"},
        {"hash_time_cost": 3, "hash_memory_kib": 12_288},
    ],
)
def test_what_is_safe_at_the_edge_is_not_named(settings: dict[str, Any]) -> None:
    assert found(**settings) == []


def test_a_clock_that_lags_is_noticed_by_what_the_database_has_seen() -> None:
    assert found(newest=NOW + CLOCK_SKEW) == []
    (finding,) = found(newest=NOW + CLOCK_SKEW + SECOND)
    assert (finding.topic, finding.unsafe) == ("clock", True)
    assert "61s" in finding.sentence
    (finding,) = found(now=OLDEST_TIME - 1)
    assert "years behind" in finding.sentence


def test_a_key_of_more_than_a_year_is_due() -> None:
    assert found(having=keys(KEY_CEILING)) == []
    (finding,) = found(having=keys(KEY_CEILING + SECOND))
    assert (finding.topic, finding.unsafe) == ("keys", True)
    assert "365 days old" in finding.sentence


def test_a_configured_secret_has_no_age() -> None:
    having = keys()
    ageless = replace(having.access.active, created_at=0)
    assert found(having=Keys(KeyRing([ageless]), having.refresh)) == []


def test_keys_that_still_verify_are_pointed_out() -> None:
    (finding,) = found(having=keys(retiring=True))
    assert (finding.topic, finding.unsafe) == ("keys", False)


def test_a_file_that_others_can_read_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "keyturn.db"
    assert private(file) is None
    file.touch(mode=0o600)
    assert private(file) is None
    file.chmod(0o640)
    finding = private(file)
    assert finding is not None
    assert "chmod 600" in finding.sentence
