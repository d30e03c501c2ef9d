"""What a benchmark gives: figures, and whether they are what is wanted."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_COMPARE: dict[str, Callable[[float, float], bool]] = {"at least": operator.ge, "at most": operator.le}


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes:
        what: was measured.
        value: the number.
        form: how to write it, such as "{:,.0f}/s".
        bound: "at least" or "at most", where something is wanted.
        wanted: how much.
        missing: why there is no number, where there is none.
        note: said in brackets after what was measured.
    """

    what: str
    value: float
    form: str = "{:.2f}"
    bound: str = ""
    wanted: float = 0.0
    missing: str = ""
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is as wanted; so is a figure of which nothing is wanted, and one that is missing."""
        return not self.bound or bool(self.missing) or _COMPARE[self.bound](self.value, self.wanted)

    @property
    def row(self) -> str:
        wanted = f"{self.bound} {self.form.format(self.wanted)}" if self.bound else ""
        what = f"{self.what} ({self.note})" if self.note else self.what
        if self.missing:
            return f"| {what} | {self.missing} | {wanted} | |"
        verdict = "" if not self.bound else "yes" if self.holds else "NO"
        return f"| {what} | {self.form.format(self.value)} | {wanted} | {verdict} |"


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table."""
    return "\n".join(["| what | measured | wanted | holds |", "| --- | ---: | ---: | --- |", *(f.row for f in figures)])
