"""What one process ends, disables or changes, every other one knows within the time that docs/operations.md states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.commands import keyturn
from tests.support.load import CHEAP_HASHES
from tests.support.postgres import Cluster
from tests.support.processes import eventually, to_each_worker
from tests.support.programs import needs
from tests.support.server import ServerProcess
from tests.support.wire import Wire, bearer

STATED_SECONDS = 1.0
SLACK_SECONDS = 3.0
"""For a machine that has other things to do at the same time."""


@dataclass
class Site:
    """A server of two workers, with one who is signed in.

    Attributes:
        one, other: a connection to each worker.
        command: runs one of `keyturn`'s on the same data.
    """

    one: Wire
    other: Wire
    command: Callable[..., None]

    def register(self) -> str:
        """An access token."""
        answer = self.one.call("POST", "/register", {"email": EMAIL, "password": PASSWORD, "delivery": "body"})
        assert answer.status == 201
        return str(answer.json["access_token"])

    def verified(self, token: str) -> list[int]:
        """What each worker says to a token, from its memory."""
        return [wire.call("GET", "/verify", headers=[bearer(token)]).status for wire in (self.one, self.other)]

    def assert_all_learn(self, token: str) -> None:
        took = eventually(lambda: self.verified(token) == [401, 401], "not every worker has learned of it")
        assert took < STATED_SECONDS + SLACK_SECONDS


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs("postgres"))])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    environ = {**CHEAP_HASHES, "KEYTURN_WORKERS": "2"}
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        environ["KEYTURN_DATABASE_URL"] = cluster.database()

    def command(*arguments: str) -> None:
        done = keyturn(*arguments, "--data-dir", str(tmp_path / "data"), **environ)
        assert done.returncode == 0, done

    with ServerProcess(tmp_path / "data", environ) as server, ExitStack() as stack:
        yield Site(*to_each_worker(stack, server, 2), command)


def test_every_worker_learns_of_an_end(site: Site) -> None:
    token = site.register()
    assert site.verified(token) == [204, 204]
    assert site.one.call("POST", "/logout-all", {}, headers=[bearer(token)]).status == 204
    # Whoever ended it knows at once.
    assert site.one.call("GET", "/verify", headers=[bearer(token)]).status == 401
    site.assert_all_learn(token)


def test_every_worker_learns_that_a_user_is_disabled(site: Site) -> None:
    token = site.register()
    assert site.verified(token) == [204, 204]
    site.command("users", "disable", EMAIL)
    site.assert_all_learn(token)


def test_every_worker_learns_that_roles_were_changed(site: Site) -> None:
    token = site.register()
    assert site.verified(token) == [204, 204]
    site.command("users", "set-roles", EMAIL, "auditor")
    site.assert_all_learn(token)
