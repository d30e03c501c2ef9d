"""The table of ASVS 5.0 has every requirement of the chapters that apply, once, and names tests that exist."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from tests.docs.test_documents import all_tests
from tests.support.documents import DOCS, rows_of

PAGE = DOCS / "asvs.md"

# How many requirements each section of the standard has; V5 and V17 are left out as a whole.
SIZES = {
    "1": (2, 10, 12, 3, 3),
    "2": (3, 3, 5, 2),
    "3": (1, 3, 5, 8, 8, 1, 5),
    "4": (5, 5, 2, 4),
    "6": (3, 12, 8, 6, 8, 4, 2, 4),
    "7": (3, 4, 2, 5, 3, 2),
    "8": (4, 4, 3, 2),
    "9": (3, 4),
    "10": (2, 3, 5, 16, 5, 2, 3),
    "11": (4, 5, 5, 4, 2, 2, 2),
    "12": (5, 2, 5),
    "13": (4, 6, 4, 7),
    "14": (2, 8, 3),
    "15": (5, 5, 7, 4),
    "16": (1, 5, 4, 3, 4),
}
WANTED = [
    f"{chapter}.{section}.{number}"
    for chapter, sizes in SIZES.items()
    for section, size in enumerate(sizes, 1)
    for number in range(1, size + 1)
]

ROWS = [[*row, ""][:4] for row in rows_of(PAGE, "requirement")]


def requirements(cell: str) -> list[str]:
    """The requirements that a row is about: `6.5.1–6.5.8`, `13.2.1, 13.2.3`."""
    found = []
    for section, first, last in re.findall(r"(?<![\d.])(\d+\.\d+)\.(\d+)(?:–\1\.(\d+))?", cell):
        found += [f"{section}.{number}" for number in range(int(first), int(last or first) + 1)]
    return found


def test_every_requirement_has_its_row_once() -> None:
    found = Counter(one for cell, *_ in ROWS for one in requirements(cell))
    assert [one for one, count in found.items() if count > 1] == []
    assert set(found) == set(WANTED)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].partition(" ")[0])
def test_a_row_says_how_it_stands_and_why(row: list[str]) -> None:
    _, state, how, shown_by = row
    assert state in {"M", "P", "O", "D", "–"}
    named = re.findall(r"`(test_\w+)`", shown_by)
    assert how or named
    assert set(named) <= all_tests()
    assert re.sub(r"`test_\w+`|[, |]", "", shown_by) == ""


def test_what_is_met_is_mostly_shown_by_a_test() -> None:
    met = [row for row in ROWS if row[1] == "M"]
    assert sum("test_" in row[3] for row in met) > 0.6 * len(met)
