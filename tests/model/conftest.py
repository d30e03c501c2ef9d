"""Says in the summary how many states each search has been through."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _uncollected() -> Iterator[None]:
    """A search keeps a million values of which none is in a cycle: the collector would look through them for nothing."""
    gc.disable()
    yield
    gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the searches of `tests.model.proofs` said."""
    lines = [
        line
        for report in terminalreporter.stats.get("passed", [])
        if "tests/model/" in report.nodeid
        for line in report.capstdout.splitlines()
        if line.endswith("states, none wrong")
    ]
    if lines:
        terminalreporter.section("exhaustive searches")
        terminalreporter.write("\n".join(dict.fromkeys(lines)) + "\n")
