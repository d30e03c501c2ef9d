"""Where settings come from, and what an operator is told when something is wrong."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.support.settings import ACCESS_SECRET, REFRESH_SECRET, config, load, problem, problems, secret_file

from keyturn.core.model import SECOND
from keyturn.errors import SettingsError
from keyturn.server.settings import Settings, load_settings
from keyturn.server.settings_sources import CONFIG, LEGACY, lists_of, secrets_of, variable

DAY = 86_400 * SECOND


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


def test_a_secret_of_the_wrong_type_is_one_problem_and_not_two(tmp_path: Path) -> None:
    path = config(tmp_path, "access_secret = 5\naccess_algorithm = 'ES256'")
    assert problem(KEYTURN_CONFIG=path) == f"access_secret in {path} must be text."


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


@pytest.mark.parametrize("setting", lists_of(Settings))
def test_an_empty_list_is_a_list(setting: str) -> None:
    assert getattr(load(**{variable(setting): ""}), setting) == ()


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
    for setting in secrets_of(Settings):
        path = secret_file(tmp_path, REFRESH_SECRET.encode())
        needed = {"KEYTURN_GOOGLE_CLIENT_ID": "keyturn"} if setting == "google_client_secret" else {}
        assert getattr(load(**{variable(setting) + "_FILE": path}, **needed), setting) == SecretStr(REFRESH_SECRET)


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


def test_no_value_shows_in_an_error_or_behind_it() -> None:
    pasted = dict.fromkeys(map(variable, Settings.model_fields), "hunter2")
    with pytest.raises(SettingsError) as caught:
        load_settings({}, pasted | {"KEYTURN_PASWORD": "hunter2", "JWT_ACCESS_SECRET": "hunter2!"})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


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
