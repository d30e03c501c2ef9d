"""What sends mail, as the settings say, and the thread that it has to itself: no request ever waits for it."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import parseaddr
from functools import cache, partial
from pathlib import Path
from urllib.parse import urlsplit

import anyio.to_thread

from keyturn.core.identity import clean_email
from keyturn.errors import InvalidInput
from keyturn.ports import Clock, Entropy, fresh_id
from keyturn.server.outbox import outbox_of
from keyturn.server.postman import Postman, Transport
from keyturn.server.settings import Settings
from keyturn.server.settings_fields import revealed
from keyturn.server.smtp import SmtpServer
from keyturn.service.context import Context
from keyturn.stores.keys import ensure_private_directory
from keyturn.web.mails import Mails, MailView

_FAREWELL_SECONDS = 2.0
"""How long a stop waits for a mail that is on its way; one that takes longer is sent again when its lease has run out."""


def open_postman(settings: Settings, context: Context) -> Postman:
    """Whoever sends the mails of a server.

    Raises:
        SettingsError: a template cannot be used.
    """
    sender = cache(partial(_sender, settings, context.tokens.issuer))
    return Postman(context, sender, Mails(settings.mail_templates), _transport(settings, sender))


def send_test(settings: Settings, to: str, *, clock: Clock, entropy: Entropy) -> Path | None:
    """Send a mail that tells of nothing; where it was kept, without a mail server.

    Raises:
        NotSent
        SettingsError: a template cannot be used, or a server would not start.
    """
    # As for the postman: only for a mail.
    from keyturn.server.letters import message_of

    issuer = settings.issuer_for(settings.port)
    sender = _sender(settings, issuer)
    view = MailView("test", site=urlsplit(issuer).netloc, link=issuer, token="", expires_in=0)
    rendered = Mails(settings.mail_templates).render(view)
    now = clock.now()
    message = message_of(rendered, sender=sender, to=to, message_id=f"{now}.{fresh_id(entropy)}", now=now)
    outbox = outbox_of(settings)
    if outbox is not None:
        ensure_private_directory(settings.data_dir)
    _transport(settings, lambda: sender).send(message)
    return outbox.directory if outbox is not None else None


def _sender(settings: Settings, issuer: str) -> str:
    try:
        return settings.mail_from or f"Keyturn <{clean_email(f'no-reply@{urlsplit(issuer).hostname}')}>"
    except InvalidInput:  # a network address, or a name that no mail could come from, such as auth.corp.local
        return "Keyturn <no-reply@keyturn.test>"


def _transport(settings: Settings, sender: Callable[[], str]) -> Transport:
    outbox = outbox_of(settings)
    if outbox is not None:
        return outbox
    name = parseaddr(sender())[1].rpartition("@")[2].encode("idna").decode()
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
