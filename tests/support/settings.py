"""Settings from a given environment, and the problems with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from keyturn.errors import SettingsError
from keyturn.server.settings import Settings, load_settings

ACCESS_SECRET = "pX3vQ9mWk2LrT8nYd5HsF7bJc4GzA6eU"
REFRESH_SECRET = "Zt6RwN1qKx9BvM3yPj8DfS5hLg2CaE7u"
PEPPER = "Gm4TzX8cVb2NhJ6kQw9LpD3sRf7YaE5u"
OTHER_PEPPER = "Hn5UyW9dBc3MjK7lRx2PqF4tSg8ZbA6v"


def load(**environ: str) -> Settings:
    return load_settings({}, environ)


def problems(flags: dict[str, object] | None = None, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags or {}, environ)
    return str(caught.value).splitlines()


def problem(flags: dict[str, object] | None = None, **environ: str) -> str:
    (only,) = problems(flags, **environ)
    return only


def config(path: Path, text: str | bytes) -> str:
    """A settings file that only its owner can read."""
    file = path / "keyturn.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o600)
    return str(file)


def secret_file(path: Path, content: bytes, mode: int = 0o600) -> str:
    file = path / "secret"
    file.write_bytes(content)
    file.chmod(mode)
    return str(file)
