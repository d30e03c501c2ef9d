"""Sending what waits: claims each mail that is due, writes it, hands it over, and tries again later if it was not taken.

Several servers may do so over one database. A claim is a compare-and-swap with a lease, so each mail is in one pair of hands;
should these die, others take it up when the lease has run out. Whether a mail was taken by the mail server in that very moment
nobody can know (RFC 5321, 4.5.3.2.6): then it goes out twice, under one Message-ID, rather than never.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Protocol
from urllib.parse import urlsplit

from keyturn.core.model import SECOND, Mail, Micros, Purpose
from keyturn.errors import KeyturnError
from keyturn.server.smtp import WHOLE_SECONDS, NotSent
from keyturn.service.context import Context
from keyturn.service.events import record
from keyturn.service.mail import PURPOSES, Letter, claim
from keyturn.web.mails import Mails, MailView

_log = logging.getLogger("keyturn.errors")

POLL_SECONDS = 1.0
BATCH = 20
LEASE: Micros = int(3 * WHOLE_SECONDS) * SECOND
FIRST_DELAY, LAST_DELAY = 30 * SECOND, 3600 * SECOND
"""How long after an attempt that failed the next one comes: doubled each time, up to an hour."""

GIVEN_UP_AFTER: Micros = 3 * 86_400 * SECOND
"""How long a mail is tried."""

PATHS: Mapping[Purpose, str] = {
    Purpose.VERIFY_EMAIL: "/verify-email",
    Purpose.RESET_PASSWORD: "/reset-password",
    Purpose.END_SESSIONS: "/was-it-you",
}
"""Where the pages are that links lead to; the token follows."""


class Transport(Protocol):
    """Takes messages."""

    def send(self, message: EmailMessage) -> None:
        """Take a message.

        Raises:
            NotSent
        """
        ...


@dataclass(frozen=True, slots=True)
class Postman:
    """Sends the mails that wait.

    Attributes:
        sender: whom they come from.
        mails: writes them.
        transport: takes them.
    """

    context: Context
    sender: Callable[[], str]
    mails: Mails
    transport: Transport

    def run(self, stopping: threading.Event) -> None:
        """Send what is due, again and again, until told to stop; whatever becomes of it: a database that is away comes back."""
        while not stopping.wait(POLL_SECONDS):
            try:
                while self.deliver(stopping) == BATCH and not stopping.is_set():
                    pass
            except KeyturnError as error:
                _log.warning("background", extra={"facts": {"code": error.code}})
            except Exception:
                _log.exception("background")

    def deliver(self, stopping: threading.Event | None = None) -> int:
        """Try each mail that is due once, a batch of them; the number of those that were due.

        Raises:
            StoreUnavailable
        """
        due = self.context.database.read(lambda tx: tx.mails.due(BATCH))
        for mail in due:
            if stopping is not None and stopping.is_set():
                break
            letter = claim(self.context, mail, LEASE)
            if letter is not None:
                self._send(letter)
        return len(due)

    def _send(self, letter: Letter) -> None:
        mail = letter.mail
        try:
            self.transport.send(self._message(letter))
        except NotSent as error:
            self._failed(mail, error)
        except Exception:
            _log.exception("background")
            self._failed(mail, NotSent("error"))
        else:
            self.context.database.transact(lambda tx: tx.mails.delete(mail.id))
            self.context.metrics.mailed("sent")
            record("mail_sent", mail=mail.id, kind=mail.kind, user=letter.user.id)

    def _failed(self, mail: Mail, error: NotSent) -> None:
        facts = {
            "mail": mail.id,
            "kind": mail.kind,
            "user": mail.user_id,
            "reason": error.why,
            "attempts": mail.attempts,
        }
        now = self.context.database.read(lambda tx: tx.now)
        delay = min(LAST_DELAY, FIRST_DELAY << min(mail.attempts - 1, 16))
        if error.for_good or now + delay > mail.created_at + GIVEN_UP_AFTER:
            self.context.database.transact(lambda tx: tx.mails.delete(mail.id))
            self.context.metrics.mailed("given_up")
            record("mail_given_up", level=logging.ERROR, **facts)
            return
        later = replace(mail, next_at=now + delay, last_error=error.why)
        self.context.database.transact(lambda tx: tx.mails.put_off(later))
        self.context.metrics.mailed("put_off")
        record("mail_put_off", level=logging.WARNING, **facts)

    def _message(self, letter: Letter) -> EmailMessage:
        # Only for a mail, in the thread that sends it: a start waits for neither headers nor addresses of mails.
        from keyturn.server.letters import message_of

        mail, user, issuer = letter.mail, letter.user, self.context.tokens.issuer
        at = mail.facts.get("at")
        view = MailView(
            kind=mail.kind,
            site=urlsplit(issuer).netloc,
            # The address of this service is a setting: nothing of the request that led to the mail is in its link.
            link=f"{issuer}{PATHS[PURPOSES[mail.kind]]}/{letter.token}",
            token=letter.token,
            expires_in=letter.expires_in // SECOND,
            name=user.full_name or user.username or "",
            device=mail.facts.get("device", ""),
            address=mail.facts.get("address", ""),
            when=datetime.fromtimestamp(int(at) // SECOND, UTC) if at else None,
        )
        return message_of(
            self.mails.render(view),
            sender=self.sender(),
            to=letter.to,
            message_id=f"{mail.created_at}.{mail.id}",
            now=self.context.clock.now(),
        )
