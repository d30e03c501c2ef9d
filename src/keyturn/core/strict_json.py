"""JSON that means one thing to everybody who reads it.

The standard library is lenient where parsers differ: it keeps the last of two members with one name, reads NaN, and
makes strings that no UTF-8 can spell. What is accepted here is I-JSON (RFC 7493) within bounds, so that neither a
signature nor a limit is decided on one reading and used on another.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator

MAX_DIGITS = 20
"""No integer that we exchange has more: 64 bits fit."""

# A string (closed or not: the parser decides that) or one sign of structure. Possessive, hence linear in the input.
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{},]', re.DOTALL)


class NotStrictJson(ValueError):
    """The bytes are not strict JSON within the bounds. The message says why and quotes nothing."""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("two members have one name")
    return members


def _integer(digits: str) -> int:
    if len(digits.removeprefix("-")) > MAX_DIGITS:
        raise NotStrictJson("a number has too many digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotStrictJson("a number is out of range")
    return number


def _constant(name: str) -> object:
    raise NotStrictJson(f"{name} is not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_float, parse_constant=_constant
)


def strings(value: object) -> Iterator[str]:
    """Every string in a parsed value, the names of members included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list):
        for element in value:
            yield from strings(element)


def _check_bounds(data: bytes, max_depth: int, max_members: int) -> None:
    """Count before parsing, since the parser recurses. Signs inside strings count only if the quick count is too high."""
    openings = data.count(b"{") + data.count(b"[")
    if openings <= max_depth and openings + data.count(b",") <= max_members:
        return
    depth = members = 0
    for match in _STRUCTURE.finditer(data):
        sign = match[0]
        if sign in b"}]":
            depth -= 1
        elif not sign.startswith(b'"'):
            members += 1
            depth += sign != b","
        if depth > max_depth:
            raise NotStrictJson("the nesting is too deep")
        if members > max_members:
            raise NotStrictJson("there are too many members")


def parse(data: bytes, *, max_depth: int, max_members: int) -> object:
    """Read a JSON text (RFC 8259), strictly.

    Refused are: anything but UTF-8 without a byte order mark, two members with one name in any object, a lone surrogate in
    any string, NaN and the infinities, integers of more than `MAX_DIGITS` digits, floats that overflow.

    Args:
        data: the bytes; whoever calls has bounded their number.
        max_depth: how many arrays and objects may be nested in each other.
        max_members: how many members of objects and elements of arrays there may be, all together; an empty array or
            object counts as having one.

    Returns:
        What the standard library makes of it: dict, list, str, int, float, bool or None.

    Raises:
        NotStrictJson: and nothing else.
    """
    _check_bounds(data, max_depth, max_members)
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
    except NotStrictJson:
        raise
    except ValueError:
        # The original names the position and holds the text, which may be a secret.
        raise NotStrictJson("it is not JSON in UTF-8") from None
    if b"\\u" in data:
        _check_surrogates(value)
    return value


def _check_surrogates(value: object) -> None:
    try:
        for string in strings(value):
            string.encode("utf-8")
    except UnicodeEncodeError:
        raise NotStrictJson("a string holds half a surrogate pair") from None
