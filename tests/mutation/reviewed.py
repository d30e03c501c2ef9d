"""The mutants that no test kills and that somebody has looked at: survivors.md, read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

SURVIVORS = Path(__file__).with_name("survivors.md")

_ENTRY = re.compile(r"^## `(?P<function>[\w.]+)`$|^```diff\n(?P<diff>.*?)^```$", re.MULTILINE | re.DOTALL)


class Mutant(NamedTuple):
    """A change of one function. Its number in mutmut moves with every change of the function; what it changes does not."""

    function: str
    change: str


def changes(diff: str) -> str:
    """The lines that a diff takes away and puts in, without their indentation."""
    lines = [line for line in diff.splitlines() if line[:1] in ("-", "+") and line[:3] not in ("---", "+++")]
    return "\n".join(f"{line[0]} {line[1:].strip()}" for line in lines)


def reviewed() -> set[Mutant]:
    """Every mutant in the list."""
    found, function = set(), ""
    for entry in _ENTRY.finditer(SURVIVORS.read_text()):
        function = entry["function"] or function
        if entry["diff"]:
            found.add(Mutant(function, changes(entry["diff"])))
    return found
