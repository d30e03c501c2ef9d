"""A disk that is full or read-only: the server says that it cannot, changes nothing, signs nobody out, and heals by itself."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.commands import Done, assert_one_line, environment
from tests.support.history import contents_of, rows_of
from tests.support.load import CHEAP_HASHES, Crowd
from tests.support.server import ServerProcess
from tests.support.wire import Wire, bearer


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


def refused_start(data_dir: Path) -> Done:
    """What a server says that does not start."""
    command = [sys.executable, "-m", "keyturn", "serve", "--port", "0", "--data-dir", str(data_dir)]
    done = subprocess.run(
        command, env=environment(**CHEAP_HASHES), capture_output=True, text=True, timeout=60, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def remounted(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def test_on_a_full_disk_a_first_start_says_so_and_leaves_nothing_half_made(small_disk: Path) -> None:
    _fill(small_disk / "filler")
    assert_one_line(refused_start(small_disk / "data"), str(small_disk))
    (small_disk / "filler").unlink()
    with ServerProcess(small_disk / "data", CHEAP_HASHES) as server, Browser(server.url) as browser:
        browser.register()
        assert browser.refresh().status_code == 200


def test_a_start_that_the_disk_prevents_harms_no_session(small_disk: Path) -> None:
    """Row 81, Z4: on a disk that is full, and on one that can only be read."""
    with ServerProcess(small_disk / "data", CHEAP_HASHES) as server:
        crowd = Crowd(server.url, 2)
        assert server.stop() == 0
        crowd.close()
    file = small_disk / "data" / "keyturn.db"
    before = rows_of(file)
    assert len(before) == 2

    _fill(small_disk / "filler")
    assert_one_line(refused_start(small_disk / "data"), str(small_disk))
    (small_disk / "filler").unlink()
    assert rows_of(file) == before

    remounted(small_disk, "ro")
    assert_one_line(refused_start(small_disk / "data"), str(small_disk))
    remounted(small_disk, "rw")
    with ServerProcess(small_disk / "data", CHEAP_HASHES, port=server.address[1]):
        assert rows_of(file) == before
        assert [client.refresh() for client in crowd.clients] == [200, 200]
        crowd.close()


def test_while_nothing_can_be_written_what_only_reads_goes_on(tmp_path: Path) -> None:
    """Row 81, Z4. Every write of the process fails, those of its log too; that needs no file system of one's own."""
    file = tmp_path / "data" / "keyturn.db"
    body = {"email": EMAIL, "password": PASSWORD, "delivery": "body"}
    with ServerProcess(tmp_path / "data", CHEAP_HASHES) as server, Wire(server.address) as wire:
        opened = wire.call("POST", "/register", body).json
        headers = [bearer(opened["access_token"])]
        before = contents_of(file)
        pid = server.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        for call in (
            ("POST", "/refresh-token", {"refresh_token": opened["refresh_token"]}),
            ("POST", "/login", {"login": EMAIL, "password": PASSWORD}),
            ("POST", "/register", {"email": "bob@example.com", "password": PASSWORD}),
            ("POST", "/logout", None),
            ("POST", "/password", {"current_password": PASSWORD, "new_password": "another long password"}),
            ("DELETE", "/me", {"current_password": PASSWORD}),
        ):
            answer = wire.call(*call, headers=headers)
            assert (answer.status, answer.code, answer.values("retry-after")) == (503, "store_unavailable", ["1"]), call
            assert contents_of(file) == before
        for path, status in (("/me", 200), ("/sessions", 200), ("/verify", 204), ("//readyz", 200), ("//healthz", 200)):
            assert wire.call("GET", path, headers=headers).status == status
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        assert wire.call("POST", "/refresh-token", {"refresh_token": opened["refresh_token"]}).status == 200
        assert wire.call("POST", "/login", {"login": EMAIL, "password": PASSWORD}).status == 200
        assert wire.call("POST", "/logout", headers=headers).status == 204
        assert server.stop() == 0
