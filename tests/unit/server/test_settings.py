"""What there is to set: defaults, bounds, and what must fit together."""

from __future__ import annotations

import os
import re
from ipaddress import ip_network
from itertools import combinations
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.support.settings import ACCESS_SECRET, OTHER_PEPPER, PEPPER, REFRESH_SECRET, load, problem

from keyturn.core.model import SECOND, Policy
from keyturn.errors import SettingsError
from keyturn.server.durations import parse_duration
from keyturn.server.origins import may_be_same_site, origin_of
from keyturn.server.settings import Settings
from keyturn.server.settings_sources import variable

DAY = 86_400 * SECOND


@pytest.mark.parametrize(
    ("setting", "default"),
    {
        "issuer": None,
        "audience": None,
        "host": "127.0.0.1",
        "port": 8000,
        "base_path": "/api/v1/auth",
        "allowed_origins": (),
        "trusted_proxies": (),
        "database_url": None,
        "data_dir": Path("keyturn-data"),
        "access_ttl": 600 * SECOND,
        "session_ttl": 180 * DAY,
        "refresh_ttl": 30 * DAY,
        "refresh_window": 30 * SECOND,
        "refresh_queue": 1000,
        "access_secret": None,
        "refresh_secret": None,
        "access_algorithm": "ES256",
        "access_claims": (),
        "claims_hook": None,
        "registration": "open",
        "password_min_length": 8,
        "password_blocklist": None,
        "password_pepper": None,
        "password_pepper_previous": None,
        "hash_memory_kib": 19_456,
        "hash_time_cost": 2,
        "hash_concurrency": os.cpu_count(),
        "hash_queue": 64,
        "log_format": "text",
        "log_level": "info",
        "developer_pages": None,
        "shutdown_timeout": 30 * SECOND,
    }.items(),
)
def test_every_setting_has_its_default(setting: str, default: object) -> None:
    assert getattr(load(), setting) == default


def test_the_defaults_of_the_rotation_are_those_of_the_protocol() -> None:
    assert load().policy == Policy()


def test_the_policy_takes_each_duration_from_its_own_setting() -> None:
    settings = load(
        KEYTURN_REFRESH_WINDOW="6s", KEYTURN_REFRESH_TTL="2d", KEYTURN_SESSION_TTL="3d", KEYTURN_ACCESS_TTL="5m"
    )
    assert settings.policy == Policy(
        window=6 * SECOND, idle_lifetime=2 * DAY, session_lifetime=3 * DAY, access_lifetime=300 * SECOND
    )


@pytest.mark.parametrize(
    ("setting", "lowest", "highest"),
    [
        ("port", 0, 65_535),
        ("password_min_length", 8, 64),
        ("hash_memory_kib", 8, 4_194_304),
        ("hash_time_cost", 1, 100),
        ("hash_concurrency", 1, 1024),
        ("hash_queue", 0, 100_000),
        ("refresh_queue", 1, 100_000),
    ],
)
def test_a_number_may_be_its_bounds_and_nothing_beyond(setting: str, lowest: int, highest: int) -> None:
    for allowed in (lowest, highest):
        assert getattr(load(**{variable(setting): str(allowed)}), setting) == allowed
    for beyond in (lowest - 1, highest + 1):
        told = problem(**{variable(setting): str(beyond)})
        assert told == f"{variable(setting)} must be a whole number from {lowest} to {highest}."


@pytest.mark.parametrize(
    ("setting", "lowest", "highest"),
    [
        ("access_ttl", "1s", "24h"),
        ("refresh_ttl", "1s", "3650d"),
        ("session_ttl", "1s", "3650d"),
        ("refresh_window", "0s", "10m"),
        ("shutdown_timeout", "0s", "1h"),
    ],
)
def test_a_duration_may_be_its_bounds_and_nothing_beyond(setting: str, lowest: str, highest: str) -> None:
    lifetimes = {"KEYTURN_SESSION_TTL": "3650d", "KEYTURN_REFRESH_TTL": "1s"}
    for allowed in (lowest, highest):
        settings = load(**lifetimes | {variable(setting): allowed})
        assert getattr(settings, setting) == parse_duration(allowed)
    seconds = [parse_duration(lowest) // SECOND - 1, parse_duration(highest) // SECOND + 1]
    for beyond in seconds[0 if seconds[0] >= 0 else 1 :]:
        told = problem(**lifetimes | {variable(setting): str(beyond)})
        assert told == f"{variable(setting)} must be from {lowest} to {highest}."


@pytest.mark.parametrize(
    ("setting", "choices"),
    [
        ("registration", ["open", "closed"]),
        ("log_format", ["text", "json"]),
        ("log_level", ["debug", "info", "warning", "error"]),
        ("access_algorithm", ["ES256", "EdDSA", "RS256"]),
    ],
)
def test_a_choice_takes_its_words_and_names_them_when_given_another(setting: str, choices: list[str]) -> None:
    for choice in choices:
        assert getattr(load(**{variable(setting): choice}), setting) == choice
    told = problem(**{variable(setting): "sideways"})
    assert told.startswith(f"{variable(setting)} must be ")
    assert all(f"'{choice}'" in told for choice in choices)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False), ("1", True), ("0", False)])
def test_developer_pages_are_on_or_off(text: str, value: bool) -> None:
    assert load(KEYTURN_DEVELOPER_PAGES=text).developer_pages is value


def test_a_session_cannot_be_idle_for_longer_than_it_lasts() -> None:
    assert load(KEYTURN_REFRESH_TTL="180d").refresh_ttl == load().session_ttl
    assert problem(KEYTURN_REFRESH_TTL="181d") == (
        "KEYTURN_REFRESH_TTL (181d) must not exceed KEYTURN_SESSION_TTL (180d): lower it or raise that one."
    )


def test_the_default_idle_lifetime_is_checked_against_a_shorter_session_too() -> None:
    assert problem(KEYTURN_SESSION_TTL="1d") == (
        "KEYTURN_REFRESH_TTL (30d) must not exceed KEYTURN_SESSION_TTL (1d): lower it or raise that one."
    )


@pytest.mark.parametrize(
    ("written", "issuer"),
    [
        ("https://auth.example.com", "https://auth.example.com"),
        ("HTTPS://Auth.Example.COM/", "https://auth.example.com"),
        ("https://auth.example.com:443", "https://auth.example.com"),
        ("https://auth.example.com:8443/", "https://auth.example.com:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://LOCALHOST:80", "http://localhost"),
        ("http://127.1.2.3:8000", "http://127.1.2.3:8000"),
        ("http://[0::1]:8000", "http://[::1]:8000"),
        ("https://localhost", "https://localhost"),
    ],
)
def test_the_issuer_is_kept_as_a_browser_writes_an_origin(written: str, issuer: str) -> None:
    assert load(KEYTURN_ISSUER=written).issuer == issuer


@pytest.mark.parametrize(
    "written",
    [
        "auth.example.com",
        "https://",
        "https://auth.example.com/path",
        "https://auth.example.com?query",
        "https://auth.example.com/#fragment",
        "https://user@auth.example.com",
        "https://:hunter2@auth.example.com",
        "https://*.example.com",
        "https://a_b.example.com",
        "https://auth.example.com:0",
        "https://auth.example.com:99999",
        "https://auth.example.com https://other.example.com",
        "ftp://auth.example.com",
        "null",
    ],
)
def test_an_issuer_that_is_no_origin_is_refused_without_being_quoted(written: str) -> None:
    told = problem(KEYTURN_ISSUER=written)
    assert re.fullmatch(
        "KEYTURN_ISSUER (is|has) [A-Za-z, ]+; write scheme, host and port alone, such as https://auth.example.com.",
        told,
    )


@pytest.mark.parametrize("host", ["auth.example.com", "10.0.0.1", "128.0.0.1", "localhost.example.com", "[::2]"])
def test_plain_http_is_for_loopback_only(host: str) -> None:
    told = problem(KEYTURN_ISSUER=f"http://{host}")
    assert told == "KEYTURN_ISSUER must begin with https; http is only for localhost, 127.0.0.0/8 and [::1]."


@pytest.mark.parametrize(
    ("host", "issuer"),
    [
        ("127.0.0.1", "http://127.0.0.1:8123"),
        ("localhost", "http://localhost:8123"),
        ("LocalHost", "http://localhost:8123"),
        ("::1", "http://[::1]:8123"),
    ],
)
def test_without_an_issuer_a_loopback_server_is_its_own(host: str, issuer: str) -> None:
    assert load(KEYTURN_HOST=host).issuer_for(8123) == issuer


def test_the_issuer_that_is_set_does_not_depend_on_the_port() -> None:
    assert load(KEYTURN_ISSUER="https://auth.example.com").issuer_for(8123) == "https://auth.example.com"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "auth.example.com"])
def test_a_server_that_others_can_reach_needs_an_issuer(host: str) -> None:
    with pytest.raises(SettingsError, match="set KEYTURN_ISSUER to the public https URL"):
        load(KEYTURN_HOST=host).issuer_for(8000)


@pytest.mark.parametrize("host", ["[::1]", "a b", "http://localhost", "-x", "a/b", "::g"])
def test_a_host_is_an_address_or_a_name(host: str) -> None:
    assert problem(KEYTURN_HOST=host).startswith("KEYTURN_HOST must be an address or a host name")


@pytest.mark.parametrize(
    ("issuer", "is_development"),
    [
        ("http://localhost:8000", True),
        ("http://127.0.0.1", True),
        ("http://[::1]:8000", True),
        ("https://localhost", False),
        ("https://auth.example.com", False),
    ],
)
def test_development_means_plain_http_on_loopback(issuer: str, is_development: bool) -> None:
    assert load(KEYTURN_ISSUER=issuer).development_for(issuer) is is_development


def test_allowed_origins_are_a_list_with_commas() -> None:
    settings = load(
        KEYTURN_ISSUER="https://auth.example.com",
        KEYTURN_ALLOWED_ORIGINS="https://app.example.com, https://example.com:8443,",
    )
    assert settings.allowed_origins == ("https://app.example.com", "https://example.com:8443")


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "https://*.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://App.example.com",
        "https://app.example.com:443",
        "https://user:pass@app.example.com",
        "app.example.com",
    ],
)
def test_an_allowed_origin_is_written_exactly_as_a_browser_does(origin: str) -> None:
    told = problem(KEYTURN_ISSUER="https://auth.example.com", KEYTURN_ALLOWED_ORIGINS=f"https://example.com,{origin}")
    assert told.startswith("KEYTURN_ALLOWED_ORIGINS, item 2, must be an origin exactly as a browser writes it")


@pytest.mark.parametrize(
    ("issuer", "origin"),
    [
        ("https://auth.example.com", "http://app.example.com"),
        ("https://auth.example.com", "https://app.example.org"),
        ("https://auth.example.com", "https://app.example.com.evil.org"),
        ("https://auth.example.com", "https://com"),
        ("https://auth.example.com", "https://localhost"),
        ("https://10.0.0.5", "https://11.1.0.5"),
        ("http://localhost:8000", "http://app.example.com"),
        ("http://localhost:8000", "https://localhost:3000"),
        (None, "http://10.0.0.5:3000"),
    ],
)
def test_an_origin_that_cannot_be_of_the_issuers_site_is_refused(issuer: str | None, origin: str) -> None:
    environ = {"KEYTURN_ALLOWED_ORIGINS": origin} | ({"KEYTURN_ISSUER": issuer} if issuer else {})
    told = problem(**environ)
    assert told == (
        f"KEYTURN_ALLOWED_ORIGINS must hold origins of the issuer's scheme and site only, which {origin} is not."
    )


@pytest.mark.parametrize(
    ("issuer", "origin"),
    [
        ("https://auth.example.com", "https://example.com"),
        ("https://example.com", "https://a.b.example.com:8443"),
        ("https://10.0.0.5", "https://10.0.0.5:8443"),
        ("https://intranet", "https://intranet:8443"),
        ("http://localhost:8000", "http://127.0.0.1:3000"),
        ("http://[::1]:8000", "http://localhost:3000"),
    ],
)
def test_an_origin_that_may_be_of_the_issuers_site_is_taken(issuer: str, origin: str) -> None:
    assert load(KEYTURN_ISSUER=issuer, KEYTURN_ALLOWED_ORIGINS=origin).allowed_origins == (origin,)
    assert may_be_same_site(issuer, origin) == may_be_same_site(origin, issuer)


def test_normalising_an_origin_twice_changes_nothing() -> None:
    once = origin_of("HTTPS://Auth.Example.COM:443/")
    assert origin_of(once) == once


def test_trusted_proxies_are_addresses_and_networks() -> None:
    settings = load(KEYTURN_TRUSTED_PROXIES="10.0.0.5, 10.1.0.0/16, 2001:db8::/32")
    assert settings.trusted_proxies == (
        ip_network("10.0.0.5/32"),
        ip_network("10.1.0.0/16"),
        ip_network("2001:db8::/32"),
    )


@pytest.mark.parametrize("proxy", ["10.0.0.1/8", "proxy.example.com", "10.0.0", "*", "10.0.0.0/33"])
def test_a_proxy_that_is_neither_is_refused(proxy: str) -> None:
    told = problem(KEYTURN_TRUSTED_PROXIES=f"10.0.0.5,{proxy}")
    assert told == ("KEYTURN_TRUSTED_PROXIES, item 2, must be an address or a network, such as 10.0.0.5 or 10.0.0.0/8.")


def test_access_claims_are_words_of_a_list() -> None:
    assert load(KEYTURN_ACCESS_CLAIMS="username,email,full_name").access_claims == ("username", "email", "full_name")
    told = problem(KEYTURN_ACCESS_CLAIMS="email,password")
    assert told == "KEYTURN_ACCESS_CLAIMS, item 2, must be 'username', 'email' or 'full_name'."


@pytest.mark.parametrize("path", ["api", "/", "/api/", "//api", "/api/../admin", "/.well-known", "/a b", "/a?b", "/ä"])
def test_a_base_path_is_plain_segments(path: str) -> None:
    assert problem(KEYTURN_BASE_PATH=path).startswith("KEYTURN_BASE_PATH must be a path that begins with a slash")
    assert load(KEYTURN_BASE_PATH="/auth").base_path == "/auth"


@pytest.mark.parametrize("audience", ["two words", "a" * 256, "ä", "a\n"])
def test_an_audience_is_short_and_visible(audience: str) -> None:
    assert problem(KEYTURN_AUDIENCE=audience) == "KEYTURN_AUDIENCE must be up to 255 visible ASCII characters."
    assert load(KEYTURN_AUDIENCE="a" * 255).audience == "a" * 255


@pytest.mark.parametrize(("time_cost", "floor"), [(1, 47_104), (2, 19_456), (3, 12_288), (4, 12_288)])
def test_production_hashes_passwords_no_cheaper_than_owasp_advises(time_cost: int, floor: int) -> None:
    environ = {"KEYTURN_ISSUER": "https://auth.example.com", "KEYTURN_HASH_TIME_COST": str(time_cost)}
    assert load(**environ, KEYTURN_HASH_MEMORY_KIB=str(floor)).hash_memory_kib == floor
    told = problem(**environ, KEYTURN_HASH_MEMORY_KIB=str(floor - 1))
    assert told == f"KEYTURN_HASH_TIME_COST of {time_cost} needs KEYTURN_HASH_MEMORY_KIB to be at least {floor} (KiB)."


def test_a_wrong_amount_of_memory_is_one_problem_and_not_two() -> None:
    told = problem(KEYTURN_ISSUER="https://auth.example.com", KEYTURN_HASH_MEMORY_KIB="64M")
    assert told.startswith("KEYTURN_HASH_MEMORY_KIB must be a whole number")


@pytest.mark.parametrize("issuer", [{}, {"KEYTURN_ISSUER": "http://localhost:8000"}])
def test_development_may_hash_cheaply(issuer: dict[str, str]) -> None:
    assert load(**issuer, KEYTURN_HASH_MEMORY_KIB="8", KEYTURN_HASH_TIME_COST="1").hash_memory_kib == 8


def test_a_shared_secret_means_hs256() -> None:
    assert load(KEYTURN_ACCESS_SECRET=ACCESS_SECRET).access_algorithm == "HS256"
    explicit = load(KEYTURN_ACCESS_SECRET=ACCESS_SECRET, KEYTURN_ACCESS_ALGORITHM="HS256")
    assert explicit.access_algorithm == "HS256"


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_a_shared_secret_and_a_key_pair_contradict_each_other(algorithm: str) -> None:
    told = problem(KEYTURN_ACCESS_SECRET=ACCESS_SECRET, KEYTURN_ACCESS_ALGORITHM=algorithm)
    assert told == (
        "KEYTURN_ACCESS_ALGORITHM contradicts KEYTURN_ACCESS_SECRET: a shared secret means HS256; remove one of the two."
    )


def test_hs256_needs_a_shared_secret() -> None:
    told = problem(KEYTURN_ACCESS_ALGORITHM="HS256")
    assert told == (
        "KEYTURN_ACCESS_ALGORITHM is HS256, which needs a shared secret: set KEYTURN_ACCESS_SECRET, or choose ES256."
    )


@pytest.mark.parametrize("setting", ["KEYTURN_PASSWORD_PEPPER", "KEYTURN_PASSWORD_PEPPER_PREVIOUS"])
def test_a_pepper_that_can_be_guessed_stops_the_start(setting: str) -> None:
    for weak, why in (("x", "has 1 bytes"), ("ab" * 20, "repeats itself"), ("change-me-" * 4, "sample value")):
        told = problem(**{setting: weak})
        assert told.startswith(f"{setting} ")
        assert why in told
        assert weak not in told.replace(setting, "") or weak == "x"


def test_every_key_is_for_one_purpose() -> None:
    keys = [
        "KEYTURN_ACCESS_SECRET",
        "KEYTURN_REFRESH_SECRET",
        "KEYTURN_PASSWORD_PEPPER",
        "KEYTURN_PASSWORD_PEPPER_PREVIOUS",
    ]
    for one, other in combinations(keys, 2):
        told = problem(**{one: REFRESH_SECRET, other: REFRESH_SECRET})
        assert told == f"{one} and {other} are the same: make a second one"
    load(**dict(zip(keys, (ACCESS_SECRET, REFRESH_SECRET, PEPPER, OTHER_PEPPER), strict=True)))


def test_a_reference_names_a_module_and_something_in_it() -> None:
    for reference in ("app:hook", "app.auth.claims:extra_claims"):
        assert load(KEYTURN_CLAIMS_HOOK=reference).claims_hook == reference
    for reference in ("app", "app.claims", ":hook", "app:", "../app:hook", "app:hook()", "app:a.b", "os;x:y"):
        assert problem(KEYTURN_CLAIMS_HOOK=reference).startswith("KEYTURN_CLAIMS_HOOK must name something of yours")


def test_no_secret_shows_in_the_settings() -> None:
    settings = load(
        KEYTURN_PASSWORD_PEPPER=PEPPER,
        KEYTURN_PASSWORD_PEPPER_PREVIOUS=OTHER_PEPPER,
        KEYTURN_ACCESS_SECRET=ACCESS_SECRET,
        KEYTURN_REFRESH_SECRET=REFRESH_SECRET,
        KEYTURN_DATABASE_URL="postgresql://keyturn:hunter2@db/keyturn",
    )
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert not any(secret in shown for secret in (ACCESS_SECRET, REFRESH_SECRET, PEPPER, OTHER_PEPPER, "hunter2"))
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value().endswith("hunter2@db/keyturn")


def test_the_constructor_shows_no_value_either() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(access_secret=["hunter2"])  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


def test_settings_do_not_change() -> None:
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_the_constructor_takes_no_unknown_name() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Settings(prot=1)  # type: ignore[call-arg]
