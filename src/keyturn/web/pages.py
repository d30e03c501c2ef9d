"""Every page, rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from keyturn.web.assets import Asset
from keyturn.web.texts import LANGUAGE, TEXTS, ago
from keyturn.web.views import Failure, Form, KeptMail, MailLink, ProviderLink, SignedIn, SignedOut


@dataclass(frozen=True, slots=True)
class Shared:
    """What is the same on every page.

    Attributes:
        refresh_path: where the script refreshes.
        refresh_timeout: seconds after which it gives a refresh up.
        password_min_length: characters, for the rules in words.
        providers: whose accounts one can sign in with.
    """

    refresh_path: str
    refresh_timeout: float
    password_min_length: int
    providers: Sequence[ProviderLink] = ()


class Pages:
    """Renders the pages; whatever people have typed is escaped.

    Args:
        shared: what is the same on every page.
        assets: the static files.
    """

    def __init__(self, shared: Shared, assets: list[Asset]) -> None:
        self.assets = assets
        self._templates = Environment(
            loader=PackageLoader("keyturn.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {"day": _day, "moment": moment, "ago": ago}
        static = {asset.name: asset.path for asset in assets}
        self._templates.globals |= {"site": shared, "static": static, "t": TEXTS, "language": LANGUAGE}

    def signed_in(self, view: SignedIn) -> str:
        """Who is signed in, and on which devices."""
        return self._render("signed_in.html", view=view)

    def signed_out(self, view: SignedOut) -> str:
        """Signing in, or signing up."""
        return self._render("signed_out.html", view=view)

    def moment(self, view: SignedOut) -> str:
        """A page that asks by its script whether anybody is signed in; without scripts, the form."""
        return self._render("moment.html", view=view)

    def forgot(self, form: Form, *, sent: bool = False) -> str:
        """Asking for a link to set a new password; or, once it was asked for, what happens next."""
        return self._render("forgot.html", form=form, sent=sent)

    def mail_link(self, view: MailLink) -> str:
        """What a link in a mail is for, and the button that does it."""
        return self._render("mail_link.html", view=view)

    def outbox(self, mails: Sequence[KeptMail]) -> str:
        """The mails that were kept instead of sent."""
        return self._render("outbox.html", mails=mails)

    def leaving(self, url: str) -> str:
        """A page that leads to a provider, by itself and by a link."""
        return self._render("leaving.html", url=url)

    def failure(self, view: Failure) -> str:
        """What went wrong, for errors that belong to no form."""
        return self._render("failure.html", view=view)

    def _render(self, template: str, **values: object) -> str:
        return self._templates.get_template(template).render(**values)


def _day(time: datetime) -> str:
    return f"{time.day} {time:%B %Y}"


def moment(time: datetime) -> str:
    """A time as people read it, to the minute."""
    return f"{_day(time)}, {time:%H:%M} UTC"
