"""Request headers as they came: pairs of bytes, names in lower case, as in ASGI. They are read once and then asked by name."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

RawHeaders = Sequence[tuple[bytes, bytes]]


class Headers:
    """The headers of one request. Their values, cookies and tokens among them, are in no repr.

    Bytes outside ASCII survive as Latin-1, and match nothing of ours.

    Args:
        raw: in the order in which they came.
    """

    __slots__ = ("_is_plain", "_one", "_raw")

    def __init__(self, raw: RawHeaders) -> None:
        self._raw = raw
        self._one = dict(raw)
        self._is_plain = len(self._one) == len(raw)  # no name came twice

    def __len__(self) -> int:
        return len(self._raw)

    def __contains__(self, name: bytes) -> bool:
        return name in self._one

    @property
    def size(self) -> int:
        """Of all names and values, in bytes."""
        return sum(map(len, chain.from_iterable(self._raw)))

    def lines(self, name: bytes) -> list[bytes]:
        """Every value of a header, in order, byte for byte."""
        if name not in self._one:
            return []
        if self._is_plain:
            return [self._one[name]]
        return [value for key, value in self._raw if key == name]

    def all(self, name: bytes) -> list[str]:
        """Every value of a header, in order."""
        return [value.decode("latin-1") for value in self.lines(name)]

    def single(self, name: bytes) -> str | None:
        """The value of a header that came exactly once; one that came twice means nothing certain and counts as empty."""
        value = self._one.get(name)
        if value is None:
            return None
        return value.decode("latin-1") if self._is_plain or len(self.lines(name)) == 1 else ""
