"""The limit on the refreshes of one session: it forgets, and it never grows."""

from __future__ import annotations

import pytest

from keyturn.core.model import SECOND
from keyturn.errors import TooManyAttempts
from keyturn.service.refresh_limit import MAX_SESSIONS, RefreshLimit


def test_a_session_has_so_many_refreshes_a_minute_and_others_have_theirs() -> None:
    limit = RefreshLimit(2)
    for session in ("a", "b"):
        limit.check(session, 0)
        limit.check(session, 20 * SECOND)
    with pytest.raises(TooManyAttempts) as refused:
        limit.check("a", 20 * SECOND)
    assert (refused.value.retry_after, refused.value.limit) == (40, "refresh")
    limit.check("a", 60 * SECOND)


def test_without_a_number_there_is_no_limit() -> None:
    limit = RefreshLimit()
    for _ in range(1000):
        limit.check("a", 0)
    assert limit._counts == {}


def test_the_sessions_that_are_counted_are_bounded() -> None:
    limit = RefreshLimit(1)
    for number in range(3 * MAX_SESSIONS):
        limit.check(str(number), 0)
        assert len(limit._counts) <= MAX_SESSIONS
