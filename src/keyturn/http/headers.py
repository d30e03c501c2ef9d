"""Request headers as they came: a list of pairs of bytes, names in lower case, as in ASGI."""

from __future__ import annotations

from collections.abc import Sequence

RawHeaders = Sequence[tuple[bytes, bytes]]


def all_values(headers: RawHeaders, name: bytes) -> list[str]:
    """Every value of a header, in order. Bytes outside ASCII survive as Latin-1, and match nothing of ours."""
    return [value.decode("latin-1") for key, value in headers if key == name]


def single_value(headers: RawHeaders, name: bytes) -> str | None:
    """The value of a header that came exactly once; one that came twice means nothing certain and counts as empty."""
    values = [value for key, value in headers if key == name]
    if not values:
        return None
    return values[0].decode("latin-1") if len(values) == 1 else ""
