"""Every mail, rendered as text and as HTML. What people have typed is escaped, and stays on one line."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined, select_autoescape
from jinja2 import TemplateError as _TemplateError

from keyturn.errors import SettingsError
from keyturn.web.pages import moment
from keyturn.web.texts import LANGUAGE, MAILS, TEXTS, MailText, lasting

_NOT_ON_A_LINE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class MailView:
    """What a mail shows.

    Attributes:
        kind: which of the mails it is: the name of its texts, and of its templates.
        site: the host of this service.
        link: the address of the page that it leads to.
        token: the one-time token in that link, for templates with a page of their own.
        expires_in: seconds until that is worth nothing.
        name: of whoever gets it; anybody may have typed it.
        device: that something was done from; empty: it tells of none.
        when: something was done; none: it tells of nothing.
    """

    kind: str
    site: str
    link: str = field(repr=False)
    token: str = field(repr=False)
    expires_in: int
    name: str = ""
    device: str = ""
    address: str = ""
    when: datetime | None = None


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail, but for its addresses."""

    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)


class Mails:
    """Renders mails.

    For a mail of the kind `reset`, the templates are `reset.subject.txt`, `reset.txt` and `reset.html`, where the directory of an
    operator has them; otherwise those of all kinds, `mail.txt` and so on, there or here.

    Args:
        overrides: a directory with templates that come first.
    """

    def __init__(self, overrides: Path | None = None) -> None:
        self._templates = _environment(overrides)
        if overrides is not None:
            self._check()

    def render(self, view: MailView) -> Rendered:
        """Write a mail."""
        view = replace(view, name=_one_line(view.name), device=_one_line(view.device), address=_one_line(view.address))
        says = _filled(MAILS[view.kind], site=view.site, lasting=lasting(view.expires_in))
        subject, text, html = (self._render(part, view, says) for part in ("subject.txt", "txt", "html"))
        return Rendered(_one_line(subject).strip(), text, html)

    def _render(self, part: str, view: MailView, says: MailText) -> str:
        template = self._templates.select_template([f"{view.kind}.{part}", f"mail.{part}"])
        return template.render(mail=view, says=says)

    def _check(self) -> None:
        """Find what is wrong with an operator's templates when the server starts, and not when somebody waits for a mail."""
        sample = MailView("", "example.com", "https://example.com/", "token", 3600, when=datetime(2026, 1, 1))  # noqa: DTZ001
        for kind in MAILS:
            try:
                self.render(replace(sample, kind=kind))
            except _TemplateError as error:
                raise SettingsError(f"A template of the mail {kind} cannot be used: {error}.") from error


@cache
def _environment(overrides: Path | None) -> Environment:
    ours = PackageLoader("keyturn.web", "templates/mail")
    templates = Environment(
        loader=ours if overrides is None else ChoiceLoader([FileSystemLoader(overrides), ours]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters["moment"] = moment
    templates.globals |= {"t": TEXTS, "language": LANGUAGE}
    return templates


def _one_line(text: str) -> str:
    return _NOT_ON_A_LINE.sub(" ", text)


def _filled(says: MailText, **values: str) -> MailText:
    return MailText(
        says.subject.format(**values),
        says.text.format(**values),
        says.button,
        says.advice.format(**values),
    )
