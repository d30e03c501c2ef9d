"""Several servers on one database, and servers of several processes: which they are, and connections to each of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.server import ServerProcess
from tests.support.wire import Wire, free_port

_PATIENCE = 60.0


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


@contextmanager
def two_servers(data_dir: Path, environ: dict[str, str]) -> Iterator[list[str]]:
    """Started at the same moment; gives where each answers."""
    data_dir.parent.mkdir(exist_ok=True)
    ports = [free_port() for _ in range(2)]
    with ThreadPoolExecutor(2) as starting:
        servers = list(starting.map(lambda port: ServerProcess(data_dir, environ, port=port), ports))
    try:
        yield [f"http://127.0.0.1:{port}" for port in ports]
    finally:
        for server in servers:
            server.kill()


def workers_of(server: ServerProcess) -> set[int]:
    """The processes that a server has started."""
    pid = server.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def eventually(holds: Callable[[], bool], what: str) -> float:
    """Wait until something holds that other processes do in their own time; gives the seconds that it took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() < began + _PATIENCE, what
        time.sleep(0.005)
    return time.monotonic() - began


def who_answers(wire: Wire) -> str:
    """The name of the process at the other end of a connection: each numbers its requests under a name of its own."""
    return wire.call("GET", "//healthz").values("x-request-id")[0][:12]


def to_each_worker(stack: ExitStack, server: ServerProcess, count: int) -> list[Wire]:
    """A connection to each of the workers of a server.

    Args:
        stack: what closes the connections.
        count: how many workers there are.
    """
    found: dict[str, Wire] = {}

    def all_found() -> bool:
        wire = stack.enter_context(Wire(server.address))
        found.setdefault(who_answers(wire), wire)
        return len(found) == count

    eventually(all_found, "not every worker answers")
    return [*found.values()]
