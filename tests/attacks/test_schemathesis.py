"""The API against what its own description allows and forbids: generated requests, alone and in sequences that follow links."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import UndefinedStatusCode, ignored_auth, positive_data_acceptance
from tests.support.client import BASE, PASSWORD
from tests.support.server import LiveServer

QUICK = 15
THOROUGH = 400

# What the description cannot say, so that a request that fits it may still be refused with 422: the form of names, one login of
# three, a refresh token in one place of two. And a sign-out is answered 204 whatever comes with it.
FINER_THAN_THE_SCHEMA = {
    f"POST {BASE}/register": [positive_data_acceptance],
    f"POST {BASE}/login": [positive_data_acceptance],
    f"POST {BASE}/refresh-token": [positive_data_acceptance],
    f"PATCH {BASE}/me": [positive_data_acceptance],
    f"DELETE {BASE}/me": [positive_data_acceptance],
    f"POST {BASE}/password": [positive_data_acceptance],
    f"POST {BASE}/email": [positive_data_acceptance],
    f"POST {BASE}/password/forgot": [positive_data_acceptance],
    f"POST {BASE}/logout": [ignored_auth],
}


class Somebody:
    """Always has an account and a token that is good, however often a generated request signs them out or closes it."""

    def __init__(self, server: LiveServer) -> None:
        self._client = httpx2.Client(base_url=server.url)
        self._made = 0
        self._token = "none"

    def authorization(self) -> str:
        """The header's value; with a new account if the one before is no good any more."""
        if self._client.get(f"{BASE}/me", headers={"authorization": self._bearer}).status_code != 200:
            self._made += 1
            body = {"email": f"user{self._made}@example.com", "password": PASSWORD, "delivery": "body"}
            self._token = self._client.post(f"{BASE}/register", json=body).json()["access_token"]
        return self._bearer

    def close(self) -> None:
        self._client.close()

    @property
    def _bearer(self) -> str:
        return f"Bearer {self._token}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(Path(tmp_path_factory.mktemp("described")) / "data") as live:
        yield live


@pytest.fixture(scope="module")
def somebody(running: LiveServer) -> Iterator[Somebody]:
    person = Somebody(running)
    yield person
    person.close()


def described(server: LiveServer) -> Any:
    """The API as it describes itself. What is too long may also be refused as such."""
    statuses = ["400", "401", "403", "404", "405", "409", "413", "415", "422", "431"]
    config = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": statuses}}})
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json", config=config)


def signed_in(schema: Any, somebody: Somebody) -> Any:
    """The same, with a token that is good in every request (but in those that try whether one is needed)."""

    @schema.auth(refresh_interval=None)
    class Bearer:
        def get(self, case: Any, context: Any) -> str:
            return somebody.authorization()

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["Authorization"] = data

    return schema


def profile(examples: int, steps: int = 10) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        derandomize=examples == QUICK,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def every_operation(server: LiveServer, somebody: Somebody, examples: int) -> int:
    """Generate requests for each operation, and hold the answers to all checks there are; the number of operations."""
    count = 0
    for found in signed_in(described(server), somebody).get_all_operations():
        operation = found.ok()
        # Without a body there is nothing to get wrong but the path, which tests of paths do.
        modes = list(GenerationMode) if operation.body else [GenerationMode.POSITIVE]
        for mode in modes:
            examine(operation, mode, examples)
        count += 1
    return count


def examine(operation: Any, mode: GenerationMode, examples: int) -> None:
    excluded = FINER_THAN_THE_SCHEMA.get(f"{operation.method.upper()} {operation.path}", [])

    @profile(examples)
    @given(case=operation.as_strategy(generation_mode=mode))
    def attempt(case: Any) -> None:
        case.call_and_validate(excluded_checks=excluded)

    attempt()


def test_every_operation_does_what_its_description_says(running: LiveServer, somebody: Somebody) -> None:
    assert every_operation(running, somebody, QUICK) >= 15


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_every_operation_does_what_its_description_says_thousands_of_times(
    running: LiveServer, somebody: Somebody
) -> None:
    every_operation(running, somebody, THOROUGH)


def sequences(server: LiveServer, examples: int, steps: int) -> int:
    """Sign-ins, and what their links lead to, in any order; what was ended must stay ended. The number of accounts made."""
    numbers = itertools.count()
    machine = described(server).as_state_machine()

    class Sequences(machine):  # type: ignore[misc, valid-type]
        """Whoever registers does so with a name that nobody has, and goes on with the token of it."""

        def setup(self) -> None:
            self.bearer = "none"

        def before_call(self, case: Any) -> None:
            if case.operation.path.endswith("/register"):
                email = f"sequence{next(numbers)}@example.com"
                case.body = {"email": email, "password": PASSWORD, "delivery": "body"}

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": {"authorization": f"Bearer {self.bearer}"}}

        def after_call(self, response: Any, case: Any) -> None:
            if response.status_code in {200, 201} and "access_token" in response.json():
                self.bearer = response.json()["access_token"]

        def validate_response(self, response: Any, case: Any, **more: Any) -> None:
            excluded = [positive_data_acceptance, ignored_auth]
            case.validate_response(response, excluded_checks=excluded)

    Sequences.run(settings=profile(examples, steps))
    return next(numbers)


def test_sequences_that_follow_links_meet_no_surprise(running: LiveServer) -> None:
    assert sequences(running, QUICK, 10) > QUICK // 2


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_long_sequences_that_follow_links_meet_no_surprise(running: LiveServer) -> None:
    sequences(running, THOROUGH, 50)


def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    """The checks can fail: an answer that the description does not list is one."""
    with LiveServer(tmp_path / "data") as server:
        document = httpx2.get(f"{server.url}/openapi.json").json()
        del document["paths"][f"{BASE}/me"]["get"]["responses"]["401"]
        document["servers"] = [{"url": server.url}]
        operation = schemathesis.openapi.from_dict(document)[f"{BASE}/me"]["GET"]
        case = operation.Case()
        with pytest.raises(FailureGroup) as found:
            case.call_and_validate(base_url=server.url, headers={"authorization": "Bearer nonsense"})
    assert [type(failure) for failure in found.value.exceptions] == [UndefinedStatusCode]
