"""A dictionary that does not change: what several requests may share, and every encoder writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn


class FrozenDict(dict[str, object]):
    """A dict, and no read-only view of one: `json`, pydantic, `copy` and `dataclasses.asdict` know what to do with it."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("This dictionary does not change; dict(…) makes a copy that does.")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[str, object]]]:
        return FrozenDict, (dict(self),)  # or else a copy would be filled item by item


def frozen(value: object) -> object:
    """A value as JSON has them, which nobody can change: dictionaries and lists in it neither."""
    if isinstance(value, Mapping):
        return FrozenDict({name: frozen(member) for name, member in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(frozen(element) for element in value)
    return value
