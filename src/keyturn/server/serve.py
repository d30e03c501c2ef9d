"""Running a server: in this process, or in several behind one socket."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from keyturn.core.model import SECOND
from keyturn.errors import SettingsError
from keyturn.server import logs
from keyturn.server.metrics_files import forget_worker, shared_by_workers
from keyturn.server.opening import open_context
from keyturn.server.protocol import BoundedHttpProtocol
from keyturn.server.settings import Settings
from keyturn.server.wiring import application
from keyturn.server.workers import Supervisor
from keyturn.service.keys import claim_keys
from keyturn.system import SystemClock

_BACKLOG = 1024

_YOUNG_OBJECTS = 20_000
"""After how many new objects garbage is looked for: more than the requests of a busy moment make, so that few are looked at."""


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; then finish what was begun, so that no committed rotation loses its answer.

    Args:
        settings: all of them.
        announce: told the public URL once requests are answered.

    Raises:
        SettingsError: the address is taken, or something the server needs is not as it must be.
    """
    with bound(settings.host, settings.port) as listener:
        issuer = settings.issuer_for(listener.getsockname()[1])
        work = partial(_serve_here, settings, listener, issuer)
        if settings.workers == 1:
            work(lambda: announce(issuer))
            return

        def answering() -> None:
            logs.configure(settings.log_format, settings.log_level)
            announce(issuer)

        counting_together = settings.metrics_token is not None
        port = listener.getsockname()[1]
        with shared_by_workers(settings.data_dir, port) if counting_together else nullcontext():
            Supervisor(
                settings.workers,
                work,
                clock=SystemClock(),
                answering=answering,
                # While anybody holds the socket open, connections wait for somebody to take them.
                stopping=listener.close,
                buried=forget_worker if counting_together else lambda pid: None,
            ).run()


def _serve_here(
    settings: Settings, listener: socket.socket, issuer: str, ready: Callable[[], None], lifeline: int | None = None
) -> None:
    """Serve in this process, until SIGTERM or SIGINT or the end of the lifeline."""
    context = open_context(settings, issuer)
    claim_keys(context)
    logs.configure(settings.log_format, settings.log_level)
    config = http_config(application(settings, context), settings)
    for asked_to_stop in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal once more when it has stopped in order; a stop that was asked for is no failure.
        signal.signal(asked_to_stop, lambda *_: None)
    # All that is there now stays: looking through it for garbage over and over would hold everybody up for tens of milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS)
    _Server(config, ready, lifeline).run(sockets=[listener])


def http_config(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """How uvicorn is to serve the application: bounded, silent about itself, in order when it stops."""
    return uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=settings.shutdown_timeout // SECOND,
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], lifeline: int | None) -> None:
        super().__init__(config)
        self._ready = ready
        self._lifeline = lifeline

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._lifeline is not None:
            asyncio.get_running_loop().add_reader(self._lifeline, self._let_go, self._lifeline)
        self._ready()

    def _let_go(self, lifeline: int) -> None:
        asyncio.get_running_loop().remove_reader(lifeline)
        self.should_exit = True


def bound(host: str, port: int) -> socket.socket:
    """A listening socket; bound first, because the public URL may depend on the port that was free.

    Raises:
        SettingsError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise SettingsError(
            f"Cannot listen on {host} port {port}: {error.strerror}. Choose another --host or --port."
        ) from None
    return listener
