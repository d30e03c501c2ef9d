"""Programs of the system that tests need, and the Debian packages they come in."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "caddy": "caddy",
    "chromium": "chromium",
    "faketime": "faketime",
    "nginx": "nginx",
    "postgres": "postgresql",
    "redis-server": "redis-server",
    "strace": "strace",
    "systemd-analyze": "systemd",
}


def found(program: str) -> str | None:
    """Where a program is. Debian keeps those of a PostgreSQL server out of the PATH."""
    servers = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4]))
    return shutil.which(program) or (str(servers[-1]) if servers else None)


def missing_packages() -> list[str]:
    """The packages of the programs that are not on this machine."""
    return sorted({package for program, package in PACKAGES.items() if found(program) is None})


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where a program is missing, saying what to type."""
    return pytest.mark.skipif(
        found(program) is None, reason=f"needs {program}; type: sudo apt-get install {PACKAGES[program]}"
    )
