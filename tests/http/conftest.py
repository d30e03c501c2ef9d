"""A server for a whole file, for tests that do not disturb each other: each makes users of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest
from tests.support.client import Browser
from tests.support.server import LiveServer
from tests.support.wire import Wire

_numbers = count(1)


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """One server for all tests of a file; whoever moves its clock moves it for the others too."""
    with LiveServer(tmp_path_factory.mktemp("shared") / "data") as live:
        yield live


@pytest.fixture
def visitor(shared_server: LiveServer) -> Iterator[Callable[[], Browser]]:
    """Makes clients of the shared server, each with a cookie jar of its own."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Browser(shared_server.url))


@pytest.fixture
def email() -> str:
    """An address that nobody has yet."""
    return f"user{next(_numbers)}@example.com"


@pytest.fixture
def guest(visitor: Callable[[], Browser]) -> Browser:
    """A client of the shared server that is signed in nowhere."""
    return visitor()


@pytest.fixture
def wire(shared_server: LiveServer) -> Iterator[Wire]:
    """A bare connection to the shared server."""
    with Wire(shared_server.address) as connection:
        yield connection
