"""Programs of the system that tests need, and the Debian packages they come in."""

from __future__ import annotations

import shutil

import pytest

PACKAGES = {"chromium": "chromium", "strace": "strace", "systemd-analyze": "systemd"}


def missing_packages() -> list[str]:
    """The packages of the programs that are not on this machine."""
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program) is None})


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where a program is missing, saying what to type."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"needs {program}; type: sudo apt-get install {PACKAGES[program]}"
    )
