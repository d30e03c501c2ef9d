"""Several processes behind one listening socket: starting them, replacing what dies, stopping all of them in order.

Each worker holds one end of two pipes. Its `report` tells the supervisor that it answers, or in a sentence why it cannot; that it
ends tells that the worker is dead. The `lifeline` is the other way round: when it ends the worker stops in order, be it that the
supervisor closed it or that the supervisor is gone. So nothing is left behind, whatever kills whom.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from keyturn.core.model import SECOND, Micros
from keyturn.errors import KeyturnError, SettingsError
from keyturn.ports import Clock

_log = logging.getLogger("keyturn.workers")

RESTART_AFTER: Micros = SECOND
"""How long a worker that died stays dead: what kills it at its start must not keep the machine busy."""

_READY = b"\0"

Work = Callable[[Callable[[], None], int], None]
"""What a worker does until its lifeline ends: it gets what to call once it answers, and the lifeline's descriptor."""


@dataclass(slots=True)
class _Worker:
    pid: int
    report: int
    said: bytes = b""


class Supervisor:
    """Runs a number of workers until SIGTERM or SIGINT.

    Args:
        count: how many.
        work: what each does, in a process of its own.
        clock: for how long a dead worker stays dead.
        answering: called once, when all of them answer.
        stopping: called once, before they are stopped.
        buried: called with the process id of each that is dead.
    """

    def __init__(
        self,
        count: int,
        work: Work,
        *,
        clock: Clock,
        answering: Callable[[], None],
        stopping: Callable[[], None],
        buried: Callable[[int], None] = lambda pid: None,
    ) -> None:
        self._count = count
        self._work = work
        self._clock = clock
        self._answering = answering
        self._before_stopping = stopping
        self._buried = buried
        self._workers: dict[int, _Worker] = {}
        self._due: list[Micros] = []
        self._announced = self._stopping = False
        self._failure: str | None = None
        self._selector = selectors.DefaultSelector()
        self._lifeline, self._grip = os.pipe()

    def run(self) -> None:
        """Run until it is told to stop and every worker has stopped.

        Raises:
            SettingsError: a worker could not start; the others were stopped.
        """
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        for told_to_stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told_to_stop, lambda *_: None)
        signal.set_wakeup_fd(wake)
        self._selector.register(woken, selectors.EVENT_READ, partial(self._signalled, woken))
        for _ in range(self._count):
            self._start()
        while self._workers or not self._stopping:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            self._start_what_is_due()
        signal.set_wakeup_fd(-1)
        if self._failure is not None:
            raise SettingsError(self._failure)

    def _start(self) -> None:
        report, mouth = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._be_a_worker(mouth)
        os.close(mouth)
        self._workers[pid] = worker = _Worker(pid, report)
        self._selector.register(report, selectors.EVENT_READ, partial(self._hear, worker))

    def _be_a_worker(self, mouth: int) -> NoReturn:
        code = 1
        try:
            # The other end of the lifeline is the supervisor's alone.
            os.close(self._grip)
            self._selector.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            # Ctrl-C reaches every process of a terminal; the supervisor passes it on.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            self._work(partial(_say, mouth, _READY), self._lifeline)
            code = 0
        except KeyturnError as error:
            _say(mouth, str(error).encode())
        except BaseException:
            _log.exception("worker")
        finally:
            os._exit(code)

    def _hear(self, worker: _Worker) -> None:
        said = os.read(worker.report, 4096)
        if not said:
            self._bury(worker)
            return
        worker.said += said
        if not self._announced and all(each.said == _READY for each in self._workers.values()):
            self._announced = True
            self._answering()

    def _bury(self, worker: _Worker) -> None:
        self._selector.unregister(worker.report)
        os.close(worker.report)
        del self._workers[worker.pid]
        _, status = os.waitpid(worker.pid, 0)
        self._buried(worker.pid)
        if self._stopping:
            return
        reason = worker.said.removeprefix(_READY).decode(errors="replace") or None
        exit_code = os.waitstatus_to_exitcode(status)
        if self._announced:
            _log.error("worker_died", extra={"facts": {"pid": worker.pid, "exit_code": exit_code, "reason": reason}})
            self._due.append(self._clock.monotonic() + RESTART_AFTER)
        else:
            self._failure = reason or f"A worker ended with {exit_code} before it answered. The lines above say why."
            self._stop()

    def _signalled(self, woken: int) -> None:
        os.read(woken, 4096)
        if not self._stopping:
            self._stop()
            return
        for pid in self._workers:  # whoever asks twice does not want to wait
            os.kill(pid, signal.SIGKILL)

    def _stop(self) -> None:
        self._stopping = True
        self._due.clear()
        self._before_stopping()
        os.close(self._grip)

    def _patience(self) -> float | None:
        """Seconds until a worker is to be started; none: there is nothing to wait for but news."""
        return max(0, min(self._due) - self._clock.monotonic()) / SECOND if self._due else None

    def _start_what_is_due(self) -> None:
        while self._due and min(self._due) <= self._clock.monotonic():
            self._due.remove(min(self._due))
            self._start()


def _say(mouth: int, what: bytes) -> None:
    os.write(mouth, what)
