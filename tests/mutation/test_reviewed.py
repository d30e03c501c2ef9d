from __future__ import annotations

from tests.mutation.reviewed import Mutant, changes, reviewed
from tests.support.server import ROOT


def test_a_reviewed_mutant_is_of_code_that_there_is() -> None:
    assert len(reviewed()) > 10
    for mutant in reviewed():
        room, module, *_ = mutant.function.split(".")
        lines = [line.strip() for line in (ROOT / "src/keyturn" / room / f"{module}.py").read_text().splitlines()]
        taken = [line[2:] for line in mutant.change.splitlines() if line[0] == "-"]
        assert taken
        assert set(taken) <= set(lines), mutant


def test_a_change_is_told_by_its_lines_alone() -> None:
    shown = "# a.b: survived\n--- src/a.py\n+++ src/a.py\n@@ -1,2 +1,2 @@\n def f():\n-    return 1\n+    return 2\n"
    assert Mutant("a.f", changes(shown)) == Mutant("a.f", "- return 1\n+ return 2")
