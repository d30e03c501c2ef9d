"""What every attack is held to: no answer of 500, no error in the server's log, and no secret in it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.attacks import Visitor, Watch
from tests.support.server import LiveServer
from tests.support.wire import Wire
from tests.support.witness import Witness


@pytest.fixture(scope="session")
def watch() -> Iterator[Watch]:
    """Listens to the log from the first test to the last."""
    watching = Watch()
    root = logging.getLogger()
    level = root.level
    root.addHandler(watching)
    root.setLevel(logging.INFO)
    yield watching
    root.removeHandler(watching)
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _nothing_went_wrong_unseen(watch: Watch) -> Iterator[None]:
    watch.begin()
    yield
    watch.assert_no_errors()
    watch.assert_no_secrets()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, witness: Witness) -> Iterator[LiveServer]:
    """A server for all the tests of a module: each has users of its own."""
    with LiveServer(Path(tmp_path_factory.mktemp("shared")) / "data", wrap=witness.wrap) as live:
        yield live


@pytest.fixture
def visitor(shared: LiveServer) -> Iterator[Visitor]:
    """Somebody with a new account on that server, signed in with delivery split."""
    with Visitor(shared) as client:
        client.join()
        yield client


@pytest.fixture(scope="session")
def witness() -> Iterator[Witness]:
    """Knows what the servers that it wraps were trusted with, whatever client they talk to."""
    heard = Witness()
    with heard.listening():
        yield heard


@pytest.fixture(autouse=True)
def _nothing_leaked(witness: Witness) -> Iterator[None]:
    witness.begin()
    yield
    assert witness.errors == []
    assert witness.leaks() == []


@pytest.fixture
def server(tmp_path: Path, witness: Witness) -> Iterator[LiveServer]:
    """A server of one test's own."""
    with LiveServer(tmp_path / "data", wrap=witness.wrap) as live:
        yield live


@pytest.fixture
def wire(server: LiveServer) -> Iterator[Wire]:
    """A connection to it."""
    with Wire(server.address) as connection:
        yield connection
