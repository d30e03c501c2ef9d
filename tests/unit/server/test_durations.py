"""Lengths of time as an operator writes them."""

from __future__ import annotations

import pytest

from keyturn.core.model import SECOND
from keyturn.server.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("0s", 0), ("0", 0), ("900", 900), (900, 900)],
)
def test_a_duration_is_a_number_and_a_unit_or_bare_seconds(written: object, seconds: int) -> None:
    assert parse_duration(written) == seconds * SECOND


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "-1s",
        "1.5h",
        "1 h",
        " 1h",
        "1h ",
        "1h\n",
        "15M",
        "1w",
        "1h30m",
        "1e3",
        "٣s",
        "9" * 5000,
        1.5,
        True,
        None,
        [],
    ],
)
def test_anything_else_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match=r"^must be a duration such as 90s, 15m, 12h or 30d"):
        parse_duration(written)


@pytest.mark.parametrize("written", ["0s", "59s", "90s", "15m", "25h", "36h", "30d"])
def test_a_duration_is_shown_as_it_is_written(written: str) -> None:
    assert format_duration(parse_duration(written)) == written
