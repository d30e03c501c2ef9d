"""What the pages show. Times are datetimes in UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from keyturn.core.model import Purpose


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it is to be filled in, or once more after an error.

    Attributes:
        values: what was typed, by field; never a password.
        errors: what is wrong with a field, by field.
        alert: what is wrong apart from any field.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    alert: str | None = None

    @property
    def failed(self) -> bool:
        return bool(self.errors) or self.alert is not None


@dataclass(frozen=True, slots=True)
class Notice:
    """Why somebody sees the sign-in page who was signed in before, and what to do about it."""

    why: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class ProviderLink:
    """Somebody whose accounts one can sign in with.

    Attributes:
        name: in the settings.
        label: what people call it.
        start: where to go.
    """

    name: str
    label: str
    start: str


@dataclass(frozen=True, slots=True)
class Connected:
    """A provider's account that opens this one.

    Attributes:
        email: by which its owner recognises it.
        provider: its name in the settings, if it is still there.
    """

    id: str
    label: str
    email: str | None
    since: datetime
    provider: str | None


@dataclass(frozen=True, slots=True)
class SignedOut:
    """The sign-in page, or the sign-up page.

    Attributes:
        form: what it asks for.
        signing_up: which of the two it is.
        registration_open: whether the one leads to the other.
        return_to: a path on this site, to go to afterwards.
    """

    form: Form = field(default_factory=Form)
    signing_up: bool = False
    registration_open: bool = False
    notice: Notice | None = None
    return_to: str | None = None

    @property
    def more_query(self) -> str:
        """For links that have a query already."""
        return f"&return_to={quote(self.return_to, safe='')}" if self.return_to else ""

    @property
    def query(self) -> str:
        """For links to the other page."""
        return f"?return_to={quote(self.return_to)}" if self.return_to else ""


@dataclass(frozen=True, slots=True)
class Device:
    """One of the sessions of whoever is signed in.

    Attributes:
        last_used: to the hour.
        current: whether it is the one that asks.
    """

    id: str
    label: str
    address: str
    signed_in: datetime
    last_used: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The page of whoever is signed in.

    Attributes:
        now: when the page is made.
        expires_in: seconds until the page needs the next access token.
        forms: that change the account: profile, email, password, close; and verification, the button that sends a link for their
            address, with `sent` among its values once it was sent.
        return_to: a path on this site that somebody came from.
        saved: what was changed a moment ago, in words.
        has_password: whether forms ask for one; otherwise a fresh sign-in is needed.
        connected: what else opens the account.
    """

    email: str
    email_verified: bool
    username: str | None
    full_name: str | None
    roles: Sequence[str]
    member_since: datetime
    devices: Sequence[Device]
    now: datetime
    expires_in: float
    forms: Mapping[str, Form]
    return_to: str | None = None
    saved: str | None = None
    has_password: bool = True
    connected: Sequence[Connected] = ()

    def form(self, name: str) -> Form:
        return self.forms.get(name, Form())

    @property
    def name(self) -> str:
        return self.full_name or self.username or self.email


@dataclass(frozen=True, slots=True)
class MailLink:
    """The page that a link in a mail leads to.

    Attributes:
        purpose: what its button does.
        token: of the link.
        done: whether it was done.
        stale: whether the link is not good any more.
        signed_out: whether one has to sign in to the account first.
        somebody_else: whether one is signed in to another account.
        form: what it asks for.
    """

    purpose: Purpose
    token: str = field(default="", repr=False)
    done: bool = False
    stale: bool = False
    signed_out: bool = False
    somebody_else: bool = False
    form: Form = field(default_factory=Form)


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail that was kept instead of sent, for the page that shows them."""

    to: str
    subject: str
    date: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Failure:
    """A page that says what went wrong.

    Attributes:
        request_id: to report, where it is our fault.
    """

    status: int
    title: str
    text: str
    request_id: str | None = None
