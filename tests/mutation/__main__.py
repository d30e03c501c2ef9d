"""`make mutants`: changes the core in every way that mutmut knows, and sees whether a test notices.

It fails if fewer than 95 % of the mutants are killed, or if one lives that is not in survivors.md. It takes about half an hour,
on one core and politely, in a copy of the project.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.mutation.reviewed import Mutant, changes, reviewed
from tests.support.server import ROOT

LEAST = 0.95
DEAD = frozenset({"killed", "timeout", "segfault"})

_MUTMUT = [str(Path(sys.executable).with_name("mutmut"))]


def _copy(folder: Path) -> None:
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def _verdicts(folder: Path) -> dict[str, str]:
    """What became of each mutant, by mutmut's name for it."""
    printed = subprocess.run(
        [*_MUTMUT, "results", "--all", "true"], check=True, cwd=folder, capture_output=True, text=True
    ).stdout
    return dict(re.findall(r"^ *(\S+): (.+)$", printed, re.MULTILINE))


def _described(name: str, folder: Path) -> Mutant:
    """A mutant in terms that outlive its number: `x_name` is a function's name in mutmut, `xǁClassǁname` a method's."""
    diff = subprocess.run([*_MUTMUT, "show", name], check=True, cwd=folder, capture_output=True, text=True).stdout
    function = re.sub(r"__mutmut_\d+$", "", name).replace(".x_", ".").replace(".xǁ", ".").replace("ǁ", ".")
    return Mutant(function.removeprefix("keyturn."), changes(diff))


def main() -> int:
    os.nice(10)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _copy(folder)
        subprocess.run([*_MUTMUT, "run", "--max-children", "1"], check=True, cwd=folder)
        verdicts = _verdicts(folder)
        alive = {_described(name, folder) for name, verdict in verdicts.items() if verdict not in DEAD}
    print(f"{len(verdicts)} mutants: {dict(Counter(verdicts.values()))}")
    score = 1 - sum(verdict not in DEAD for verdict in verdicts.values()) / len(verdicts)
    print(f"killed: {score:.1%}; at least {LEAST:.0%} must be")
    for mutant in sorted(reviewed() - alive):
        print(f"\nno longer alive, take it off the list: {mutant.function}\n{mutant.change}")
    for mutant in sorted(alive - reviewed()):
        print(f"\nalive and not reviewed: {mutant.function}\n{mutant.change}")
    return int(score < LEAST or not alive <= reviewed())


if __name__ == "__main__":
    sys.exit(main())
