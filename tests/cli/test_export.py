"""`keyturn users export` and `erase`: what is given out comes back the same, and what is erased is nowhere."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, text
from tests.cli.conftest import Command
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.commands import Done, assert_one_line, keyturn
from tests.support.postgres import Cluster
from tests.support.programs import needs
from tests.support.server import LiveServer

from keyturn.cli.exporting import write_csv
from keyturn.cli.files import read_csv, read_jsonl
from keyturn.core.identity import clean_email, clean_full_name, clean_username
from keyturn.core.model import Identity, Mail, MailKind, OneTimeToken, Purpose, User
from keyturn.errors import InvalidInput
from keyturn.ports import Transaction
from keyturn.server.outbox import Outbox
from keyturn.service.records import FIELDS, fields_of, record_from
from keyturn.stores.sql import SqlDatabase
from keyturn.system import SystemClock

HOUR = 3_600_000_000
ADDRESS = "203.0.113.7"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


GOOGLE = [{"issuer": "https://accounts.google.com", "subject": "104", "email": "four@gmail.example"}]


@pytest.fixture
def filled(command: Command) -> Command:
    """The command, with some users."""
    lines = [
        {"email": "one@example.com", "username": "one", "full_name": "=1+1", "roles": ["admin", "staff"]},
        {"email": "two@example.com", "full_name": 'Zoë "Zo", the 2nd;', "disabled": True},
        {"email": "three@example.com", "email_verified": True, "created_at": "2020-01-01T00:00:00.000001Z"},
        {"id": "4", "email": "four@example.com", "full_name": "'-four", "identities": GOOGLE},
    ]
    done = command("users", "import", "-", "--format", "jsonl", given="\n".join(map(json.dumps, lines)))
    assert done.stdout.startswith("4 created")
    return command


def objects(done: Done) -> list[dict[str, Any]]:
    assert (done.returncode, done.stderr) == (0, ""), done
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_is_exported_is_imported_as_it_was(filled: Command, tmp_path: Path) -> None:
    users = objects(filled("users", "export"))
    assert {user["email"]: user["full_name"] for user in users} == {
        "one@example.com": "=1+1",
        "two@example.com": 'Zoë "Zo", the 2nd;',
        "three@example.com": None,
        "four@example.com": "'-four",
    }
    assert [user["identities"] for user in users if user["id"] == "4"] == [GOOGLE]
    assert users[0]["created_at"] == "2020-01-01T00:00:00.000001Z"
    for number, form in enumerate(("csv", "jsonl")):
        file = tmp_path / f"out.{form}"
        assert filled("users", "export", "--output", str(file)).stdout == ""
        other = ("--data-dir", str(tmp_path / f"other{number}"))
        assert keyturn("users", "import", str(file), *other).stdout.startswith("4 created")
        assert objects(keyturn("users", "export", *other)) == users


def test_a_spreadsheet_finds_no_formula_in_an_export(filled: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(filled("users", "export", "--format", "csv").stdout)))
    names = {row["email"]: row["full_name"] for row in rows}
    assert (names["one@example.com"], names["four@example.com"]) == ("'=1+1", "''-four")
    assert {row["roles"] for row in rows} == {"", "admin staff"}


def test_hashes_are_only_exported_when_asked_for_to_a_file_of_ones_own(
    filled: Command, data: Path, tmp_path: Path
) -> None:
    assert filled("users", "create", EMAIL, "--password-stdin", given=f"{PASSWORD}\n").returncode == 0
    assert "argon2" not in filled("users", "export").stdout
    assert filled("users", "export", "--with-password-hashes").returncode == 2
    file = tmp_path / "all.jsonl"
    assert filled("users", "export", "--with-password-hashes", "--output", str(file)).returncode == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert_one_line(filled("users", "export", "--output", str(file)), str(file), "exists")
    assert_one_line(filled("users", "export", "--output", str(tmp_path / "no" / "where")), "No such file")
    other = tmp_path / "other"
    assert keyturn("users", "import", str(file), "--data-dir", str(other)).stdout.startswith("5 created")
    with LiveServer(other) as server, Browser(server.url) as browser:
        browser.login()


def cleaned(clean: Callable[[str], str], value: str | None) -> str | None:
    """A name in the form that is kept; none if it is not acceptable."""
    try:
        return clean(value or "") or None
    except InvalidInput:
        return None


people = st.builds(
    User,
    id=st.from_regex(r"[!-?A-~]{1,40}", fullmatch=True),
    email=st.text(max_size=20).map(lambda name: cleaned(clean_email, f"{name}@example.com") or EMAIL),
    created_at=st.integers(0, 1_790_000_000_000_000),
    email_verified=st.booleans(),
    username=st.text(max_size=20).map(partial(cleaned, clean_username)),
    full_name=st.text(max_size=40).map(partial(cleaned, clean_full_name)),
    roles=st.lists(st.from_regex(r"[!-+\--~]{1,10}", fullmatch=True), unique=True, max_size=4).map(tuple),
    disabled=st.booleans(),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(people, max_size=5))
@example([User("1", EMAIL, 0, full_name="'=1"), User("2", EMAIL, 1, full_name='a"b;c\u00a0d', roles=("-x", "y"))])
def test_whatever_a_user_is_called_both_forms_bring_it_back(users: list[User]) -> None:
    table, lines = io.StringIO(newline=""), io.StringIO()
    written = [fields_of(user) for user in users]
    write_csv(table, written, [*FIELDS])
    lines.writelines(json.dumps(user) + "\n" for user in written)
    for read, text_ in ((read_csv, table.getvalue()), (read_jsonl, lines.getvalue())):
        found = [record_from(line.fields, now=2**62) for line in read(io.BytesIO(text_.encode())).lines]
        assert [User(email=record.email, **record.given) for record in found] == users


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs("postgres"))])
def database_url(request: pytest.FixtureRequest, data: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{data}/keyturn.db"
    cluster: Cluster = request.getfixturevalue("postgres")
    return cluster.database()


@pytest.fixture
def server(data: Path, database_url: str) -> Iterator[LiveServer]:
    data.mkdir(mode=0o700)
    clock: Any = SystemClock()  # which PostgreSQL has as well
    limited = {"rate_limits": True, "trusted_proxies": ["127.0.0.1"]}
    with LiveServer(data, clock=clock, database_url=database_url, **limited) as server:
        yield server


def a_life(server: LiveServer, browser: Browser) -> dict[str, Any]:
    """Somebody leaves something in every table."""
    browser.headers |= {"user-agent": FIREFOX, "x-forwarded-for": ADDRESS}
    browser.register(username="alice", full_name="Alice Liddell")
    assert browser.call("POST", "/logout-all", {}, bearer=browser.access_token).status_code == 204
    wrong = {"login": "alice", "password": "not the password"}
    assert browser.call("POST", "/login", wrong).status_code == 401
    signed_in = browser.login()
    user_id = signed_in["user"]["id"]

    def work(tx: Transaction) -> None:
        tx.identities.insert(Identity("i1", user_id, "https://accounts.google.com", "g-5", EMAIL, tx.now))
        tx.one_time_tokens.insert(OneTimeToken("digest", Purpose.RESET_PASSWORD, user_id, EMAIL, tx.now + HOUR))
        later = tx.now + HOUR  # the server has not sent them yet
        tx.mails.insert(Mail("m1", MailKind.NEW_DEVICE, user_id, EMAIL, tx.now, later, {"address": ADDRESS}))
        tx.mails.insert(Mail("m2", MailKind.RESET, None, EMAIL.upper(), tx.now, later))

    server.context.database.transact(work)
    server.context.throttle.mail(EMAIL, ADDRESS)
    return signed_in


NOBODYS = {"meta", "alembic_version"}
"""Tables in which nobody ever is."""


def marks_of(server: LiveServer, user_id: str) -> list[str]:
    """What tells one person from others, wherever it stands."""
    throttle: Any = server.context.throttle
    hashed = [throttle._hash(name) for name in (EMAIL, "alice")]
    return [user_id, EMAIL, EMAIL.upper(), "alice", "Liddell", "Windows", ADDRESS, *hashed]


def found_in(server: LiveServer, marks: list[str]) -> dict[str, set[str]]:
    """In which tables each of them stands, and in which columns."""
    database = server.context.database
    assert isinstance(database, SqlDatabase)
    with database._readers.connect() as connection:
        tables = inspect(connection).get_table_names()
        return {
            table: {
                column
                for row in connection.execute(text(f'SELECT * FROM "{table}"')).mappings()
                for column, value in row.items()
                if any(mark in str(value) for mark in marks)
            }
            for table in tables
        }


def test_an_erased_user_is_in_no_column_of_any_table(server: LiveServer, command: Command, database_url: str) -> None:
    """A table that is new has to be filled by `a_life`, or be one in which nobody ever is."""
    with Browser(server.url) as browser, Browser(server.url) as other:
        signed_in = a_life(server, browser)
        kept = other.register("bob@example.com")["user"]["id"]
        marks = marks_of(server, signed_in["user"]["id"])
        before = found_in(server, marks)
        assert {table for table, columns in before.items() if not columns} == NOBODYS
        assert {"user_id", "device_label", "device_address"} <= before["sessions"]
        done = command("users", "erase", EMAIL, "--yes", KEYTURN_DATABASE_URL=database_url)
        assert done.stdout.startswith(f"erased {signed_in['user']['id']};"), done
        assert {table: columns for table, columns in found_in(server, marks).items() if columns} == {}
        server.context.revocations.follow(server.context.database)
        assert browser.me().status_code == 401
        answer = browser.refresh()
        assert (answer.status_code, answer.json()["reason"]) == (403, "account_deleted")
        assert browser.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}).status_code == 401
        assert other.me().json()["id"] == kept
        assert other.refresh().status_code == 200
        browser.cookies.clear()
        assert browser.register()["user"]["id"] != signed_in["user"]["id"]


def test_an_erased_user_is_not_in_the_bytes_of_the_file(filled: Command, data: Path) -> None:
    def mentioned() -> list[str]:
        content = b"".join(file.read_bytes() for file in data.glob("keyturn.db*"))
        return [
            name for name in ("one@example.com", "four@example.com", "four@gmail.example") if name.encode() in content
        ]

    assert mentioned() == ["one@example.com", "four@example.com", "four@gmail.example"]
    assert filled("users", "erase", "4", "--yes").returncode == 0
    assert mentioned() == ["one@example.com"]


def test_an_erased_user_is_not_in_the_bytes_beside_a_running_server(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data") as live, Browser(live.url) as browser:
        browser.register("zelda@example.com")
        assert keyturn("users", "erase", "zelda@example.com", "--yes", "--data-dir", str(live.data_dir)).returncode == 0
        assert not any(b"zelda@" in file.read_bytes() for file in live.data_dir.glob("keyturn.db*"))


def test_mails_that_were_kept_without_a_mail_server_are_erased(filled: Command, data: Path) -> None:
    outbox = Outbox(data / "outbox")
    for number, recipient in enumerate(("One@example.com", "two@example.com")):
        message = EmailMessage()
        message["To"], message["Subject"], message["Message-ID"] = recipient, "Hello", f"<m{number}@example.com>"
        message.set_content("Hello.")
        outbox.send(message)
    assert filled("users", "erase", "one", "--yes").returncode == 0
    assert [mail.to for mail in outbox.newest(9)] == ["two@example.com"]


def test_nothing_is_erased_without_a_yes(filled: Command) -> None:
    done = filled("users", "erase", "one", given="n\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "one@example.com" in done.stderr
    assert len(objects(filled("users", "export"))) == 4
    assert filled("users", "erase", "one", given="y\n").returncode == 0
    assert_one_line(filled("users", "erase", "one", "--yes"), "no user")
    assert filled("users", "erase", "4", "--yes", "--json").json == {"erased": "4"}


def test_one_gets_all_that_is_kept_about_one_and_nothing_that_signs_in(
    server: LiveServer, command: Command, database_url: str
) -> None:
    """GDPR, article 15: whatever the tables hold of a person is in the answer."""
    with Browser(server.url) as browser, Browser(server.url) as other:
        signed_in = a_life(server, browser)
        other.register("bob@example.com")
        done = command("users", "export", "alice", KEYTURN_DATABASE_URL=database_url)
    about = done.json
    assert about["user"] | {"created_at": ""} == {
        "id": signed_in["user"]["id"],
        "email": EMAIL,
        "email_verified": False,
        "username": "alice",
        "full_name": "Alice Liddell",
        "roles": [],
        "disabled": False,
        "created_at": "",
        "has_password": True,
    }
    assert [(one["device"], one["address"], one["end_reason"]) for one in about["sessions"]] == [
        ("Firefox on Windows", ADDRESS, None),
        ("Firefox on Windows", ADDRESS, "signed_out_everywhere"),
    ]
    assert {one["of"] for one in about["failed_attempts"]} == {"device/count", "mail"}
    assert [(one["subject"], one["email"]) for one in about["identities"]] == [("g-5", EMAIL)]
    mails = {(one["kind"], one["recipient"]): one["facts"] for one in about["mails"]}
    assert mails[("new_device", EMAIL)] == {"address": ADDRESS}
    assert ("reset", EMAIL.upper()) in mails
    assert ("reset_password", EMAIL) in [(one["purpose"], one["email"]) for one in about["one_time_tokens"]]
    assert "bob" not in done.stdout
    for secret in ("argon2", "digest", "seed"):
        assert secret not in done.stdout


def test_only_one_of_both_is_exported(filled: Command, tmp_path: Path) -> None:
    assert filled("users", "export", "one", "--format", "csv").returncode == 2
    assert filled("users", "export", "one", "--with-password-hashes", "--output", "-").returncode == 2
    assert_one_line(filled("users", "export", "nobody"), "no user")
    file = tmp_path / "one.json"
    assert filled("users", "export", "one", "--output", str(file)).returncode == 0
    assert json.loads(file.read_text())["user"]["full_name"] == "=1+1"
