"""Errors as answers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from keyturn import errors
from keyturn.errors import InvalidInput, KeyturnError, SessionEnded, SettingsError
from keyturn.http.problems import STATUS, InvalidRequest, problem_of


def subclasses(kind: type[KeyturnError]) -> Iterator[type[KeyturnError]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from subclasses(sub)


# Roots of other errors, and what stops the start, are never answered; what an application's hook does wrong is an internal error.
UNANSWERED = {errors.SettingsError, errors.Taken, errors.TokenError, errors.ProviderError, errors.ClaimsHookFailed}
MODULES = ("keyturn.errors", "keyturn.http.")
ANSWERED = [kind for kind in subclasses(KeyturnError) if kind.__module__.startswith(MODULES) and kind not in UNANSWERED]


@pytest.mark.parametrize("kind", ANSWERED, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_a_code_of_its_own(kind: type[KeyturnError]) -> None:
    sharing = {other for other in STATUS if other.code == kind.code}
    assert sharing == ({InvalidInput, InvalidRequest} if kind.code == "invalid_request" else {kind})


def test_an_error_without_a_status_is_ours_to_mend_and_says_nothing_of_itself() -> None:
    problem = problem_of(SettingsError("the secret is hunter2"), request_id="abc")
    assert (problem.status, problem.body["code"], problem.body["request_id"]) == (500, "internal_error", "abc")
    assert problem.body["detail"] == KeyturnError.message
    assert "hunter2" not in json.dumps(problem.body)


def test_an_error_of_ours_does_not_quote_its_message_either() -> None:
    assert "hunter2" not in json.dumps(problem_of(KeyturnError("the secret is hunter2")).body)


def test_each_field_that_is_not_acceptable_has_an_entry() -> None:
    several = problem_of(InvalidRequest([("email", "Wrong."), ("password", "Short.")]))
    one = problem_of(InvalidInput("email", "Wrong."))
    assert several.body["errors"] == [
        {"field": "email", "message": "Wrong."},
        {"field": "password", "message": "Short."},
    ]
    assert one.body["errors"] == [{"field": "email", "message": "Wrong."}]
    assert {**several.body, "errors": None} == {**one.body, "errors": None}


def test_only_a_session_that_ended_has_a_reason() -> None:
    assert problem_of(SessionEnded("idle")).body["reason"] == "idle"
    assert all("reason" not in problem_of(kind()).body for kind in (errors.NotFound, errors.Overloaded))


@pytest.mark.parametrize(
    ("kind", "headers"),
    [
        (errors.AccessTokenMissing, {"www-authenticate": "Bearer"}),
        (errors.AccessTokenInvalid, {"www-authenticate": 'Bearer error="invalid_token"'}),
        (errors.RefreshTokenMissing, {}),
        (errors.InvalidCredentials, {}),
        (errors.Overloaded, {"retry-after": "1"}),
        (errors.StoreUnavailable, {"retry-after": "1"}),
        (errors.RefreshTokenInvalid, {}),
    ],
)
def test_a_problem_says_in_a_header_what_helps(kind: type[KeyturnError], headers: dict[str, str]) -> None:
    assert problem_of(kind()).headers == headers
