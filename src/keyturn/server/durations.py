"""Lengths of time as an operator writes them: `90s`, `15m`, `12h`, `30d`, or a bare number of seconds."""

from __future__ import annotations

import re

from keyturn.core.model import SECOND, Micros

UNITS = {"d": 86_400 * SECOND, "h": 3600 * SECOND, "m": 60 * SECOND, "s": SECOND}

_WRITTEN = re.compile(r"([0-9]{1,9})([smhd]?)")


def parse_duration(value: object) -> Micros:
    """A length of time.

    Args:
        value: text such as `90s`, `15m`, `12h`, `30d` or `0s`; or whole seconds, as text or as a number.

    Returns:
        Microseconds.

    Raises:
        ValueError: it is none of these.
    """
    text = str(value) if isinstance(value, int) else value
    written = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    if written is None:
        raise ValueError("must be a duration such as 90s, 15m, 12h or 30d (a bare number is whole seconds)")
    return int(written[1]) * UNITS[written[2] or "s"]


def format_duration(duration: Micros) -> str:
    """The duration (whole seconds, in microseconds) in the largest unit that it is a whole number of, such as `15m`."""
    unit = next((unit for unit, length in UNITS.items() if duration and duration % length == 0), "s")
    return f"{duration // UNITS[unit]}{unit}"
