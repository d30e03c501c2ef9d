"""kill -9 between an act and its mail, and while one is being sent: nothing is lost, and nothing is sent twice for no reason."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.client import EMAIL, Browser
from tests.support.mail import rows
from tests.support.processes import eventually
from tests.support.server import ServerProcess
from tests.support.smtp import HANG, MailServer, running


def mailing(mail_server: MailServer) -> dict[str, str]:
    return {
        "KEYTURN_SMTP_URL": mail_server.url,
        "KEYTURN_SMTP_STARTTLS": "false",
        "KEYTURN_MAIL_FROM": "no-reply@example.com",
    }


@pytest.mark.soak
def test_a_mail_of_a_server_that_was_killed_is_sent_once_by_the_next_one(tmp_path: Path) -> None:
    data = tmp_path / "data"
    # Nobody listens there: the first server cannot have sent it.
    away = {"KEYTURN_SMTP_URL": "smtp://127.0.0.1:9", "KEYTURN_MAIL_FROM": "no-reply@example.com"}
    with ServerProcess(data, away) as process, Browser(process.url) as browser:
        browser.register()
        process.kill()
    assert [row["recipient"] for row in rows(data / "keyturn.db", "mails")] == [EMAIL]
    let_time_pass(data)
    with running() as mail_server, ServerProcess(data, mailing(mail_server)):
        eventually(lambda: not rows(data / "keyturn.db", "mails"), "a mail still waits")
        assert [letter.to for letter in mail_server.letters] == [EMAIL]


def test_a_mail_in_the_hands_of_a_server_that_is_killed_is_taken_up_after_its_lease(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running() as mail_server:
        mail_server.handler.answers = [HANG]
        with ServerProcess(data, mailing(mail_server)) as process, Browser(process.url) as browser:
            browser.register()
            assert mail_server.handler.arrived.wait(20)
            process.kill()
        with ServerProcess(data, mailing(mail_server)):
            (row,) = rows(data / "keyturn.db", "mails")
            assert row["attempts"] == 1, "while the lease lasts nobody else takes it"
            let_time_pass(data)
            eventually(lambda: not rows(data / "keyturn.db", "mails"), "a mail still waits")
        assert [letter.to for letter in mail_server.letters] == [EMAIL]


def let_time_pass(data: Path) -> None:
    """As if the time of the next attempt had come."""
    with closing(sqlite3.connect(data / "keyturn.db", timeout=30)) as connection, connection:
        connection.execute("UPDATE mails SET next_at = 0")
