"""An application's own table of users: the example as printed, and what Keyturn promises over it."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.docs.test_quickstart import running
from tests.support.client import Browser
from tests.support.commands import keyturn
from tests.support.documents import blocks
from tests.support.server import ROOT, LiveServer

from keyturn.core.model import EndReason
from keyturn.errors import EmailTaken
from keyturn.service import administration
from keyturn.service.register import NewUser, create_user
from keyturn.stores.sql import OwnUsers

EXAMPLE = ROOT / "examples" / "own_users"
ADA, GRACE = "ada@example.com", "grace@example.com"
PASSWORD = "analytical engine"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """The application's database."""
    file = tmp_path / "app.db"
    subprocess.run([sys.executable, EXAMPLE / "application.py", file], check=True, capture_output=True)
    return file


@pytest.fixture
def own_users(app: Path) -> OwnUsers:
    """The example's class, over that database."""
    spec = importlib.util.spec_from_file_location("app_users", EXAMPLE / "app_users.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.AppUsers.databases = {"app": str(app)}
    found: OwnUsers = module.AppUsers
    return found


@pytest.fixture
def server(tmp_path: Path, own_users: OwnUsers) -> Iterator[LiveServer]:
    with LiveServer(tmp_path / "data", own_users=own_users) as live:
        yield live


def row(app: Path, mail: str) -> dict[str, Any] | None:
    with closing(sqlite3.connect(app)) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM users WHERE mail = ?", (mail,)).fetchone()
    return dict(found) if found else None


def test_a_user_of_the_application_signs_in_with_their_old_password(server: LiveServer, app: Path) -> None:
    with Browser(server.url) as browser:
        user = browser.login(ADA.upper(), PASSWORD)["user"]
        assert (user["id"], user["full_name"], user["roles"]) == ("1", "Ada Lovelace", ["admin"])
        assert browser.call("GET", "/verify", bearer=browser.access_token).headers["x-auth-subject"] == "1"
        assert browser.refresh().status_code == 200
        assert [
            one["current"] for one in browser.call("GET", "/sessions", bearer=browser.access_token).json()["sessions"]
        ]
    stored = row(app, ADA)
    assert stored is not None
    assert stored["password"].startswith("$argon2id$")
    with Browser(server.url) as browser:
        browser.login(ADA, PASSWORD)


def test_a_new_user_gets_the_applications_next_number(server: LiveServer, app: Path) -> None:
    with Browser(server.url) as browser:
        assert browser.register("alan@example.com", full_name="Alan Turing")["user"]["id"] == "3"
        assert browser.me().json()["full_name"] == "Alan Turing"
        assert browser.refresh().status_code == 200
    with pytest.raises(EmailTaken):
        create_user(server.context, NewUser("ALAN@example.com", "another horse, another battery"))
    assert row(app, "alan@example.com") is not None


def test_whom_the_application_disables_gets_no_token_any_more(server: LiveServer, app: Path) -> None:
    with Browser(server.url) as browser:
        browser.login(ADA, PASSWORD)
        with closing(sqlite3.connect(app)) as connection, connection:
            connection.execute("UPDATE users SET is_active = FALSE WHERE mail = ?", (ADA,))
        assert browser.refresh().json()["reason"] == "account_disabled"
        assert browser.me().status_code == 401
        assert browser.call("POST", "/login", {"login": ADA, "password": PASSWORD}).status_code == 401


def test_what_keyturn_decides_stands_in_the_applications_table(server: LiveServer, app: Path) -> None:
    with Browser(server.url) as browser, Browser(server.url) as other:
        browser.login(ADA, PASSWORD)
        other.login(ADA, PASSWORD)
        answer = browser.call(
            "POST",
            "/password",
            {"current_password": PASSWORD, "new_password": "difference engine"},
            bearer=browser.access_token,
        )
        assert answer.status_code == 200
        assert other.refresh().json()["reason"] == "password_changed"
        administration.set_roles(server.context, "1", ())
        administration.set_disabled(server.context, "2", disabled=True)
    assert row(app, ADA)["is_admin"] == 0  # type: ignore[index]
    assert row(app, GRACE)["is_active"] == 0  # type: ignore[index]
    assert [user.email for user in administration.list_users(server.context)] == [ADA, GRACE]
    administration.delete_user(server.context, "2")
    assert row(app, GRACE) is None


def test_a_transaction_that_fails_writes_to_neither_file(server: LiveServer, app: Path) -> None:
    def work(tx: Any) -> None:
        tx.users.set_password_hash("1", "spoilt")
        tx.sessions.end_of_user("1", EndReason.REVOKED)
        raise EmailTaken

    before = row(app, ADA)
    with pytest.raises(EmailTaken):
        server.context.database.transact(work)
    assert row(app, ADA) == before


def test_what_is_no_number_of_the_application_is_nobody(server: LiveServer) -> None:
    for user_id in ("", "-1", "²", "9" * 40, "1 OR 1=1", "nobody"):
        assert server.context.database.read(lambda tx, user_id=user_id: tx.users.load_many([user_id])) == {}
        assert server.context.database.transact(lambda tx, user_id=user_id: tx.users.lock(user_id)) is None


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nowhere:Users", "nowhere cannot be found"),
        ("json:Users", "has no Users"),
        ("app_users", "package.module:name"),
    ],
)
def test_a_class_that_cannot_be_found_stops_the_start(tmp_path: Path, reference: str, words: str) -> None:
    arguments = ("users", "create", ADA, "--password-stdin", "--data-dir", str(tmp_path / "data"))
    done = keyturn(*arguments, given=f"{PASSWORD}\n", KEYTURN_USER_STORE=reference)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_the_example_works_as_printed(tmp_path: Path) -> None:
    """In a folder that looks like the project's."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "keyturn"):
        (tmp_path / ".venv" / "bin" / name).symlink_to(Path(sys.executable).with_name(name))
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    start, *rest = blocks(EXAMPLE / "README.md", "bash")
    prepare, serve = re.fullmatch(r"(.*)(export.*)", start, flags=re.DOTALL).groups()  # type: ignore[union-attr]
    printed = _run(prepare, tmp_path)
    with running(serve.replace("keyturn serve", "keyturn serve & wait $!"), tmp_path) as url:
        for block in rest:
            printed += _run(block.replace("http://127.0.0.1:8000", url), tmp_path)
    expected = re.findall(r"^# -> (.*)$", "\n".join([start, *rest]), flags=re.MULTILINE)
    assert len(expected) == 4
    for part in expected:
        assert part in printed


def _run(commands: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-eu"], input=commands, capture_output=True, text=True, cwd=folder, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout
