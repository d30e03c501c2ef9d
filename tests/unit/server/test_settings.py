"""The settings: defaults, bounds, where they come from, and what an operator is told."""

from __future__ import annotations

import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from keyturn.core.model import SECOND, Policy
from keyturn.errors import SettingsError
from keyturn.server.durations import format_duration, parse_duration
from keyturn.server.origins import may_be_same_site, origin_of
from keyturn.server.settings import LISTS, SECRETS, Settings, load_settings
from keyturn.server.settings_sources import CONFIG, LEGACY, variable

DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"
ACCESS_SECRET = "pX3vQ9mWk2LrT8nYd5HsF7bJc4GzA6eU"
REFRESH_SECRET = "Zt6RwN1qKx9BvM3yPj8DfS5hLg2CaE7u"
DAY = 86_400 * SECOND


def load(**environ: str) -> Settings:
    return load_settings({}, environ)


def problems(flags: dict[str, object] | None = None, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags or {}, environ)
    return str(caught.value).splitlines()


def problem(flags: dict[str, object] | None = None, **environ: str) -> str:
    (only,) = problems(flags, **environ)
    return only


def config(path: Path, text: str | bytes) -> str:
    """A settings file that only its owner can read."""
    file = path / "keyturn.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o600)
    return str(file)


def secret_file(path: Path, content: bytes, mode: int = 0o600) -> str:
    file = path / "secret"
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)


# Defaults and bounds


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
        "registration": "open",
        "password_min_length": 8,
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


# Durations


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("0s", 0), ("0", 0), ("900", 900), (900, 900)],
)
def test_a_duration_is_a_number_and_a_unit_or_bare_seconds(written: object, seconds: int) -> None:
    assert parse_duration(written) == seconds * SECOND


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "-1s",
        "1.5h",
        "1 h",
        " 1h",
        "1h ",
        "1h\n",
        "15M",
        "1w",
        "1h30m",
        "1e3",
        "٣s",
        "9" * 5000,
        1.5,
        True,
        None,
        [],
    ],
)
def test_anything_else_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a duration such as 90s, 15m, 12h or 30d"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["0s", "59s", "90s", "15m", "25h", "36h", "30d"])
def test_a_duration_is_shown_as_it_is_written(written: str) -> None:
    assert format_duration(parse_duration(written)) == written


def test_the_longest_duration_that_can_be_written_fits_a_64_bit_integer() -> None:
    assert parse_duration("999999999d") < 2**63 * 1000
    assert parse_duration("3650d") < 2**63


def test_a_session_cannot_be_idle_for_longer_than_it_lasts() -> None:
    assert load(KEYTURN_REFRESH_TTL="180d").refresh_ttl == load().session_ttl
    assert problem(KEYTURN_REFRESH_TTL="181d") == (
        "KEYTURN_REFRESH_TTL (181d) must not exceed KEYTURN_SESSION_TTL (180d): lower it or raise that one."
    )


def test_the_default_idle_lifetime_is_checked_against_a_shorter_session_too() -> None:
    assert problem(KEYTURN_SESSION_TTL="1d") == (
        "KEYTURN_REFRESH_TTL (30d) must not exceed KEYTURN_SESSION_TTL (1d): lower it or raise that one."
    )


# The issuer and other origins


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


# Other forms


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


@pytest.mark.parametrize("issuer", [{}, {"KEYTURN_ISSUER": "http://localhost:8000"}])
def test_development_may_hash_cheaply(issuer: dict[str, str]) -> None:
    assert load(**issuer, KEYTURN_HASH_MEMORY_KIB="8", KEYTURN_HASH_TIME_COST="1").hash_memory_kib == 8


# Where they come from


def test_a_flag_is_over_the_environment_over_the_file_over_the_default(tmp_path: Path) -> None:
    environ = {CONFIG: config(tmp_path, "port = 1\nhash_queue = 1\nrefresh_queue = 1")}
    environ |= {"KEYTURN_PORT": "2", "KEYTURN_HASH_QUEUE": "2"}
    settings = load_settings({"port": 3}, environ)
    assert (settings.port, settings.hash_queue, settings.refresh_queue) == (3, 2, 1)
    assert settings.hash_time_cost == Settings().hash_time_cost


def test_a_flag_that_is_none_was_not_given() -> None:
    assert load_settings({"port": None}, {"KEYTURN_PORT": "9000"}).port == 9000


def test_the_process_environment_is_read_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name in LEGACY or name.startswith("KEYTURN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KEYTURN_PORT", "9000")
    assert load_settings().port == 9000
    assert load_settings({}, {}).port == Settings().port == 8000


def test_a_file_may_hold_lists_and_numbers(tmp_path: Path) -> None:
    settings = load(
        KEYTURN_CONFIG=config(
            tmp_path,
            'access_ttl = 300\nallowed_origins = ["http://localhost:3000"]\ntrusted_proxies = ["10.0.0.5"]\n'
            "developer_pages = false\n",
        )
    )
    assert settings.access_ttl == 300 * SECOND
    assert settings.allowed_origins == ("http://localhost:3000",)
    assert settings.trusted_proxies == (ip_network("10.0.0.5"),)
    assert settings.developer_pages is False


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("port = true", "must be a whole number from 0 to 65535"),
        ("port = 80.5", "must be a whole number from 0 to 65535"),
        ("port = [80]", "must be a whole number from 0 to 65535"),
        ("issuer = 5", "must be text"),
        ("issuer = {}", "must be text"),
        ("access_ttl = 2026-01-01", "must be a duration such as"),
        ("allowed_origins = 5", "must be a list"),
        ("allowed_origins = {}", "must be a list"),
        ("trusted_proxies = [10]", "must be an address or a network"),
        ("data_dir = 5", "must be a path"),
        ("developer_pages = 'maybe'", "must be true or false"),
        ("developer_pages = []", "must be true or false"),
        ("refresh_secret = 5", "must be text"),
        ("refresh_secret_file = 5", "must be the path of a file"),
        ('refresh_secret_file = "a\\u0000b"', "must be the path of a file"),
        ('audience = ""', "is empty: give it a value or remove it"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(tmp_path: Path, line: str, told: str) -> None:
    path = config(tmp_path, line)
    said = problem(KEYTURN_CONFIG=path)
    assert said.startswith(f"{line.split()[0]} in {path}")
    assert told in said


@pytest.mark.parametrize("number", ["", "8000.0", "8_000", " 8000", "0x10", "٨", "1" * 5000])
def test_a_number_is_plain_digits(number: str) -> None:
    assert problem(KEYTURN_PORT=number).startswith("KEYTURN_PORT ")


@pytest.mark.parametrize(
    "content", ["port = ", "port", "[port", "port = 1\nport = 2", f"port = {'1' * 5000}", "\ufeffport=1"]
)
def test_a_file_that_is_not_toml_says_where(tmp_path: Path, content: str) -> None:
    assert problem(KEYTURN_CONFIG=config(tmp_path, content)).startswith(
        "KEYTURN_CONFIG names a file that is not TOML: "
    )


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    told = problem(KEYTURN_CONFIG=config(tmp_path, b'audience = "caf\xe9"'))
    assert told == "KEYTURN_CONFIG names a file that is not UTF-8 text."


def test_a_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    told = problem(KEYTURN_CONFIG=str(tmp_path / "nowhere.toml"))
    assert told == "KEYTURN_CONFIG names a file that cannot be read: No such file or directory."


def test_a_folder_is_no_settings_file(tmp_path: Path) -> None:
    assert problem(KEYTURN_CONFIG=str(tmp_path)) == "KEYTURN_CONFIG names a file that cannot be read: Is a directory."


def test_an_empty_variable_is_refused() -> None:
    assert problem(KEYTURN_AUDIENCE="") == "KEYTURN_AUDIENCE is empty: give it a value or remove it."


@pytest.mark.parametrize("setting", LISTS)
def test_an_empty_list_is_a_list(setting: str) -> None:
    assert getattr(load(**{variable(setting): ""}), setting) == ()


# Misspelt names


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("KEYTURN_ISUER", "KEYTURN_ISSUER"),
        ("KEYTURN_REFERSH_TTL", "KEYTURN_REFRESH_TTL"),
        ("KEYTURN_ACCESS_SECRET_FLIE", "KEYTURN_ACCESS_SECRET_FILE"),
        ("KEYTURN_TRUSTED_PROXY", "KEYTURN_TRUSTED_PROXIES"),
        ("KEYTURN_DATABASEURL", "KEYTURN_DATABASE_URL"),
        ("keyturn_port", "KEYTURN_PORT"),
        ("KEYTURN_port", "KEYTURN_PORT"),
        ("KEYTURN_LOG-LEVEL", "KEYTURN_LOG_LEVEL"),
    ],
)
def test_a_misspelt_variable_stops_the_start_and_the_right_one_is_suggested(misspelt: str, meant: str) -> None:
    assert problem(**{misspelt: "x"}) == f"{misspelt} is not a setting; did you mean {meant}?"


def test_an_unknown_variable_like_no_other_is_to_be_removed() -> None:
    assert problem(KEYTURN_XYZZY="x") == "KEYTURN_XYZZY is not a setting; remove it."
    assert problem(KEYTURN_="x") == "KEYTURN_ is not a setting; remove it."


def test_a_misspelt_key_of_the_file_is_suggested_as_the_file_has_it(tmp_path: Path) -> None:
    path = config(tmp_path, "refresh-ttl = '1d'")
    assert problem(KEYTURN_CONFIG=path) == f"refresh-ttl in {path} is not a setting; did you mean refresh_ttl?"


def test_older_names_belong_to_the_environment_alone(tmp_path: Path) -> None:
    path = config(tmp_path, "JWT_ACCESS_EXPIRES = '15m'")
    assert problem(KEYTURN_CONFIG=path).startswith(f"JWT_ACCESS_EXPIRES in {path} is not a setting")


def test_a_misspelt_flag_is_suggested_as_a_flag() -> None:
    assert problem({"data_dri": "x"}) == "--data-dri is not a setting; did you mean --data-dir?"


def test_variables_of_other_programs_are_none_of_our_business() -> None:
    assert load(PATH="/bin", JWT_ALGORITHM="none", MY_KEYTURN_PORT="1") == load()


# Older names


def test_the_names_that_applications_already_have_are_accepted() -> None:
    settings = load(
        JWT_ACCESS_SECRET=ACCESS_SECRET,
        JWT_REFRESH_SECRET=REFRESH_SECRET,
        JWT_ACCESS_EXPIRES="15m",
        JWT_REFRESH_EXPIRES="604800",
    )
    assert settings.access_secret == SecretStr(ACCESS_SECRET)
    assert settings.refresh_secret == SecretStr(REFRESH_SECRET)
    assert (settings.access_ttl, settings.refresh_ttl) == (900 * SECOND, 7 * DAY)


def test_an_older_name_is_over_the_file_like_any_variable(tmp_path: Path) -> None:
    path = config(tmp_path, "access_ttl = '5m'")
    assert load(KEYTURN_CONFIG=path, JWT_ACCESS_EXPIRES="15m").access_ttl == 900 * SECOND


@pytest.mark.parametrize(("older", "setting"), LEGACY.items())
def test_an_older_and_a_new_name_that_differ_stop_the_start(older: str, setting: str) -> None:
    one, other = (ACCESS_SECRET, REFRESH_SECRET) if setting.endswith("secret") else ("15m", "20m")
    told = problem(**{variable(setting): one, older: other})
    assert told == f"{variable(setting)} and {older} contradict each other: remove one of them."


@pytest.mark.parametrize(
    ("older", "new", "value"),
    [
        ("JWT_ACCESS_EXPIRES", "KEYTURN_ACCESS_TTL", ("900", "15m")),
        ("JWT_REFRESH_EXPIRES", "KEYTURN_REFRESH_TTL", ("7d", "168h")),
        ("JWT_ACCESS_SECRET", "KEYTURN_ACCESS_SECRET", (ACCESS_SECRET, ACCESS_SECRET)),
        ("JWT_REFRESH_SECRET", "KEYTURN_REFRESH_SECRET", (REFRESH_SECRET, REFRESH_SECRET)),
    ],
)
def test_an_older_and_a_new_name_that_mean_the_same_are_fine(older: str, new: str, value: tuple[str, str]) -> None:
    assert load(**{older: value[0], new: value[1]}) == load(**{new: value[1]})


def test_a_problem_is_told_under_the_name_that_the_operator_used() -> None:
    assert problem(JWT_ACCESS_EXPIRES="25h") == "JWT_ACCESS_EXPIRES must be from 1s to 24h."


# Secrets


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (REFRESH_SECRET.encode(), REFRESH_SECRET),
        (REFRESH_SECRET.encode() + b"\n", REFRESH_SECRET),
        (REFRESH_SECRET.encode() + b"\r\n", REFRESH_SECRET),
        (REFRESH_SECRET.encode() + b" \n\n", REFRESH_SECRET + " \n"),
    ],
)
def test_a_secret_may_lie_in_a_file_whose_last_line_break_does_not_count(
    tmp_path: Path, content: bytes, secret: str
) -> None:
    settings = load(KEYTURN_REFRESH_SECRET_FILE=secret_file(tmp_path, content))
    assert settings.refresh_secret == SecretStr(secret)


def test_every_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    for setting in SECRETS:
        path = secret_file(tmp_path, REFRESH_SECRET.encode())
        assert getattr(load(**{variable(setting) + "_FILE": path}), setting) == SecretStr(REFRESH_SECRET)


def test_the_settings_file_may_name_the_file_of_a_secret(tmp_path: Path) -> None:
    path = secret_file(tmp_path, REFRESH_SECRET.encode())
    settings = load(KEYTURN_CONFIG=config(tmp_path, f"refresh_secret_file = '{path}'"))
    assert settings.refresh_secret == SecretStr(REFRESH_SECRET)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o666])
def test_a_secret_in_a_file_that_other_users_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    told = problem(KEYTURN_REFRESH_SECRET_FILE=secret_file(tmp_path, REFRESH_SECRET.encode(), mode))
    assert told == "KEYTURN_REFRESH_SECRET_FILE names a file that other users can read: chmod 600 it."


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440, 0o640])
def test_the_group_of_a_secret_file_may_read_it(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, REFRESH_SECRET.encode(), mode)
    assert load(KEYTURN_REFRESH_SECRET_FILE=path).refresh_secret == SecretStr(REFRESH_SECRET)


def test_a_secret_file_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    told = problem(KEYTURN_REFRESH_SECRET_FILE=str(tmp_path / "nowhere"))
    assert told == "KEYTURN_REFRESH_SECRET_FILE names a file that cannot be read: No such file or directory."


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "is empty: give it a value or remove it."), (b"\n", "is empty: give it a value or remove it.")],
)
def test_an_empty_secret_file_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = secret_file(tmp_path, content)
    assert problem(KEYTURN_REFRESH_SECRET_FILE=path) == f"KEYTURN_REFRESH_SECRET_FILE {told}"


def test_a_secret_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    told = problem(KEYTURN_REFRESH_SECRET_FILE=secret_file(tmp_path, b"\xff" * 40))
    assert told == "KEYTURN_REFRESH_SECRET_FILE names a file that is not UTF-8 text."


def test_a_secret_and_its_file_that_differ_stop_the_start(tmp_path: Path) -> None:
    path = secret_file(tmp_path, REFRESH_SECRET.encode())
    told = problem(KEYTURN_REFRESH_SECRET=ACCESS_SECRET, KEYTURN_REFRESH_SECRET_FILE=path)
    assert told == ("KEYTURN_REFRESH_SECRET and KEYTURN_REFRESH_SECRET_FILE contradict each other: remove one of them.")
    assert load(KEYTURN_REFRESH_SECRET=REFRESH_SECRET, KEYTURN_REFRESH_SECRET_FILE=path).refresh_secret is not None


@pytest.mark.parametrize(
    "line", [f"refresh_secret = '{REFRESH_SECRET}'", "database_url = 'postgresql://keyturn:hunter2@db/keyturn'"]
)
def test_a_settings_file_with_a_secret_in_it_is_kept_from_other_users(tmp_path: Path, line: str) -> None:
    path = config(tmp_path, line)
    load(KEYTURN_CONFIG=path)
    Path(path).chmod(0o644)
    told = problem(KEYTURN_CONFIG=path)
    assert told == f"{line.split()[0]} in {path} is a secret, and other users can read the file: chmod 600 it."


def test_a_settings_file_without_a_secret_may_be_read_by_everybody(tmp_path: Path) -> None:
    path = config(tmp_path, "port = 9000\ndatabase_url = 'sqlite:////var/lib/keyturn/keyturn.sqlite3'")
    Path(path).chmod(0o644)
    assert load(KEYTURN_CONFIG=path).port == 9000


@pytest.mark.parametrize("name", ["KEYTURN_ACCESS_SECRET", "KEYTURN_REFRESH_SECRET", "JWT_ACCESS_SECRET"])
def test_a_secret_that_can_be_guessed_is_refused(name: str) -> None:
    for weak in ("hunter2", "a" * 64, "change-me-change-me-change-me-change-me"):
        told = problem(**{name: weak})
        assert told.startswith(f"{name} ")
        assert weak not in told


def test_one_secret_for_both_purposes_is_refused() -> None:
    told = problem(KEYTURN_ACCESS_SECRET=ACCESS_SECRET, KEYTURN_REFRESH_SECRET=ACCESS_SECRET)
    assert "the same" in told
    assert ACCESS_SECRET not in told


def test_a_secret_that_is_not_text_is_refused() -> None:
    assert problem(KEYTURN_REFRESH_SECRET="\udcff" * 40).startswith("KEYTURN_REFRESH_SECRET is not UTF-8")


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


def test_no_secret_shows_in_the_settings() -> None:
    settings = load(
        KEYTURN_ACCESS_SECRET=ACCESS_SECRET,
        KEYTURN_REFRESH_SECRET=REFRESH_SECRET,
        KEYTURN_DATABASE_URL="postgresql://keyturn:hunter2@db/keyturn",
    )
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert not any(secret in shown for secret in (ACCESS_SECRET, REFRESH_SECRET, "hunter2"))
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value().endswith("hunter2@db/keyturn")


def test_no_value_shows_in_an_error_or_behind_it() -> None:
    pasted = dict.fromkeys(map(variable, Settings.model_fields), "hunter2")
    with pytest.raises(SettingsError) as caught:
        load_settings({}, pasted | {"KEYTURN_PASWORD": "hunter2", "JWT_ACCESS_SECRET": "hunter2!"})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_settings_do_not_change() -> None:
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_the_constructor_takes_no_unknown_name() -> None:
    with pytest.raises(ValidationError, match="extra"):
        Settings(prot=1)  # type: ignore[call-arg]


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    path = config(tmp_path, "log_levle = 'info'\nregistration = 'maybe'")
    told = problems(
        {"port": 70_000},
        KEYTURN_CONFIG=path,
        KEYTURN_ISSUER="http://auth.example.com",
        KEYTURN_ISSUR="x",
        KEYTURN_ACCESS_TTL="15m",
        JWT_ACCESS_EXPIRES="20m",
        KEYTURN_SESSION_TTL="1d",
        KEYTURN_ACCESS_SECRET="short",
        KEYTURN_ACCESS_ALGORITHM="ES256",
        KEYTURN_REFRESH_SECRET_FILE=str(tmp_path / "nowhere"),
    )
    assert sorted(line.split()[0] for line in told) == sorted(
        [
            "log_levle",
            "registration",
            "--port",
            "KEYTURN_ISSUER",
            "KEYTURN_ISSUR",
            "KEYTURN_ACCESS_TTL",
            "KEYTURN_REFRESH_TTL",
            "KEYTURN_ACCESS_SECRET",
            "KEYTURN_ACCESS_ALGORITHM",
            "KEYTURN_REFRESH_SECRET_FILE",
        ]
    )


# The documentation


def documented() -> dict[str, list[str]]:
    """The rows of the table, by variable: the default, the values, the purpose, the older name."""
    rows = re.findall(r"^\| `(KEYTURN_[A-Z_]+)` \|(.*)\|$", DOCUMENT.read_text(), re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    assert list(documented()) == [variable(setting) for setting in Settings.model_fields]


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_the_documented_default_is_the_default(setting: str) -> None:
    default, name = documented()[variable(setting)][0], variable(setting)
    written = re.match("`(.+?)`", default)
    if written:
        assert load(**{name: written[1]}) == load()
    elif default.startswith("none"):
        assert getattr(load(), setting) in (None, ())
    else:
        assert (setting, default) == ("hash_concurrency", "the number of CPUs")


def test_the_documented_bounds_are_the_bounds() -> None:
    for name, (_, values, _, _) in documented().items():
        bounds = re.search(r"([0-9]+[smhd]?) to ([0-9]+[smhd]?)", values)
        if bounds:
            assert problem(**{name: "999999999"}).endswith(f" from {bounds[1]} to {bounds[2]}.")


def test_the_documented_older_names_are_the_older_names() -> None:
    older = {row[3].strip("`"): name for name, row in documented().items() if row[3]}
    assert older == {name: variable(setting) for name, setting in LEGACY.items()}


def test_every_variable_in_the_text_exists() -> None:
    known = {CONFIG, *map(variable, Settings.model_fields)}
    assert set(re.findall(r"KEYTURN_[A-Z_]+[A-Z]", DOCUMENT.read_text())) == known


def example() -> str:
    found = re.search(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_in_the_documentation_loads(tmp_path: Path) -> None:
    path = tmp_path / "keyturn-refresh-secret"
    path.write_text(REFRESH_SECRET)
    url = tmp_path / "keyturn-database-url"
    url.write_text("postgresql://keyturn:hunter2@db/keyturn")
    for file in (path, url):
        file.chmod(0o600)
    settings = load(KEYTURN_CONFIG=config(tmp_path, example().replace("/run/secrets", str(tmp_path))))
    assert settings.issuer == "https://auth.example.com"
    assert settings.refresh_secret == SecretStr(REFRESH_SECRET)


def test_the_example_in_the_documentation_is_complete() -> None:
    keys = tomllib.loads(example().replace("# access_secret_file", "access_secret_file")).keys()
    assert {key.removesuffix("_file") for key in keys} == set(Settings.model_fields)
