"""The values of the protocol, and what is not printed of them."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest

from keyturn.core.model import SECOND, AccessClaims, Account, Device, Policy, RefreshToken, User

DAY = 86_400 * SECOND


def test_the_defaults_are_those_of_the_documents() -> None:
    policy = Policy()
    assert policy.window == 30 * SECOND
    assert policy.idle_lifetime == 30 * DAY
    assert policy.session_lifetime == 180 * DAY
    assert policy.access_lifetime == 10 * 60 * SECOND


@pytest.mark.parametrize("window", [30 * SECOND, 60 * SECOND, 6, 1, 29_999_999])
def test_the_rest_follows_from_the_window(window: int) -> None:
    policy = Policy(window=window)
    assert policy.message_life == window // 3
    assert policy.throttle == policy.skew == window // 6
    assert window >= 2 * policy.message_life + policy.throttle + policy.skew


@pytest.mark.parametrize(
    ("window", "timeout"), [(30 * SECOND, 10 * SECOND), (3, 1), (2, 10 * SECOND), (0, 10 * SECOND)]
)
def test_a_client_waits_for_a_message_life_and_without_a_window_for_ten_seconds(window: int, timeout: int) -> None:
    assert Policy(window=window).refresh_timeout == timeout


def test_what_would_let_somebody_in_is_not_printed() -> None:
    account = Account(User("user", "ada@example.org", 0), "$argon2id$hash")
    assert "$argon2id$hash" not in repr(account)
    assert repr(RefreshToken("sid", "5eed", 1, "id", "parent")) == (
        "RefreshToken(session_id='sid', generation=1, id='id', parent_id='parent')"
    )


@pytest.mark.parametrize(
    "value",
    [
        User("user", "ada@example.org", 0),
        Device(),
        RefreshToken("sid", "5eed", 1, "id", "parent"),
        AccessClaims("user", "sid", "id", 1, 2, 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_cannot_be_changed(value: Any) -> None:
    for name in get_type_hints(type(value)):
        with pytest.raises(AttributeError):
            setattr(value, name, "other")
    with pytest.raises((AttributeError, TypeError)):
        value.another = "other"


@pytest.mark.parametrize(
    ("valid_from", "dated"),
    [(0, 10 * DAY), (9 * DAY, 10 * DAY), (10 * DAY, 10 * DAY + SECOND), (11 * DAY, 11 * DAY + SECOND)],
    ids=["never refused", "refused long ago", "refused just now", "refused by a clock that is ahead"],
)
def test_tokens_are_dated_after_the_second_in_which_older_ones_are_refused(valid_from: int, dated: int) -> None:
    assert User("user", "ada@example.org", 0, tokens_valid_from=valid_from).dates_tokens(10 * DAY) == dated
