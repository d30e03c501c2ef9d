"""What a start loads: whoever has to wait for it waits for nothing that is not used."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.client import Browser
from tests.support.commands import environment
from tests.support.server import ServerProcess

NAMED = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Python names every module that it loads, on standard error."""

ELSEWHERE = {"httpx2", "psycopg", "redis", "sqlalchemy.dialects.postgresql", "prometheus_client", "fastapi"}
"""What a server with SQLite needs only for other settings."""

LATER = {"alembic", "rich", "email_validator", "keyturn.server.letters"}
"""What it needs at the earliest when somebody does something: a table printed, an address given, a mail sent."""

ANSWERING = {"uvicorn", "starlette", "jinja2", "keyturn.server.wiring"}
"""What answers requests."""


def test_a_server_loads_only_what_it_needs_for_an_answer(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data, NAMED) as first:
        pass
    made = loaded(first.log.read_text())
    first.log.unlink()
    with ServerProcess(data, NAMED) as again, Browser(again.url) as browser:
        assert browser.get("/healthz").status_code == 200
    answered = loaded(again.log.read_text())
    assert made - answered >= {"alembic"}  # a new database is migrated; one that is there is not
    assert answered >= ANSWERING
    assert answered & (ELSEWHERE | LATER) == set()


def test_a_command_loads_nothing_that_answers_requests(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "keyturn", "users", "list", "--json", "--data-dir", str(tmp_path / "data")]
    upgrade = [*command[:3], "db", "upgrade", *command[-2:]]
    subprocess.run(upgrade, env=environment(), capture_output=True, check=True)
    done = subprocess.run(command, env=environment(**NAMED), capture_output=True, text=True, check=True)
    found = loaded(done.stderr)
    assert found >= {"sqlalchemy.dialects.sqlite"}
    assert found & (ANSWERING | ELSEWHERE | LATER) == set()


def test_a_start_that_is_interrupted_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("raise KeyboardInterrupt")
    command = [sys.executable, "-m", "keyturn", "--version"]
    done = subprocess.run(
        command, env=environment(PYTHONPATH=str(tmp_path)), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def loaded(said: str) -> set[str]:
    """The modules that Python named."""
    return set(re.findall(r"^import time: .*\| +(\S+)$", said, re.MULTILINE))
