"""Handing mails to a mail server: one that is good, and those that are slow, careless, hostile or away."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import Browser
from tests.support.mail import rows
from tests.support.processes import eventually
from tests.support.server import LiveServer
from tests.support.smtp import PASSWORD, made_certificate, running, scripted

from keyturn.core.model import SECOND, MailKind
from keyturn.hashing import Argon2Hasher
from keyturn.server.mailing import open_postman
from keyturn.server.opening import open_context
from keyturn.server.postman import GIVEN_UP_AFTER, LEASE, Postman
from keyturn.server.settings import load_settings
from keyturn.server.smtp import NotSent, SmtpServer
from keyturn.service.mail import queue
from keyturn.service.register import NewUser, create_user
from keyturn.system import SystemEntropy
from keyturn.testing.fakes import FakeClock

EMAIL = "alice@example.com"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1."""
    return made_certificate(tmp_path_factory.mktemp("certificates") / "good.pem")


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, trusted as an operator would have it."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return certificate


class Queue:
    """A database with mails that wait, and those who send them.

    Args:
        data_dir: of its own.
        url: of a mail server.
        settings: beside those for mail.
    """

    def __init__(self, data_dir: Path, url: str, **settings: Any) -> None:
        self.clock = FakeClock()
        given = {"data_dir": data_dir, "smtp_url": url, "mail_from": "Keyturn <no-reply@example.com>", **settings}
        self.settings = load_settings(given, {})
        hasher = Argon2Hasher(SystemEntropy(), memory_kib=8, time_cost=1)
        self.context = open_context(self.settings, "http://localhost", clock=self.clock, hasher=hasher)
        self.database = data_dir / "keyturn.db"

    def postman(self, **changes: Any) -> Postman:
        postman = open_postman(self.settings, self.context)
        assert isinstance(postman.transport, SmtpServer)
        return replace(postman, transport=replace(postman.transport, **changes))

    def wait(self, to: str = EMAIL) -> None:
        """Let a mail wait."""
        context = self.context
        context.database.transact(lambda tx: queue(context, tx, MailKind.RESET, to, None))

    @property
    def waiting(self) -> list[tuple[int, str]]:
        """How often each mail that waits was tried, and why it was not sent."""
        return [(row["attempts"], row["last_error"]) for row in rows(self.database, "mails")]


@pytest.fixture
def queues(tmp_path: Path) -> Iterator[Callable[..., Queue]]:
    """Makes one, with an account."""
    opened: list[Queue] = []

    def made(url: str, **settings: Any) -> Queue:
        found = Queue(tmp_path / "data", url, **settings)
        opened.append(found)
        create_user(found.context, NewUser(EMAIL, "correct horse battery staple"))
        found.wait()
        return found

    yield made
    for found in opened:
        found.context.database.close()


def test_a_mail_arrives_over_starttls_from_a_user_with_a_password(trusted: Path, queues: Callable[..., Queue]) -> None:
    with running(trusted, signing_in=True) as mail_server:
        found = queues(mail_server.url, smtp_password=PASSWORD)
        found.postman().deliver()
        (letter,) = mail_server.letters
    message = letter.message
    assert (letter.to, letter.subject) == (EMAIL, "Set a new password")
    assert (message["From"], message["Auto-Submitted"]) == ("Keyturn <no-reply@example.com>", "auto-generated")
    assert message["Date"] == "Thu, 01 Jan 2026 00:00:00 +0000"
    assert message.get_content_type() == "multipart/alternative"
    assert letter.link in letter.html
    assert found.waiting == []


def test_a_mail_arrives_over_tls_from_the_start(trusted: Path, queues: Callable[..., Queue]) -> None:
    with running(trusted, smtps=True) as mail_server:
        queues(mail_server.url).postman().deliver()
        assert [letter.to for letter in mail_server.letters] == [EMAIL]


def put_off(found: Queue, why: str) -> None:
    found.postman().deliver()
    assert found.waiting == [(1, why)]


def test_a_server_without_starttls_gets_nothing(queues: Callable[..., Queue]) -> None:
    with running() as mail_server:
        put_off(queues(mail_server.url), "not_offered")
        assert not mail_server.handler.arrived.is_set()


def test_a_relay_on_this_machine_needs_no_starttls_if_that_is_said(queues: Callable[..., Queue]) -> None:
    with running() as mail_server:
        queues(mail_server.url, smtp_starttls=False).postman().deliver()
        assert len(mail_server.letters) == 1


def test_a_certificate_that_nobody_trusts_gets_nothing(certificate: Path, queues: Callable[..., Queue]) -> None:
    with running(certificate) as mail_server:
        put_off(queues(mail_server.url), "tls")
        assert not mail_server.handler.arrived.is_set()


def test_a_certificate_for_another_name_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queues: Callable[..., Queue]
) -> None:
    other = made_certificate(tmp_path / "other.pem", "mail.example.org")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    for smtps in (False, True):
        with running(other, smtps=smtps) as mail_server, pytest.raises(NotSent, match="tls"):
            SmtpServer(mail_server.url, None, starttls=True, name="example.com").send(_message())


def _message() -> Any:
    from keyturn.server.letters import message_of
    from keyturn.web.mails import Rendered

    return message_of(Rendered("s", "t", "h"), sender="a@example.com", to=EMAIL, message_id="1", now=0)


def test_a_wrong_password_is_put_off_and_in_no_log(
    trusted: Path, queues: Callable[..., Queue], caplog: pytest.LogCaptureFixture
) -> None:
    with running(trusted, signing_in=True) as mail_server:
        put_off(queues(mail_server.url, smtp_password="an old password of it"), "sign_in_refused")
        assert mail_server.tried
    assert "an old password" not in "".join(str(vars(record)) for record in caplog.records)


def test_a_refusal_for_now_is_tried_again_and_one_for_good_is_given_up(
    trusted: Path, queues: Callable[..., Queue], caplog: pytest.LogCaptureFixture
) -> None:
    with running(trusted) as mail_server:
        mail_server.handler.answers = ["450 try later", "451 try later", "550 no such mailbox"]
        found = queues(mail_server.url)
        postman = found.postman()
        tried = []
        for seconds in (0, 29, 1, 59, 1):
            found.clock.advance(seconds)
            postman.deliver()
            tried.append(found.waiting)
        assert tried == [[(1, "450")], [(1, "450")], [(2, "451")], [(2, "451")], []]
        assert mail_server.letters == []
    (given_up,) = [record for record in caplog.records if record.msg == "mail_given_up"]
    facts: dict[str, Any] = vars(given_up)["facts"]
    assert (given_up.levelname, facts["reason"], facts["attempts"]) == ("ERROR", "550", 3)


def test_a_message_that_is_refused_for_good_is_given_up(trusted: Path, queues: Callable[..., Queue]) -> None:
    with running(trusted) as mail_server:
        mail_server.handler.refusing = "554 unwanted"
        found = queues(mail_server.url)
        found.postman().deliver()
        assert found.waiting == []


def test_a_mail_is_tried_for_three_days_with_growing_delays(queues: Callable[..., Queue]) -> None:
    class Away:
        def send(self, message: Any) -> None:
            raise NotSent("connection")

    found, delays = queues("smtp://127.0.0.1"), []
    postman = replace(found.postman(), transport=Away())
    while waiting := rows(found.database, "mails"):
        found.clock.set(waiting[0]["next_at"])
        postman.deliver()
        delays += [(row["next_at"] - found.clock.now()) // SECOND for row in rows(found.database, "mails")]
    assert delays[:9] == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert set(delays[9:]) == {3600}
    assert GIVEN_UP_AFTER // SECOND - 3600 < sum(delays) <= GIVEN_UP_AFTER // SECOND


def hang(connection: socket.socket) -> None:
    connection.recv(1)


def drip(connection: socket.socket) -> None:
    never = threading.Event()
    while connection.send(b"2") and not never.wait(0.05):
        pass


def close_in_the_middle(connection: socket.socket) -> None:
    file = connection.makefile("rb")
    for answer in (b"220 hello\r\n", b"250 hello\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go on\r\n"):
        connection.sendall(answer)
        file.readline()


def talk_nonsense(connection: socket.socket) -> None:
    connection.sendall(b"\xff\x00 220 hello\r\n" * 3)


def be_endless(connection: socket.socket) -> None:
    connection.sendall(b"220-" + b"x" * 2_000_000)


@pytest.mark.parametrize(
    "script",
    [
        drip,
        close_in_the_middle,
        *(pytest.param(script, marks=pytest.mark.soak) for script in (hang, talk_nonsense, be_endless)),
    ],
)
def test_a_server_that_misbehaves_holds_nobody_up_and_the_mail_goes_out_later(
    queues: Callable[..., Queue], script: Callable[[socket.socket], None]
) -> None:
    with scripted(script) as url:
        found = queues(url, smtp_starttls=False)
        found.postman(step_seconds=0.3, whole_seconds=0.6).deliver()
        ((attempts, why),) = found.waiting
    assert attempts == 1
    assert why
    with running() as mail_server:
        found.clock.advance(30)
        found.postman(url=mail_server.url).deliver()
        assert len(mail_server.letters) == 1


def test_a_mail_that_may_have_been_taken_goes_out_again_under_the_same_id(queues: Callable[..., Queue]) -> None:
    with running() as mail_server:
        found = queues(mail_server.url, smtp_starttls=False)

        class Broken(SmtpServer):
            def send(self, message: Any) -> None:
                super().send(message)
                raise NotSent("connection")

        postman = found.postman()
        transport = postman.transport
        assert isinstance(transport, SmtpServer)
        broken = Broken(**{name: getattr(transport, name) for name in SmtpServer.__slots__})
        replace(postman, transport=broken).deliver()
        found.clock.advance(30)
        postman.deliver()
        first, second = mail_server.letters
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.token != second.token


def test_several_servers_over_one_database_send_a_mail_once(queues: Callable[..., Queue]) -> None:
    with running() as mail_server:
        found = queues(mail_server.url, smtp_starttls=False)
        for _ in range(5):
            found.wait()
        postmen = [threading.Thread(target=found.postman().deliver) for _ in range(4)]
        for postman in postmen:
            postman.start()
        for postman in postmen:
            postman.join(30)
        assert len({letter.message["Message-ID"] for letter in mail_server.letters}) == 6
        assert len(mail_server.letters) == 6
        assert found.waiting == []


def test_a_mail_in_dead_hands_is_taken_up_when_its_lease_has_run_out(queues: Callable[..., Queue]) -> None:
    with running() as mail_server:
        found = queues(mail_server.url, smtp_starttls=False)

        def die(message: Any) -> None:
            raise KeyboardInterrupt

        postman = found.postman()

        class Dying:
            send = staticmethod(die)

        with pytest.raises(KeyboardInterrupt):
            replace(postman, transport=Dying()).deliver()
        found.clock.advance(LEASE // SECOND - 1)
        postman.deliver()
        assert mail_server.letters == []
        found.clock.advance(1)
        postman.deliver()
        assert len(mail_server.letters) == 1


def test_a_mail_for_an_address_that_is_none_is_given_up(queues: Callable[..., Queue]) -> None:
    with running() as mail_server:
        found = queues(mail_server.url, smtp_starttls=False)
        context = found.context
        user = context.database.read(lambda tx: tx.users.find(EMAIL))
        assert user is not None
        for forged in ("a@b\r\nBcc: mallory@example.com", "nonsense", "a@b, c@d"):
            context.database.transact(
                lambda tx, to=forged: queue(context, tx, MailKind.EMAIL_CHANGED, to, user.user)  # type: ignore[misc]
            )
        found.postman().deliver()
        assert [letter.to for letter in mail_server.letters] == [EMAIL]
        assert found.waiting == []


def test_signing_in_and_refreshing_wait_for_no_mail_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, released = threading.Event(), threading.Event()

    def hang_and_tell(connection: socket.socket) -> None:
        asked.set()
        released.wait(20)

    monkeypatch.setattr("keyturn.server.postman.POLL_SECONDS", 0.05)
    with (
        scripted(hang_and_tell) as url,
        LiveServer(tmp_path / "data", smtp_url=url, mail_from="a@example.com") as server,
        Browser(server.url) as browser,
    ):
        browser.register()
        assert asked.wait(20)
        browser.login()
        assert browser.refresh().status_code == 200
        assert browser.call("POST", "/password/forgot", {"email": EMAIL}).status_code == 202
        released.set()


def test_the_server_sends_by_itself(tmp_path: Path) -> None:
    with (
        running() as mail_server,
        LiveServer(
            tmp_path / "data", smtp_url=mail_server.url, smtp_starttls=False, mail_from="a@example.com"
        ) as server,
        Browser(server.url) as browser,
    ):
        browser.register()
        eventually(lambda: bool(mail_server.letters), "no mail came")
