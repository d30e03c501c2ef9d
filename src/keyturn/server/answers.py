"""What the pages' handlers answer: a page, the way home, or a form once more with what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from keyturn.errors import CurrentPasswordWrong, EmailTaken, InvalidInput, KeyturnError, UsernameTaken
from keyturn.http.problems import InvalidRequest, problem_of
from keyturn.http.security import SITE_POLICY
from keyturn.server.calls import Document, Reply
from keyturn.web.views import Form

HOME = "/"
_REPEATED = ("login", "email", "username", "full_name", "remember")
"""What a form shows again after an error; never a password."""

_FIELDS = frozenset({"login", "email", "username", "full_name", "password", "current_password", "new_password"})
"""What has a place beside it for what is wrong with it."""


def document(html: str, *, referrer: str = "same-origin") -> Document:
    """A page, with the headers of pages.

    Args:
        referrer: what browsers tell of where they were. By default a form's own origin is told to us, and nothing to anybody
            else: with `no-referrer` browsers send forms with `Origin: null`.
    """
    return Document(html, {"content-security-policy": SITE_POLICY, "referrer-policy": referrer})


def home(*cookies: str, return_to: str | None = None, reason: str | None = None, saved: str | None = None) -> Reply:
    """The way to the first page.

    Args:
        cookies: to set on the way.
        return_to: a path on this site to go to instead.
        reason: why nobody is signed in any more, for the page to say.
        saved: what was changed, for the page to say; one of `words.SAVED`.
    """
    said = urlencode([(name, value) for name, value in (("reason", reason), ("saved", saved)) if value])
    first = f"{HOME}?{said}" if said else HOME
    return Reply(303, headers={"location": return_to or first}, cookies=cookies)


def refused(again: Reply, error: KeyturnError) -> Reply:
    """A page with the form once more, under the status of what is wrong; a fault of ours is no business of a form.

    Raises:
        KeyturnError: that fault.
    """
    problem = problem_of(error)
    if problem.status >= 500 and "retry-after" not in problem.headers:
        raise error
    return again._replace(status=problem.status, headers=problem.headers)


def filled_in(typed: Mapping[str, str], error: KeyturnError) -> Form:
    """The form once more: what was typed, but no password, and what is wrong."""
    match error:
        case InvalidInput():
            problems = [(error.field, str(error))]
        case InvalidRequest():
            problems = list(error.fields)
        case EmailTaken():
            problems = [("email", str(error))]
        case UsernameTaken():
            problems = [("username", str(error))]
        case CurrentPasswordWrong():
            problems = [("current_password", str(error))]
        case _:
            problems = []
    fields = {field: message for field, message in problems if field in _FIELDS}
    others = [f"{field}: {message}" for field, message in problems if field not in _FIELDS]
    alert = " ".join(others) if problems else str(error)
    return Form({name: typed[name] for name in _REPEATED if name in typed}, fields, alert or None)
