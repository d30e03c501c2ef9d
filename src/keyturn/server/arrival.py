"""What the address of a sign-in page says: why somebody comes there, and where they were before."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

_MAX_FIELDS = 16
_PATH = re.compile(r"/[!-~]{0,2047}")
_LEADS_AWAY = re.compile(r"//|[\\\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Arrival:
    """How somebody comes to a page.

    Attributes:
        reason: why their session ended, as its link says; anybody may have written that link.
        return_to: a path on this site, to go back to.
        saved: what was changed a moment ago, as the answer to a form says; anybody may have written that, too.
    """

    reason: str | None = None
    return_to: str | None = None
    saved: str | None = None


def fields_of(query: bytes) -> Mapping[str, str]:
    """The fields of the query of an address; none if it is malformed, or one comes twice.

    Args:
        query: as it was sent.
    """
    try:
        pairs = parse_qsl(query.decode("ascii"), errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        return {}
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else {}


def arrival_of(query: bytes) -> Arrival:
    """Read the query of a page's address; whatever is malformed, or comes twice, says nothing.

    Args:
        query: as it was sent.
    """
    fields = fields_of(query)
    return Arrival(fields.get("reason"), path_on_this_site(fields.get("return_to", "")), fields.get("saved"))


def path_on_this_site(text: str) -> str | None:
    """The text, if every browser takes it for a path on the site that sends it (CWE-601); else none.

    Scheme and host are refused, and so is what some program on the way might take for one: two slashes in a row, a backslash,
    a control character, be they escaped or not.
    """
    if not _PATH.fullmatch(text) or "\\" in text:
        return None
    path = unquote(re.split("[?#]", text)[0])
    return None if _LEADS_AWAY.search(path) else text
