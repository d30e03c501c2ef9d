"""A mail as it goes out: text and HTML in one message, which says of itself that a machine wrote it."""

from __future__ import annotations

from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from email_validator import EmailNotValidError, validate_email

from keyturn.core.model import SECOND, Micros
from keyturn.server.smtp import NotSent
from keyturn.web.mails import Rendered


def message_of(rendered: Rendered, *, sender: str, to: str, message_id: str, now: Micros) -> EmailMessage:
    """A message that is ready to be sent.

    Args:
        rendered: what it says.
        sender: an address, maybe with a name before it.
        to: an address.
        message_id: what tells it from all others; the same for every attempt, so that a mail that came twice can be known.
        now: microseconds since the epoch, for its date.

    Raises:
        NotSent: no mail server could be asked to send to such an address.
    """
    name, address = parseaddr(sender)
    domain = _domain_in_ascii(address)
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(name, addr_spec=domain)
    message["To"] = Address(addr_spec=_domain_in_ascii(to))
    message["Subject"] = rendered.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(now // SECOND, UTC))
    message["Message-ID"] = f"<{message_id}@{domain.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answers it
    message.set_content(rendered.text, cte="quoted-printable")
    message.add_alternative(rendered.html, subtype="html", cte="quoted-printable")
    # No text in quoted-printable holds it (RFC 2045, 6.7); left to itself, the library would draw one at random.
    message.set_boundary(f"=_{message_id}")
    return message


def _domain_in_ascii(address: str) -> str:
    """The address with its domain as name servers know it: only a local part beyond ASCII needs SMTPUTF8 (RFC 6531)."""
    try:
        checked = validate_email(address, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError):
        raise NotSent("bad_address", for_good=True) from None
    return checked.ascii_email or checked.normalized
