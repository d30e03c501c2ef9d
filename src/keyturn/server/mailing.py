"""What sends mail, as the settings say, and the thread that it has to itself: no request ever waits for it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parseaddr
from urllib.parse import urlsplit

import anyio.to_thread

from keyturn.server.outbox import Outbox
from keyturn.server.postman import Postman, Transport
from keyturn.server.schemas import revealed
from keyturn.server.settings import Settings
from keyturn.server.smtp import SmtpServer
from keyturn.service.context import Context
from keyturn.web.mails import Mails

_FAREWELL_SECONDS = 2.0
"""How long a stop waits for a mail that is on its way; one that takes longer is sent again when its lease has run out."""


def outbox_of(settings: Settings) -> Outbox | None:
    """Where mails are kept; none: a mail server takes them."""
    return Outbox(settings.data_dir / "outbox") if settings.smtp_url is None else None


def open_postman(settings: Settings, context: Context) -> Postman:
    """Whoever sends the mails of a server.

    Raises:
        SettingsError: a template cannot be used.
    """
    host = urlsplit(context.tokens.issuer).hostname or "localhost"
    # An address of an IP literal is none that a mail could come from.
    domain = host if host[-1].isalpha() and "." in host else "keyturn.test"
    sender = settings.mail_from or f"Keyturn <no-reply@{domain}>"
    return Postman(context, sender, Mails(settings.mail_templates), _transport(settings, sender))


def _transport(settings: Settings, sender: str) -> Transport:
    outbox = outbox_of(settings)
    if outbox is not None:
        return outbox
    name = parseaddr(sender)[1].rpartition("@")[2].encode("idna").decode()
    return SmtpServer(settings.smtp_url or "", revealed(settings.smtp_password), settings.smtp_starttls, name)


@asynccontextmanager
async def delivering(postman: Postman) -> AsyncIterator[None]:
    """Send mails meanwhile."""
    stopping = threading.Event()
    thread = threading.Thread(target=postman.run, args=(stopping,), name="keyturn mail", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        await anyio.to_thread.run_sync(thread.join, _FAREWELL_SECONDS)
