"""The checker of histories finds what was planted, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.history import LOST, SIGNED_OUT, UNDEAD, Event, Row, Violation, violations

HISTORY = [
    Event("sign_in", "a", 0, 1, got=1, status=200),
    Event("refresh", "a", 2, 3, sent=1, got=2, status=200),
    Event("refresh", "a", 4, 5, sent=2),
    Event("refresh", "a", 6, 7, sent=2, got=3, status=200),
    Event("sign_in", "b", 0, 1, got=1, status=200),
    Event("refresh", "b", 2, 9, sent=1, got=2, status=200),
    Event("sign_out", "b", 3, 4, status=204),
    Event("refresh", "b", 5, 6, sent=1, status=403, reason="signed_out"),
    Event("sign_in", "c", 0, 1, got=1, status=200),
    Event("sign_out", "c", 2, 3),
    Event("refresh", "c", 4, 5, sent=1, status=503),
]
ROWS = {"a": Row(2, None), "b": Row(1, "signed_out"), "c": Row(0, None)}


def test_a_history_without_fault_is_found_to_be_one() -> None:
    assert violations(HISTORY, ROWS) == []


@pytest.mark.parametrize(
    ("planted", "rows", "kind"),
    [
        ([], {"a": Row(1, None)}, Violation(LOST, "a")),
        ([Event("sign_in", "d", 0, 1, got=1, status=200)], {}, Violation(LOST, "d")),
        ([Event("refresh", "a", 8, 9, sent=3, status=403, reason="reuse_detected")], {}, Violation(SIGNED_OUT, "a")),
        ([], {"a": Row(2, "reuse_detected")}, Violation(SIGNED_OUT, "a")),
        ([], {"b": Row(1, "reuse_detected")}, Violation(SIGNED_OUT, "b")),
        ([Event("refresh", "c", 0.5, 1.5, sent=1, status=403)], {}, Violation(SIGNED_OUT, "c")),
        ([Event("refresh", "b", 7, 8, sent=2, got=2, status=200)], {}, Violation(UNDEAD, "b")),
        ([], {"b": Row(1, None)}, Violation(UNDEAD, "b")),
    ],
)
def test_a_planted_violation_is_found(planted: list[Event], rows: dict[str, Row], kind: Violation) -> None:
    assert violations([*HISTORY, *planted], ROWS | rows) == [kind]


def test_a_sign_out_that_nobody_acknowledged_may_have_been_decided_or_not() -> None:
    assert violations(HISTORY, ROWS | {"c": Row(0, "signed_out")}) == []
    late = [replace(event, status=403, reason="signed_out") if event.status == 503 else event for event in HISTORY]
    assert violations(late, ROWS | {"c": Row(0, "signed_out")}) == []
