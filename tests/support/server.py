"""Servers for the tests, on real sockets: one in a thread, with a clock that is told the time; one as a process."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp
from tests.support.wire import free_port
from tests.support.witness import WITNESS

from keyturn.hashing import Argon2Hasher
from keyturn.server.opening import open_context
from keyturn.server.serve import bound, http_config
from keyturn.server.settings import Settings, load_settings
from keyturn.server.wiring import application
from keyturn.service.context import Context
from keyturn.service.keys import claim_keys
from keyturn.service.tokens import ClaimsHook
from keyturn.stores.keys import ensure_private_directory
from keyturn.stores.sql import OwnUsers, open_database
from keyturn.stores.sql.sqlite import create
from keyturn.testing.fakes import FakeClock, SeededEntropy

ROOT = Path(__file__).parents[2]
HOST = "auth.example.com"
PUBLIC = f"https://{HOST}"
"""The issuer of a server in production."""
APP = "https://app.example.com"
"""Another origin that it lists."""

_starts = itertools.count(1)


class LiveServer:
    """The real application behind a real socket, in a thread.

    Args:
        data_dir: of its own.
        settings: flags, by field. Nobody is throttled unless they say so: everybody here has one address, and no time passes.
        wrap: what to put around the context, to watch it or to break it.
        own_users: an application's own table of users.
        claims: what access tokens say beyond their own claims.
        build: what makes the application; Keyturn's own server by default. Another one is served as uvicorn serves it by itself.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: FakeClock | None = None,
        wrap: Any = None,
        own_users: OwnUsers | None = None,
        claims: ClaimsHook | None = None,
        build: Callable[[Settings, Context], ASGIApp] = application,
        **settings: Any,
    ) -> None:
        self.data_dir = data_dir
        self.settings = load_settings(
            {"data_dir": data_dir, "port": 0, "shutdown_timeout": "5s", "rate_limits": False, **settings}, {}
        )
        self.clock = clock or FakeClock()
        # Nothing is drawn twice, over a restart neither.
        self.entropy = SeededEntropy(f"{data_dir} {next(_starts)}")
        self._wrap = wrap
        self._own_users = own_users
        self._claims = claims
        self._build = build

    def __enter__(self) -> Self:
        self._socket = bound(self.settings.host, self.settings.port)
        port = self._socket.getsockname()[1]
        self.issuer = self.settings.issuer_for(port)
        self.address = (self.settings.host, port)
        self.url = f"http://{self.settings.host}:{port}"
        hasher = Argon2Hasher(self.entropy, memory_kib=8, time_cost=1)
        if self.settings.database_url is None:
            _lay_out(self.data_dir)
        context = open_context(
            self.settings,
            self.issuer,
            clock=self.clock,
            entropy=self.entropy,
            hasher=hasher,
            own_users=self._own_users,
            claims=self._claims,
        )
        claim_keys(context)
        context = WITNESS.wrap(context)
        self.context = self._wrap(context) if self._wrap else context
        config = http_config(self._build(self.settings, self.context), self.settings)
        if self._build is not application:
            config.http = "httptools"
        self._server = _PromptServer(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.005)
            assert self._thread.is_alive(), "the server did not start"
        return self

    @property
    def connections(self) -> set[Any]:
        """Those that are open now."""
        return self._server.server_state.connections

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive(), "the server did not stop"


def nothing_beside_the_calls() -> AbstractContextManager[Any]:
    """Servers that start meanwhile, in this process, do nothing of their own accord: neither purge nor mail nor following.

    For tests that count statements or commits.
    """

    async def never(pause: object, act: object) -> None:
        pass

    return patch.multiple("keyturn.server.app", _repeat=never, delivering=lambda postman: nullcontext())


class _PromptServer(uvicorn.Server):
    """Looks a hundred times a second whether it is to stop, and not ten times: hundreds of tests wait for that."""

    async def main_loop(self) -> None:
        for tick in itertools.count():
            if await self.on_tick(tick):
                return
            await asyncio.sleep(0.01)


def _lay_out(data_dir: Path) -> None:
    """Put an empty database where there is none: the migrations take long, and most tests begin with them."""
    ensure_private_directory(data_dir)
    file = data_dir / "keyturn.db"
    if not file.exists():
        create(file)
        file.write_bytes(_empty_database())


@cache
def _empty_database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "keyturn.db"
        open_database(f"sqlite:///{file}", clock=FakeClock()).close()
        return file.read_bytes()


class ServerProcess:
    """`keyturn serve` as an operator runs it.

    Args:
        data_dir: of its own.
        environ: settings. Nobody is throttled unless they say so.
        prefix: a command to run it under.
        port: to listen on; 0: any.
    """

    def __init__(
        self, data_dir: Path, environ: Mapping[str, str] = {}, *, prefix: tuple[str, ...] = (), port: int = 0
    ) -> None:
        self.data_dir = data_dir
        # With a public URL of its own it does not say where it listens.
        port = port or (free_port() if "KEYTURN_ISSUER" in environ else 0)
        command = [*prefix, sys.executable, "-m", "keyturn", "serve", "--port", str(port), "--data-dir", str(data_dir)]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "JWT_"))}
        self.log = data_dir.parent / f"{data_dir.name}.log"
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                command,
                env={**inherited, "KEYTURN_RATE_LIMITS": "false", **environ},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=data_dir.parent,
            )
        self.greeting = self._read_greeting()
        found = re.search(r"answers at (\S+)", self.greeting)
        assert found, f"{self.greeting}\n{self.log.read_text()}"
        self.issuer = found[1]
        self.url = f"http://127.0.0.1:{port}" if "KEYTURN_ISSUER" in environ else self.issuer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    def stop(self, timeout: float = 60) -> int:
        """SIGTERM, as an operator stops it; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self.process.kill()
        self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()
        leaks = WITNESS.read(self.log)
        assert leaks == [], leaks

    def _read_greeting(self) -> str:
        assert self.process.stdout
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("To make a user"):
                break
        return "".join(lines)
