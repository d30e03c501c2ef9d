"""A full disk: the server says that it cannot, changes nothing, signs nobody out, and is well again when there is room."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.client import Browser
from tests.support.history import rows_of
from tests.support.load import CHEAP_HASHES, Crowd
from tests.support.server import ServerProcess


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root; type: sudo make test")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(4096))


def test_a_full_disk_is_answered_with_503_and_nobody_is_signed_out(small_disk: Path) -> None:
    environ = {**CHEAP_HASHES, "KEYTURN_REFRESH_WINDOW": "0s"}
    with ServerProcess(small_disk / "data", environ) as server, Browser(server.url) as browser:
        crowd = Crowd(server.url, 4)
        for client in crowd.clients:
            assert client.refresh() == 200
        _fill(small_disk / "filler")
        # The write-ahead log has room until it is as long as it has ever been; then no longer.
        refused = 0
        while refused < 20:
            for client in crowd.clients:
                status = client.refresh()
                assert status in {200, 503}
                refused += status == 503
                assert status == 200 or client.events[-1].reason == "store_unavailable"
        signed_in = browser.call("POST", "/login", {"login": "alice@example.com", "password": "wrong"})
        assert signed_in.status_code == 401

        (small_disk / "filler").unlink()
        for client in crowd.clients:
            assert client.refresh() == 200
        rows = rows_of(small_disk / "data" / "keyturn.db")
        for client in crowd.clients:
            assert rows[client.session].generation == client.newest - 1
            assert client.sign_out() == 204
        crowd.close()
