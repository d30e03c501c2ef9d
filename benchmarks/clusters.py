"""A PostgreSQL server on the core of the server that uses it, with commits that wait for the disk, as it is by default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.support.postgres import Cluster, running
from tests.support.programs import found

from benchmarks.installing import NotInstalled
from benchmarks.running import SERVER_CORE, on_core


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster for a while.

    Raises:
        NotInstalled: this machine has no PostgreSQL.
    """
    if found("initdb") is None:
        raise NotInstalled("PostgreSQL is missing; type: sudo apt-get install postgresql")
    with ExitStack() as stack:
        with on_core(SERVER_CORE):  # its processes inherit the core
            started = stack.enter_context(running(shared_buffers="512MB"))
        assert started.execute("SHOW fsync") == started.execute("SHOW synchronous_commit") == [("on",)]
        yield started
