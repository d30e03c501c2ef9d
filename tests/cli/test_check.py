"""`keyturn check`, as a person and as a script reads it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.support.client import EMAIL, PASSWORD
from tests.support.commands import keyturn

PRODUCTION = {
    "KEYTURN_ISSUER": "https://auth.example.com",
    "KEYTURN_REGISTRATION": "closed",
    "KEYTURN_SESSION_TTL": "30d",
    "KEYTURN_PASSWORD_MIN_LENGTH": "15",
    "KEYTURN_TRUSTED_PROXIES": "127.0.0.1",
    "KEYTURN_SMTP_URL": "smtp://mail.example.com",
    "KEYTURN_MAIL_FROM": "no-reply@example.com",
}


def test_the_list_is_numbered_and_the_unsafe_come_first(data: Path) -> None:
    done = keyturn("check", "--data-dir", str(data), KEYTURN_REFRESH_WINDOW="5s")
    lines = done.stdout.splitlines()
    assert done.returncode == 1
    assert [line.partition(".")[0] for line in lines] == [str(number) for number in range(1, len(lines) + 1)]
    kinds = [line.split()[1] for line in lines]
    assert kinds == sorted(kinds, reverse=True)
    assert {"UNSAFE:", "Consider:"} == set(kinds)
    assert not data.exists()


def test_a_script_reads_the_same_and_trusts_the_exit_code(data: Path) -> None:
    safe = keyturn("check", "--json", "--data-dir", str(data), **PRODUCTION)
    assert safe.json == {"findings": [], "unsafe": False}
    choice = keyturn("check", "--data-dir", str(data), **PRODUCTION | {"KEYTURN_REGISTRATION": "open"})
    assert choice.returncode == 0
    assert "Consider" in choice.stdout
    strict = keyturn("check", "--strict", "--data-dir", str(data), **PRODUCTION | {"KEYTURN_REGISTRATION": "open"})
    assert strict.returncode == 1


def test_what_stops_a_server_stops_the_check(data: Path) -> None:
    done = keyturn("check", "--data-dir", str(data), KEYTURN_REFRESH_WINDOW="soon")
    assert (done.returncode, done.stdout) == (1, "")
    assert "KEYTURN_REFRESH_WINDOW" in done.stderr


def test_a_database_that_others_can_read_is_found(command: Command, data: Path) -> None:
    command("users", "create", EMAIL, "--password-stdin", given=f"{PASSWORD}\n")
    (data / "keyturn.db").chmod(0o644)
    findings = keyturn("check", "--json", "--data-dir", str(data), **PRODUCTION)
    assert findings.returncode == 1
    assert "chmod 600" in findings.stdout
