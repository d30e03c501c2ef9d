"""The README's commands, taken out of the page as printed and run in order, in a clean folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.documents import README, blocks
from tests.support.server import ROOT

PRINTED = "http://127.0.0.1:8000"


def clean_checkout(folder: Path) -> Path:
    """The project as somebody has it who has just made its environment, with no data yet."""
    for name in ("Makefile", ".ci", "pyproject.toml", "requirements.lock"):
        (folder / name).symlink_to(ROOT / name)
    environment = folder / ".venv"
    environment.mkdir()
    for part in Path(sys.prefix).iterdir():
        if part.name != "ready":
            (environment / part.name).symlink_to(part)
    (environment / "ready").touch()
    return folder


@contextmanager
def running(command: str, folder: Path) -> Iterator[str]:
    """Run the command that starts a server; gives where it answers.

    The port is any free one, so that the test can run beside a server: it comes from the environment, not from the command.
    """
    # Neither our settings nor what a make around the tests was told.
    foreign = ("KEYTURN_", "JWT_", "MAKE", "MFLAGS", "ARGS")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            ["bash", "-c", command],
            env={**inherited, "KEYTURN_PORT": "0"},
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    assert process.stdout
    try:
        greeting = process.stdout.readline()
        found = re.search(r"answers at (\S+)", greeting)
        assert found, greeting + (folder / "log").read_text()
        yield found[1]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        process.stdout.close()


def paste(page: str, folder: Path) -> None:
    """Paste commands into a shell, and find what they print as it is said beside them."""
    done = subprocess.run(
        ["bash", "-u"],
        input=page,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=150,
        check=False,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    for printed in re.findall(r"(?:^# -> .*\n)+", page, flags=re.MULTILINE):
        line = lines.pop(0)
        for part in re.findall(r"^# -> (.*)$", printed, flags=re.MULTILINE):
            assert part in line
    assert lines == []


def test_the_quickstart_works_as_printed_however_often(tmp_path: Path) -> None:
    start, *commands = blocks(README, "bash")
    assert start.endswith("make serve\n")
    page = "\n".join(commands)
    assert page.count(PRINTED) == 1
    folder = clean_checkout(tmp_path)
    with running(start, folder) as url:
        for _ in range(2):
            paste(page.replace(PRINTED, url), folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [".ci", ".venv", "Makefile", "keyturn-data", "log", "pyproject.toml", "requirements.lock"]
    )


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "make test " in blocks(README, "console")[0]
