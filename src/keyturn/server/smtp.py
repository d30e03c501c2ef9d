"""Handing a message to a mail server: over TLS whose certificate is checked, and never for longer than a minute."""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

STEP_SECONDS = 10.0
WHOLE_SECONDS = 60.0
"""How long the mail server may take for one answer, and for all of them together."""

_SUBMISSION, _SUBMISSIONS = 587, 465


class NotSent(Exception):
    """A message was not taken, or nobody knows whether it was.

    Attributes:
        why: in a word, for the log: an SMTP code, or what did not work. Nothing that the mail server said in words.
        for_good: whether it would be refused again.
    """

    def __init__(self, why: str, *, for_good: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.for_good = for_good


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server that takes our messages.

    Attributes:
        url: `smtp://user@host:port`, or `smtps://` for one that speaks TLS from the start.
        starttls: whether it must offer STARTTLS; never asked for with smtps.
        name: what we call ourselves (EHLO).
    """

    url: str
    password: str | None = field(repr=False)
    starttls: bool
    name: str
    step_seconds: float = STEP_SECONDS
    whole_seconds: float = WHOLE_SECONDS

    def send(self, message: EmailMessage) -> None:
        """Hand a message over.

        Raises:
            NotSent
        """
        with _told_apart(), closing(self._connected()) as smtp:
            self._introduce(smtp)
            smtp.send_message(message)
            # It is taken now, whatever becomes of the farewell.
            with suppress(smtplib.SMTPException, OSError):
                smtp.quit()

    def _connected(self) -> _Watched:
        url = urlsplit(self.url)
        host, timeout = url.hostname or "", self.step_seconds
        if url.scheme == "smtp":
            return _Watched(self.whole_seconds, host, url.port or _SUBMISSION, self.name, timeout=timeout)
        port, context = url.port or _SUBMISSIONS, ssl.create_default_context()
        return _WatchedOverTls(self.whole_seconds, host, port, self.name, timeout=timeout, context=context)

    def _introduce(self, smtp: smtplib.SMTP) -> None:
        url = urlsplit(self.url)
        if url.scheme == "smtp" and self.starttls:
            smtp.starttls(context=ssl.create_default_context())
        if url.username and self.password is not None:
            smtp.login(unquote(url.username), self.password)


class _Watched(smtplib.SMTP):
    """A connection that is cut when its time is up: the limit of a socket begins anew with every byte."""

    def __init__(self, whole_seconds: float, *args: Any, **more: Any) -> None:
        self._watchdog = threading.Timer(whole_seconds, self._cut)
        self._watchdog.daemon = True
        self._watchdog.start()
        try:
            super().__init__(*args, **more)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._watchdog.cancel()
        super().close()

    def _cut(self) -> None:
        with suppress(OSError):
            if self.sock is not None:
                self.sock.shutdown(socket.SHUT_RDWR)


class _WatchedOverTls(_Watched, smtplib.SMTP_SSL):
    pass


@contextmanager
def _told_apart() -> Iterator[None]:
    try:
        yield
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise _not_sent(error) from None


def _not_sent(error: Exception) -> NotSent:
    """What went wrong, in a word; an answer of 500 to 599 about the message or its recipient is for good (RFC 5321, 4.2.1)."""
    match error:
        case smtplib.SMTPRecipientsRefused():
            code = next(iter(error.recipients.values()))[0]
            return NotSent(str(code), for_good=code >= 500)
        case smtplib.SMTPDataError():
            return NotSent(str(error.smtp_code), for_good=error.smtp_code >= 500)
        case smtplib.SMTPAuthenticationError():
            return NotSent("sign_in_refused")
        case smtplib.SMTPNotSupportedError():
            return NotSent("not_offered")
        case smtplib.SMTPResponseException():
            return NotSent(str(error.smtp_code))
        case ssl.SSLError():
            return NotSent("tls")
        case TimeoutError():
            return NotSent("timeout")
    return NotSent("connection")
