"""The npm package oidc-provider, a certified OpenID provider, as a program on this machine; installed from its lock once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.installing import CACHE, NotInstalled, node, npm
from joserfc.jwk import ECKey

SOURCE = Path(__file__).with_name("openid")
FOLDER = CACHE / "openid"


def installed() -> Path:
    """A folder with the program and its packages. Skips where they are not installed and cannot be."""
    CACHE.mkdir(exist_ok=True)
    digest = hashlib.sha256((SOURCE / "package-lock.json").read_bytes()).hexdigest()
    mark = FOLDER / "ready"
    with (CACHE / "openid.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests may want it at the same time
        if not mark.is_file() or mark.read_text() != digest:
            shutil.rmtree(FOLDER, ignore_errors=True)
            shutil.copytree(SOURCE, FOLDER)
            try:
                npm(FOLDER, "ci", "--no-audit", "--no-fund")
            except NotInstalled as reason:
                pytest.skip(f"needs npm's registry: {reason}")
            mark.write_text(digest)
        shutil.copy(SOURCE / "provider.js", FOLDER)
    return FOLDER


@contextmanager
def openid_provider(redirect_uri: str) -> Iterator[str]:
    """Run it; gives its issuer.

    Args:
        redirect_uri: where it sends browsers back to.
    """
    key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}).as_dict(private=True)
    program = subprocess.Popen(
        [str(node()), "provider.js", redirect_uri],
        cwd=installed(),
        env={**os.environ, "KEYS": json.dumps([key])},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert program.stdout is not None
        with program.stdout:
            issuer = program.stdout.readline().strip()
            while issuer and not issuer.startswith("http"):  # it warns of what is only for development
                issuer = program.stdout.readline().strip()
            assert issuer, "the provider did not start"
            yield issuer
    finally:
        program.kill()
        program.wait(10)
