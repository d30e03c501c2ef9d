"""The files through which the workers of a server count together (prometheus-client's multi-process mode)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keyturn.stores.keys import ensure_private_directory

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that prometheus-client reads when it is imported: not before the directory is there."""


@contextmanager
def shared_by_workers(data_dir: Path, port: int) -> Iterator[None]:
    """An empty directory for them, for the server's user alone; gone when the server has stopped.

    Args:
        data_dir: where it is made.
        port: that the server listens on: nobody else on this machine does.

    Raises:
        SettingsError: it cannot be made.
    """
    directory = data_dir / f"metrics-{port}"
    ensure_private_directory(data_dir)
    shutil.rmtree(directory, ignore_errors=True)  # of a server that was killed
    ensure_private_directory(directory)
    os.environ[DIRECTORY] = str(directory.absolute())
    try:
        yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def forget_worker(pid: int) -> None:
    """What a dead worker counted stays; what it had waiting is gone with it."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid)  # type: ignore[no-untyped-call]
