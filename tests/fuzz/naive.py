"""The same readings once more, as naively as possible: slow, obvious, and sharing no line with what they are compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any


class Refused(Exception):
    """The naive reader would refuse this as well."""


def cookies_called(name: bytes, header: bytes) -> list[bytes]:
    """The values of every cookie of a name, one character after the other."""
    values, piece = [], b""
    for position in range(len(header) + 1):
        character = header[position : position + 1]
        if character not in (b";", b""):
            piece += character
            continue
        while piece[:1] in (b" ", b"\t") and piece:
            piece = piece[1:]
        while piece[-1:] in (b" ", b"\t") and piece:
            piece = piece[:-1]
        if piece.startswith(name + b"="):
            values.append(piece[len(name) + 1 :])
        piece = b""
    return values


Prefixes = Sequence[tuple[int, str]]
"""Networks: how many bits their addresses have, and with which they begin."""


def _is_proxy(text: str, prefixes: Prefixes) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    bits = format(int(address), f"0{address.max_prefixlen}b")
    if address.version == 6 and bits.startswith("0" * 80 + "1" * 16):
        bits = bits[96:]
    return any(len(bits) == width and bits.startswith(prefix) for width, prefix in prefixes)


def client_address(peer: str, forwarded: Sequence[str], prefixes: Prefixes) -> str:
    """Whose address counts, told from the left: the last one that no proxy has, if it is an address at all."""
    if not _is_proxy(peer, prefixes):
        return peer
    client = peer
    for text in ",".join(forwarded).split(",") if forwarded else []:
        hop = text.strip(" \t")
        if _is_proxy(hop, prefixes):
            continue
        try:
            ip_address(hop)
            client = peer if "%" in hop else hop
        except ValueError:
            client = peer
    return client


Pairs = list[tuple[str, Any]]


class _Object:
    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs


def _refuse(text: str) -> None:
    raise Refused(text)


def _number(text: str) -> int:
    return int(text) if sum(character.isdigit() for character in text) <= 20 else _refuse(text)


def _size(value: Any, depth: int, max_depth: int) -> int:
    """How many members and elements there are in all; an empty object or array has one."""
    if isinstance(value, (list, _Object)) and depth == max_depth:
        raise Refused("too deep")
    inner = value.pairs if isinstance(value, _Object) else [("", element) for element in value]
    return max(1, len(inner)) + sum(
        _size(member, depth + 1, max_depth) for _, member in inner if isinstance(member, (list, _Object))
    )


def _plain(value: Any) -> Any:
    """The value, if it can be said in UTF-8, has no name twice and no number out of range."""
    if isinstance(value, _Object):
        names = [_plain(name) for name, _ in value.pairs]
        if len(set(names)) < len(names):
            raise Refused("a name twice")
        return {name: _plain(member) for name, member in value.pairs}
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, float) and abs(value) == float("inf"):
        raise Refused("infinite")
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise Refused("half a pair")
    return value


def strict_json(data: bytes, max_depth: int, max_members: int) -> Any:
    """JSON in UTF-8 within bounds, each rule on its own, after the parsing.

    Raises:
        Refused: it is not.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_Object, parse_int=_number, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from None
    if isinstance(value, (list, _Object)) and _size(value, 0, max_depth) > max_members:
        raise Refused("too many members")
    return _plain(value)


def seconds(text: str) -> int:
    """A duration in seconds.

    Raises:
        Refused: it is none.
    """
    factors = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
    number, factor = (text[:-1], factors[text[-1]]) if text[-1:] in factors else (text, 1)
    if not 1 <= len(number) <= 9 or any(character not in "0123456789" for character in number):
        raise Refused(text)
    return int(number) * factor
