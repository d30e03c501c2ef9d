"""Runs the tests, on every core. With TEST_ALL=1 whatever program a test needs is installed first, and a skip is a failure."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.programs import missing_packages


def main() -> int:
    if os.environ.get("TEST_ALL") == "1" and (packages := missing_packages()):
        print("installing", *packages, flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, stdout=subprocess.DEVNULL)
        subprocess.run(["apt-get", "install", "-y", "-qq", *packages], check=True, env=quiet, stdout=subprocess.DEVNULL)
    # Many a test waits, for a browser or another process: one more than there are cores keeps all of them busy.
    workers = str((os.cpu_count() or 1) + 1)
    command = [sys.executable, "-m", "pytest", "-n", workers, "--dist", "worksteal", *sys.argv[1:]]
    # Hundreds of processes are started: none should compile again what another has compiled.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(command, check=False, env=environ).returncode


if __name__ == "__main__":
    sys.exit(main())
