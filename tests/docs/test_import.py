"""The page about users from elsewhere: its examples are imported as they stand, and it names every column."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.commands import keyturn
from tests.support.documents import DOCS, blocks, rows_of

from keyturn.service.records import COLUMNS

PAGE = DOCS / "import.md"


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_the_file_that_is_shown_is_imported_as_printed(form: str, tmp_path: Path) -> None:
    (content,) = blocks(PAGE, form)
    file = tmp_path / f"users.{form}"
    file.write_text(content)
    done = keyturn("users", "import", str(file), "--data-dir", str(tmp_path / "data"))
    assert (done.returncode, done.stdout[:9], done.stderr) == (0, "2 created", "")


def test_every_column_is_explained() -> None:
    named = ", ".join(columns for columns, _ in rows_of(PAGE, "column"))
    assert sorted(name.strip("`") for name in named.split(", ")) == sorted(COLUMNS)
