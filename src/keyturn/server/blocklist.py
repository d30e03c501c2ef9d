"""The passwords that are tried first: those of the library zxcvbn, and the operator's own."""

from __future__ import annotations

from collections.abc import Container
from functools import cache, cached_property
from importlib.machinery import SourceFileLoader
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType

from keyturn.core.passwords import comparable
from keyturn.errors import SettingsError


class Blocklist(Container[str]):
    """Passwords that nobody may choose, in the form of `keyturn.core.passwords.comparable`.

    The common ones are read when somebody first chooses a password: whoever only lists users needs none of them.

    Args:
        min_length: characters; shorter ones are refused for that already.
        file: more of them, one a line, in UTF-8.
        name: what an error calls that setting.

    Raises:
        SettingsError: the file cannot be read.
    """

    def __init__(self, min_length: int, file: Path | None, name: str) -> None:
        self._min_length = min_length
        self._own = _own(file, name) if file is not None else frozenset()

    @cached_property
    def words(self) -> frozenset[str]:
        """All of them."""
        return _common(self._min_length) | self._own

    def __contains__(self, password: object) -> bool:
        return password in self.words


@cache
def _common(min_length: int) -> frozenset[str]:
    # The file of the lists alone: the package builds dictionaries of them that take three times the memory.
    path = distribution("zxcvbn").locate_file("zxcvbn/frequency_lists.py")
    lists = ModuleType("frequency_lists")
    SourceFileLoader(lists.__name__, str(path)).exec_module(lists)
    words: list[str] = lists.FREQUENCY_LISTS["passwords"]
    return frozenset(comparable(word) for word in words if len(word) >= min_length)


def _own(file: Path, name: str) -> frozenset[str]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"{name} names a file that cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{name} names a file that is not UTF-8 text.") from None
    return frozenset(comparable(line) for line in lines if line)
