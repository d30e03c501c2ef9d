"""Where Keyturn has no pages of its own: whoever fails to sign in with a provider comes back to where they began, with a reason.

An address says only what anybody may know: the path is one on this site, and the reason one of our own codes, never a word of the
provider's or of whoever wrote the link.
"""

from __future__ import annotations

from urllib.parse import unquote_plus

from keyturn.errors import KeyturnError, NotFound, ProviderError
from keyturn.http.problems import STATUS, InvalidRequest
from keyturn.server.answers import HOME
from keyturn.server.calls import Incoming, Reply
from keyturn.service.events import record

_MISTAKES = (NotFound, InvalidRequest)
"""Of whoever wrote the link: there was no way that could lead back."""


def sent_back(incoming: Incoming, error: KeyturnError, return_to: str | None) -> Reply:
    """The way back to where somebody began, with the code of an error.

    Args:
        incoming: who is told. A script, which asks for no page, gets the problem itself.
        error: what went wrong.
        return_to: a path on this site; none: nobody knows it.

    Raises:
        KeyturnError: the same error, for whoever is better told the problem itself.
    """
    asks = any("text/html" in accepted for accepted in incoming.headers.all(b"accept"))
    if not asks or type(error) not in STATUS or isinstance(error, _MISTAKES):
        raise error
    if not isinstance(error, ProviderError):  # those were recorded with their reason
        record("authn_provider_fail", provider=incoming.path["name"], why=error.code)
    return Reply(303, headers={"location": with_error(return_to or HOME, error.code)})


def with_error(path: str, code: str) -> str:
    """A path with `error=code` in its query; whatever it had of that name is gone.

    Args:
        path: on this site, with or without query and fragment.
        code: of letters and underscores.
    """
    address, hash_, fragment = path.partition("#")
    place, _, query = address.partition("?")
    fields = [part for part in query.split("&") if part and unquote_plus(part.partition("=")[0]) != "error"]
    return f"{place}?{'&'.join([*fields, f'error={code}'])}{hash_}{fragment}"
