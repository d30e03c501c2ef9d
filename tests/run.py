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
    command = [sys.executable, "-m", "pytest", "-n", str(os.cpu_count() or 1), "--dist", "worksteal", *sys.argv[1:]]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
