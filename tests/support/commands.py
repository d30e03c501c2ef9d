"""The command line, run to its end in this process: starting one takes a second."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from tests.support.client import PASSWORD

from keyturn.cli import main


def environment(**more: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "JWT_"))}
    return {**inherited, "COLUMNS": "200", "TERM": "dumb", "NO_COLOR": "1", **more}


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON; it must have succeeded in silence otherwise."""
        assert (self.returncode, self.stderr) == (0, ""), self
        return json.loads(self.stdout)


def keyturn(*arguments: str, given: str = "", **environ: str) -> Done:
    """Run a command to its end; in this process, since starting one takes a second."""
    with (
        patch.dict(os.environ, environment(**environ), clear=True),
        patch.object(sys, "argv", ["keyturn", *arguments]),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode()), "utf-8")),
        contextlib.redirect_stdout(io.StringIO()) as out,
        contextlib.redirect_stderr(io.StringIO()) as err,
        pytest.raises(SystemExit) as exit_,
    ):
        sys.exit(main())
    return Done(int(exit_.value.code or 0), out.getvalue(), err.getvalue())


def create(data: Path, *arguments: str, password: str = PASSWORD) -> Done:
    return keyturn("users", "create", *arguments, "--password-stdin", "--data-dir", str(data), given=f"{password}\n")


def assert_one_line(done: Done, *words: str) -> None:
    """The command failed, and said why in one line on standard error."""
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("keyturn: ")
    assert all(word in line for word in words), line
