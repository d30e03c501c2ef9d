"""Node, as it is in the environment, and the development tools of `js/`, installed from their lock once."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from benchmarks.installing import CACHE, NotInstalled, node, npm
from tests.support.server import ROOT

JS = ROOT / "js"
PATIENCE = 120


def run(*command: str | Path, cwd: Path = JS) -> subprocess.CompletedProcess[str]:
    """Run a command with Node in reach."""
    environ = {**os.environ, "PATH": f"{node().parent}:{os.environ['PATH']}", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)


def tool(name: str) -> Path:
    """A program of the development tools."""
    return packages() / ".bin" / name


def packages() -> Path:
    """Where the development tools are. Skips where they are not installed and cannot be."""
    CACHE.mkdir(exist_ok=True)
    mark = CACHE / "js.ready"
    digest = hashlib.sha256((JS / "package-lock.json").read_bytes()).hexdigest()
    with (CACHE / "js.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests may want them at the same time
        if not (JS / "node_modules").is_dir() or not mark.is_file() or mark.read_text() != digest:
            try:
                npm(JS, "ci", "--no-audit", "--no-fund")
            except NotInstalled as reason:
                pytest.skip(f"needs npm's registry: {reason}")
            mark.write_text(digest)
    return JS / "node_modules"
