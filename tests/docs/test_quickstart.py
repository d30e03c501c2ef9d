"""The README's commands, taken out of the page as printed and run in order."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.support.server import ROOT, ServerProcess

README = ROOT / "README.md"
PRINTED = "127.0.0.1:8000"


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_the_quickstart_works_as_printed(tmp_path: Path) -> None:
    start, *commands = blocks(README, "bash")
    setting = re.fullmatch(r"(KEYTURN_ACCESS_TTL)=(\w+) make serve\n", start)
    assert setting, start
    with ServerProcess(tmp_path / "keyturn-data", {setting[1]: setting[2]}) as server:
        # Another port, so that the test runs beside a server; and the program that the README's environment has.
        script = "\n".join(commands).replace(PRINTED, server.url.removeprefix("http://"))
        script = script.replace(".venv/bin/keyturn", f"{sys.executable} -m keyturn")
        done = subprocess.run(
            ["bash", "-eu"], input=script, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    output = done.stdout
    for expected in re.findall(r"^# -> (.*)$", "\n".join(commands), flags=re.MULTILINE):
        found = output.find(expected)
        assert found >= 0, f"{expected!r} is promised next, and does not come: {output}"
        output = output[found + len(expected) :]


def test_the_two_commands_are_commands_of_the_makefile() -> None:
    pages = "\n".join(path.read_text(encoding="utf-8") for path in [README, ROOT / "CONTRIBUTING.md"])
    named = set(re.findall(r"(?:^|`|=\S+ )make (\w+)", pages, flags=re.MULTILINE))
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert {"serve", "test"} <= named <= targets


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test " in blocks(README, "console")[0]
