"""`keyturn mail test`, against a mail server and without one."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.support.commands import assert_one_line
from tests.support.mail import parsed
from tests.support.smtp import running

FROM = {"KEYTURN_MAIL_FROM": "Example <no-reply@example.com>"}


def test_a_mail_server_that_works_is_said_to_do_so(command: Command) -> None:
    with running() as mail_server:
        settings = {**FROM, "KEYTURN_SMTP_URL": mail_server.url, "KEYTURN_SMTP_STARTTLS": "false"}
        done = command("mail", "test", "you@example.com", **settings)
        assert (done.returncode, done.stdout) == (0, "The mail server took it.\n")
        (letter,) = mail_server.letters
    assert (letter.to, letter.message["From"]) == ("you@example.com", "Example <no-reply@example.com>")


def test_a_mail_server_that_does_not_is_said_what_to_do_about(command: Command) -> None:
    with running() as mail_server:
        done = command("mail", "test", "you@example.com", **FROM, KEYTURN_SMTP_URL=mail_server.url)
        assert_one_line(done, "STARTTLS", "KEYTURN_SMTP_URL")
    done = command("mail", "test", "you@example.com", **FROM, KEYTURN_SMTP_URL=mail_server.url)
    assert_one_line(done, "cannot be reached")


def test_without_a_mail_server_it_is_kept(command: Command, data: Path) -> None:
    done = command("mail", "test", "you@example.com")
    assert done.returncode == 0
    assert str(data / "outbox") in done.stdout
    (file,) = (data / "outbox").glob("*.eml")
    assert parsed(file.read_bytes()).to == "you@example.com"


def test_what_is_no_address_is_refused(command: Command) -> None:
    assert command("mail", "test", "nonsense").returncode == 2
