"""A server in a process of its own that kills itself at a chosen step of what it is asked to do."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import event
from tests.support.server import LiveServer, nothing_beside_the_calls

from keyturn.ports import Database, Transaction
from keyturn.service.context import Context
from keyturn.system import SystemEntropy

T = TypeVar("T")

_processes = multiprocessing.get_context("forkserver")
# Loaded once for all: a process that is forked from there is a server within milliseconds.
_processes.set_forkserver_preload(["tests.support.dying"])


class _Dying:
    """A database whose process is killed before a statement of a transaction that may write, before its commit, or after it.

    Attributes:
        left: how many steps are still to be made, that one included; 0: it lives on.
    """

    def __init__(self, database: Database, tell: Callable[[str], object]) -> None:
        self._database = database
        self._tell = tell
        self.left = 0
        writer = database._writer  # type: ignore[attr-defined]
        event.listen(writer, "before_cursor_execute", lambda *facts: self._step(f"before {facts[2].split()[0]}"))
        event.listen(writer, "commit", lambda _: self._step("before the commit"))

    def transact(self, work: Callable[[Transaction], T]) -> T:
        result = self._database.transact(work)
        self._step("after the commit")
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def _step(self, name: str) -> None:
        self.left -= 1
        if self.left == 0:
            self._tell(name)
            os.kill(os.getpid(), signal.SIGKILL)


def _serve(data_dir: Path, pipe: Connection, settings: dict[str, Any]) -> None:
    dying: list[_Dying] = []

    def wrap(context: Context) -> Context:
        dying.append(_Dying(context.database, pipe.send))
        database: Any = dying[0]
        return replace(context, database=database)

    server = LiveServer(data_dir, wrap=wrap, **settings)
    # What a server draws is drawn by no other, over a restart neither.
    server.entropy = SystemEntropy()  # type: ignore[assignment]
    # What a server does of its own accord are no steps of a call.
    with nothing_beside_the_calls(), server:
        pipe.send(server.address)
        while True:
            dying[0].left = pipe.recv()
            pipe.send("ready")


class DyingServer:
    """Such a server.

    Args:
        data_dir: of its own.
        settings: flags, by field.

    Attributes:
        address: where it listens.
    """

    def __init__(self, data_dir: Path, **settings: Any) -> None:
        self._pipe, theirs = _processes.Pipe()
        self._process = _processes.Process(target=_serve, args=(data_dir, theirs, settings), daemon=True)
        self._process.start()
        theirs.close()
        self.address: tuple[str, int] = self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._pipe.closed:
            self.kill()

    def die_at(self, step: int) -> None:
        """Be killed at the so-manieth step from now; none if it is 0."""
        self._pipe.send(step)
        assert self._pipe.recv() == "ready"

    def kill(self) -> str:
        """Kill it, if it is alive.

        Returns:
            The step at which it killed itself before; empty: it was alive.
        """
        with self._pipe:
            self._process.kill()
            self._process.join(10)
            try:
                step = str(self._pipe.recv())
            except EOFError:
                step = ""
        self._process.close()
        return step
