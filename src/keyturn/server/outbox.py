"""Where mails go without a mail server: files in the data directory, for its user alone."""

from __future__ import annotations

import os
from email import message_from_bytes
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path

from keyturn.core.identity import canonical_email
from keyturn.server.settings import Settings
from keyturn.stores.keys import ensure_private_directory
from keyturn.web.views import KeptMail

OUTBOX = "outbox"
"""The directory where mails are kept, in the data directory."""

KEPT = 200
"""How many of them there are at most: the oldest go first."""


class Outbox:
    """A directory of mails, one a file.

    Args:
        directory: made when the first is kept.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def send(self, message: EmailMessage) -> None:
        """Keep a message. One that was kept already, as its id tells, takes its own place."""
        ensure_private_directory(self.directory)
        name = str(message["Message-ID"]).strip("<>").partition("@")[0]
        target = self.directory / f"{name}.eml"
        scratch = target.with_suffix(".part")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(bytes(message))
        scratch.replace(target)
        for old in self._files()[KEPT:]:
            old.unlink(missing_ok=True)

    def newest(self, limit: int) -> list[KeptMail]:
        """At most so many of the mails, the newest first."""
        return [_kept(file) for file in self._files()[:limit]]

    def forget(self, email: str) -> None:
        """Delete every mail to an address."""
        wanted = canonical_email(email)
        for file in self._files():
            if canonical_email(parseaddr(_kept(file).to)[1]) == wanted:
                file.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        found = [(file.stat().st_mtime_ns, file) for file in self.directory.glob("*.eml")]
        return [file for _, file in sorted(found, reverse=True)]


def _kept(file: Path) -> KeptMail:
    # Only to read one: the headers of mails take long to load.
    from email.policy import SMTP

    message = message_from_bytes(file.read_bytes(), _class=EmailMessage, policy=SMTP)
    body = message.get_body(("plain",))
    text = body.get_content() if body is not None else ""
    return KeptMail(str(message["To"]), str(message["Subject"]), str(message["Date"]), text)


def outbox_of(settings: Settings) -> Outbox | None:
    """Where mails are kept; none: a mail server takes them."""
    return Outbox(settings.data_dir / OUTBOX) if settings.smtp_url is None else None
