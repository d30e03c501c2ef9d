"""Fixtures for everybody: a real server on a real socket whose clock stands still, and a client that checks what it gets."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.support.client import Browser
from tests.support.postgres import Cluster, running
from tests.support.provider import Provider
from tests.support.server import APP, HOST, PUBLIC, LiveServer
from tests.support.wire import Wire
from tests.support.witness import WITNESS

from keyturn.testing.fakes import FakeClock


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With TEST_ALL=1 there is no excuse: a skip is a failure."""
    report = yield
    if os.environ.get("TEST_ALL") == "1" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, though everything is to run: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The packages come first: of what a worker begins with, no other takes a part over and makes their environments again."""
    items.sort(key=lambda item: "packaging" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def _listening() -> Iterator[None]:
    """Whatever a server in this process logs is read along."""
    with WITNESS.listening():
        yield


@pytest.fixture(autouse=True)
def _no_secret_is_in_any_log() -> Iterator[None]:
    """L2: not one token, cookie or password that any test has seen so far."""
    # What was said before is of fixtures that tests share.
    leaks = WITNESS.leaks()
    WITNESS.begin()
    yield
    assert leaks + WITNESS.leaks() == []


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    """A server with the default settings, cheap hashes and a clock that stands still."""
    with LiveServer(tmp_path / "data") as live:
        yield live


@pytest.fixture
def browser(server: LiveServer) -> Iterator[Browser]:
    """A client with a cookie jar, signed in nowhere."""
    with Browser(server.url) as client:
        yield client


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server in production: its issuer is https, another origin is listed, and a proxy of this machine may stand before it."""
    with LiveServer(tmp_path_factory.mktemp("production") / "data", issuer=PUBLIC, allowed_origins=(APP,)) as live:
        yield live


@pytest.fixture
def public(production: LiveServer) -> Iterator[Wire]:
    """A bare connection to it, by its public name."""
    with Wire(production.address, host=HOST) as connection:
        yield connection


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server for all tests of this process; each makes a database of its own."""
    with running(fsync="off") as cluster:  # none of them pulls the plug
        yield cluster


@pytest.fixture(scope="module")
def _provider() -> Iterator[Provider]:
    with Provider(FakeClock()) as live:
        yield live


@pytest.fixture
def provider(_provider: Provider) -> Provider:
    """An OpenID provider that tells the truth, and whose description and keys nobody remembers."""
    _provider.reset()
    _provider.clock.advance(3601)
    return _provider
