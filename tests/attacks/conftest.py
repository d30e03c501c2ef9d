"""What every attack is held to, beside what every test is: no answer of 500, and no error in the server's log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.attacks import Visitor
from tests.support.server import LiveServer
from tests.support.wire import Wire
from tests.support.witness import WITNESS, Witness


@pytest.fixture
def witness() -> Witness:
    """Has heard what was logged since the test began."""
    return WITNESS


@pytest.fixture(autouse=True)
def _nothing_went_wrong_unseen() -> Iterator[None]:
    yield
    assert WITNESS.errors == []


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server for all the tests of a module: each has users of its own."""
    with LiveServer(Path(tmp_path_factory.mktemp("shared")) / "data") as live:
        yield live


@pytest.fixture
def visitor(shared: LiveServer) -> Iterator[Visitor]:
    """Somebody with a new account on that server, signed in with delivery split."""
    with Visitor(shared) as client:
        client.join()
        yield client


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    """A connection to a server of one test's own."""
    with Wire(server.address) as connection:
        yield connection
