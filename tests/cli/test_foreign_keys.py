"""Servers whose keys are not those of the database that they open, and what an operator does about it."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Command
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.commands import assert_one_line
from tests.support.postgres import Cluster
from tests.support.programs import needs
from tests.support.server import LiveServer

from keyturn.errors import SettingsError
from keyturn.server.opening import open_context
from keyturn.server.settings import load_settings
from keyturn.service.keys import claim_keys
from keyturn.stores.keys import FILE_NAME

ISSUER = "http://localhost:8000"
SECRETS = [f"{start}-Tr0ub4dor-and-thirty-2-more-bytes" for start in ("q7", "x9")]


def starts(data_dir: Path, **settings: Any) -> None:
    with LiveServer(data_dir, issuer=ISSUER, **settings) as server, Browser(server.url) as browser:
        assert browser.call("GET", "//readyz").status_code == 200


def refusal(data_dir: Path, **settings: Any) -> str:
    """Why a server does not start."""
    context = open_context(load_settings({"data_dir": data_dir, **settings}, {}), ISSUER)
    with closing(context.database), pytest.raises(SettingsError) as refused:
        claim_keys(context)
    return str(refused.value)


def signed_in(data_dir: Path, **settings: Any) -> dict[str, Any]:
    with LiveServer(data_dir, issuer=ISSUER, **settings) as server, Browser(server.url) as browser:
        return browser.register(delivery="body")


def presented(data_dir: Path, session: dict[str, Any], **settings: Any) -> tuple[int, int]:
    """How a server answers the access token and the refresh token of a session."""
    with LiveServer(data_dir, issuer=ISSUER, **settings) as server, Browser(server.url) as browser:
        verified = browser.call("GET", "/verify", bearer=session["access_token"])
        return verified.status_code, browser.refresh(session["refresh_token"]).status_code


def test_a_server_with_another_refresh_secret_does_not_start(data: Path) -> None:
    starts(data, refresh_secret=SECRETS[0])
    said = refusal(data, refresh_secret=SECRETS[1])
    assert "the key of refresh tokens is" in said
    assert "keyturn keys adopt" in said
    assert "access tokens" not in said
    assert not any(secret in said for secret in SECRETS)
    starts(data, refresh_secret=SECRETS[0])


def test_a_server_says_so_in_one_line(data: Path, command: Command) -> None:
    starts(data, refresh_secret=SECRETS[0])
    assert_one_line(command("serve", "--port", "0", JWT_REFRESH_SECRET=SECRETS[1]), "other keys", "keyturn keys adopt")


def test_two_data_directories_do_not_share_a_database(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared.db"
    starts(tmp_path / "one", database_url=url)
    said = refusal(tmp_path / "other", database_url=url)
    assert "the key of access tokens" in said
    assert "the key of refresh tokens" in said
    shutil.copy(tmp_path / "one" / "keys.json", tmp_path / "other" / "keys.json")
    starts(tmp_path / "other", database_url=url)


@needs("postgres")
def test_two_data_directories_do_not_share_a_postgresql_database(tmp_path: Path, postgres: Cluster) -> None:
    url = postgres.database()
    starts(tmp_path / "one", database_url=url)
    assert "other keys" in refusal(tmp_path / "other", database_url=url)
    starts(tmp_path / "one", database_url=url)


def test_a_key_that_takes_over_in_turn_is_known_to_the_database(data: Path, tmp_path: Path) -> None:
    session = signed_in(data)
    shutil.copytree(data, tmp_path / "left behind")
    assert presented(data, session, access_algorithm="EdDSA") == (204, 200)
    # Whoever has only the old key could not read what the new one signs.
    url = f"sqlite:///{data}/keyturn.db"
    assert "the key of access tokens" in refusal(tmp_path / "left behind", database_url=url)


def test_adopting_another_refresh_key_signs_everybody_out_and_says_so_before(data: Path, command: Command) -> None:
    session = signed_in(data, refresh_secret=SECRETS[0])
    asked = command("keys", "adopt", given="n\n", JWT_REFRESH_SECRET=SECRETS[1])
    assert asked.returncode == 1
    assert "Everybody will have to sign in again" in asked.stderr
    assert "other keys" in refusal(data, refresh_secret=SECRETS[1])
    assert command("keys", "adopt", "--yes", "--json", JWT_REFRESH_SECRET=SECRETS[1]).json == {"adopted": ["refresh"]}
    assert presented(data, session, refresh_secret=SECRETS[1]) == (204, 403)
    assert "other keys" in refusal(data, refresh_secret=SECRETS[0])


def test_adopting_another_access_key_signs_nobody_out(data: Path, command: Command) -> None:
    session = signed_in(data)
    keys = data / "keys.json"
    keys.write_text(keys.read_text().replace('"access"', '"another purpose"'))
    assert "the key of access tokens" in refusal(data)
    asked = command("keys", "adopt", given="y\n")
    assert "nobody has to sign in again" in asked.stderr
    assert asked.stdout == "The keys are those of this server now.\n"
    assert presented(data, session) == (401, 200)


def test_adopting_the_keys_that_are_in_use_changes_nothing(data: Path, command: Command) -> None:
    session = signed_in(data)
    assert command("keys", "adopt").stdout == "The keys were those of this server already.\n"
    assert presented(data, session) == (204, 200)


def test_no_command_decides_which_keys_a_database_has(data: Path, command: Command) -> None:
    """An operator who makes the first user may have no secret in the environment yet."""
    assert command("users", "create", EMAIL, "--password-stdin", given=f"{PASSWORD}\n").returncode == 0
    starts(data, refresh_secret=SECRETS[0])
    assert command("users", "list", "--json").json["users"][0]["email"] == EMAIL


def test_a_copy_from_before_a_change_of_keys_is_put_back_under_those_of_today(
    data: Path, tmp_path: Path, command: Command
) -> None:
    signed_in(data, refresh_secret=SECRETS[0])
    copy = tmp_path / "copy.db"
    assert command("db", "backup", str(copy)).returncode == 0
    assert command("keys", "adopt", "--yes", JWT_REFRESH_SECRET=SECRETS[1]).returncode == 0
    assert command("db", "restore", str(copy), "--yes").returncode == 0
    starts(data, refresh_secret=SECRETS[1])


def test_a_copy_on_a_new_machine_wants_its_keys(data: Path, tmp_path: Path, command: Command) -> None:
    signed_in(data)
    copy = tmp_path / "copy.db"
    assert command("db", "backup", str(copy)).returncode == 0
    keys = (data / "keys.json").read_bytes()
    shutil.rmtree(data)
    assert command("db", "restore", str(copy), "--yes").returncode == 0
    assert "other keys" in refusal(data)
    (data / "keys.json").write_bytes(keys)
    starts(data)


@pytest.mark.parametrize("line", ["keys list", "keys adopt --yes", "check", "users list", "sessions list"])
def test_no_command_rotates_the_keys_of_a_server_whose_algorithm_it_was_not_told(
    data: Path, command: Command, line: str
) -> None:
    starts(data, access_algorithm="EdDSA")
    before = (data / FILE_NAME).read_bytes()
    done = command(*line.split())
    assert "Traceback" not in done.stderr
    assert (data / FILE_NAME).read_bytes() == before
