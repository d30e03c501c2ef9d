"""Packages for tests: built from the project, fetched from the index, installed into environments of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.support.server import ROOT

LOCK = ROOT / "deploy" / "requirements.lock"
CONTAINERFILE = ROOT / "deploy" / "Containerfile"
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "JWT_", "PYTHON"))}

UNCOMPILED = {"PIP_NO_COMPILE": "0"}  # as pip has it: no says yes
"""What is installed is started once or twice: Python compiles the part that it needs then."""

_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def run(*command: str | Path, cwd: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**ENVIRON, **UNCOMPILED, **more},
        timeout=240,
        check=False,
    )


def build(folder: Path, into: Path) -> dict[str, Path]:
    """Build both from a folder; gives them by their kind."""
    done = run(sys.executable, "-m", "hatchling", "build", "-d", into, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {file.suffix: file for file in into.iterdir()}


def fetch(into: Path) -> dict[str, str]:
    """Fetch what a server consists of, by its hashes, and what the container is built with.

    Returns:
        Settings of pip by which it installs from there and from nowhere else.
    """
    builder = re.findall(r"hatchling==\S+", CONTAINERFILE.read_text())
    assert len(builder) == 1
    for what in (("--require-hashes", "-r", LOCK), builder):
        done = run(*_PIP, "download", "--quiet", "--only-binary", ":all:", "--dest", into, *what)
        if done.returncode and run(*_PIP, "index", "versions", "joserfc").returncode:
            pytest.skip("needs a package index; none can be reached")
        assert done.returncode == 0, done.stderr
    return {**UNCOMPILED, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(into)}


def install(environment: Path, fetched: Mapping[str, str], *what: str | Path) -> None:
    """Install into an environment that needs no pip of its own.

    Args:
        environment: its folder.
        fetched: what `fetch` gave.
        what: requirements, files and options, as pip takes them.
    """
    python = environment / "bin" / "python"
    done = run(*_PIP, "--python", python, "install", "--quiet", "--only-binary", ":all:", *what, **fetched)
    assert done.returncode == 0, done.stderr
