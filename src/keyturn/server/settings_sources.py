"""Where settings come from: flags over the environment over a TOML file; a secret may lie in a file of its own.

Nothing is guessed. An unknown name, a setting given twice with different values, a file that cannot be read, or a secret that
other users can read is a problem; all problems are collected, so that an operator sees them at once. No problem quotes a value:
what was pasted into the wrong variable may be a secret.
"""

from __future__ import annotations

import difflib
import os
import stat
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import get_args, get_origin

from pydantic import BaseModel, SecretStr

from keyturn.server.durations import parse_duration

PREFIX = "KEYTURN_"
CONFIG = "KEYTURN_CONFIG"

LEGACY = {
    "JWT_ACCESS_SECRET": "access_secret",
    "JWT_REFRESH_SECRET": "refresh_secret",
    "JWT_ACCESS_EXPIRES": "access_ttl",
    "JWT_REFRESH_EXPIRES": "refresh_ttl",
}
"""Environment variables of existing applications, and the settings that they are."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value that an operator set.

    Attributes:
        key: the setting, or the setting and `_file` where the value is the path of a file that holds it.
        name: what the operator calls it: `KEYTURN_PORT`, `--port`, `port in keyturn.toml`.
    """

    key: str
    name: str
    value: object = field(repr=False)


def variable(key: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + key.upper()


def secrets_of(settings: type[BaseModel]) -> list[str]:
    """The settings that are secrets."""
    kinds = {name: field.annotation for name, field in settings.model_fields.items()}
    return [name for name, kind in kinds.items() if SecretStr in (kind, *get_args(kind))]


def lists_of(settings: type[BaseModel]) -> list[str]:
    """The settings that are lists."""
    return [name for name, field in settings.model_fields.items() if get_origin(field.annotation) is tuple]


class Sources:
    """Gathers settings from everywhere.

    Args:
        settings: what there is to set. A secret may lie in a file of its own, and a list may be empty.
        tables: those that are tables of tables in the file, each with what its inner tables may hold.

    Attributes:
        problems: what is wrong, one sentence each.
    """

    def __init__(self, settings: type[BaseModel], tables: Mapping[str, Sources] = MappingProxyType({})) -> None:
        self.problems: list[str] = []
        self._tables = tables
        self._secrets = secrets_of(settings)
        self._lists = lists_of(settings)
        self._keys = [*settings.model_fields, *(f"{secret}_file" for secret in self._secrets)]

    def gather(self, flags: Mapping[str, object], environ: Mapping[str, str]) -> dict[str, Given]:
        """What was set, by setting: from a flag if there is one, else from the environment, else from the file.

        Args:
            flags: by setting; none as a value: not given.
            environ: the environment's variables.
        """
        written = (Given(key, _flag(key), value) for key, value in flags.items() if value is not None)
        return {
            **self.agreed(self._toml(environ), spell=str),
            **self.agreed(self._variables(environ), spell=variable),
            **self.agreed(written, spell=_flag),
        }

    def _variables(self, environ: Mapping[str, str]) -> Iterator[Given]:
        for name, value in environ.items():
            if name in LEGACY:
                yield Given(LEGACY[name], name, value)
            elif name.upper().startswith(PREFIX) and name != CONFIG:
                key = name[len(PREFIX) :]
                # A variable in another case is another variable, and no setting; nor is any key in capitals.
                yield Given(key.lower() if name.isupper() else key.upper(), name, value)

    def _toml(self, environ: Mapping[str, str]) -> Iterator[Given]:
        path = environ.get(CONFIG)
        content = self._read(CONFIG, path) if path is not None else None
        if content is None:
            return
        text, is_private = content
        try:
            table = tomllib.loads(text)
        except ValueError as error:
            self.problems.append(f"{CONFIG} names a file that is not TOML: {error}.")
            return
        for key, value in table.items():
            if key in self._tables and isinstance(value, dict):
                inner = {name: self._inner(key, name, table, path, is_private) for name, table in value.items()}
                yield Given(key, f"{key} in {path}", inner)
                continue
            given = Given(key, f"{key} in {path}", value)
            self.keep_private(given, is_private)
            yield given

    def _inner(self, key: str, name: str, table: object, path: object, is_private: bool) -> object:
        """The values of an inner table, each fetched from its file if it lies in one."""
        if not isinstance(table, dict):
            return table
        sources = self._tables[key]
        many = [Given(field, f"{key}.{name}.{field} in {path}", value) for field, value in table.items()]
        for given in many:
            sources.keep_private(given, is_private)
        agreed = sources.agreed(many, spell=str)
        self.problems += sources.problems
        sources.problems.clear()
        return {field: given.value for field, given in agreed.items()}

    def keep_private(self, given: Given, is_private: bool) -> None:
        """Complain of a secret in a file that other users can read."""
        if not is_private and self._is_secret(given):
            self.problems.append(f"{given.name} is a secret, and other users can read the file: chmod 600 it.")

    def agreed(self, many: Iterable[Given], *, spell: Callable[[str], str]) -> dict[str, Given]:
        """The settings of one source: each known, fetched from its file if it lies in one, and not at odds with itself."""
        agreed: dict[str, Given] = {}
        for given in many:
            if given.key not in self._keys:
                self.problems.append(f"{given.name} is not a setting; {self._suggestion(given.key, spell)}")
                continue
            fetched = self._fetched(given)
            if fetched is None:
                continue
            other = agreed.setdefault(fetched.key, fetched)
            if _meaning(other) != _meaning(fetched):
                self.problems.append(f"{other.name} and {fetched.name} contradict each other: remove one of them.")
        return agreed

    def _suggestion(self, key: str, spell: Callable[[str], str]) -> str:
        close = difflib.get_close_matches(key.lower(), self._keys, n=1)
        return f"did you mean {spell(close[0])}?" if close else "remove it."

    def _fetched(self, given: Given) -> Given | None:
        """The setting itself, even if it lies in a file; none, and a problem, if it is not to be had."""
        if given.value == "" and given.key not in self._lists:
            self.problems.append(f"{given.name} is empty: give it a value or remove it.")
            return None
        setting = given.key.removesuffix("_file")
        if setting == given.key:
            return given
        content = self._read(given.name, given.value)
        if content is None:
            return None
        text, is_private = content
        if not is_private:
            self.problems.append(f"{given.name} names a file that other users can read: chmod 600 it.")
            return None
        return self._fetched(Given(setting, given.name, text.removesuffix("\n").removesuffix("\r")))

    def _read(self, name: str, path: object) -> tuple[str, bool] | None:
        """What a file holds, and whether it is kept from other users; none, and a problem, if it cannot be read."""
        if not isinstance(path, str | Path):
            self.problems.append(f"{name} must be the path of a file.")
            return None
        try:
            with Path(path).open("rb") as file:
                is_private = os.name != "posix" or not os.fstat(file.fileno()).st_mode & stat.S_IRWXO
                return file.read().decode(), is_private
        except UnicodeDecodeError:
            self.problems.append(f"{name} names a file that is not UTF-8 text.")
        except OSError as error:
            self.problems.append(f"{name} names a file that cannot be read: {error.strerror}.")
        except ValueError:
            self.problems.append(f"{name} must be the path of a file.")
        return None

    def _is_secret(self, given: Given) -> bool:
        # The URL of a database server may hold a password; a database that is a file has none.
        is_file = given.key == "database_url" and str(given.value).startswith("sqlite")
        return given.key in self._secrets and not is_file


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def _meaning(given: Given) -> object:
    """What two names of one setting must agree in: `15m` and `900` are the same time.

    No secret that is long enough to be accepted reads as a time.
    """
    try:
        return parse_duration(given.value)
    except ValueError:
        return given.value
