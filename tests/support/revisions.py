"""Migrations of a version that is yet to come."""

from __future__ import annotations

import shutil
from importlib.resources import as_file, files
from pathlib import Path


def newest_revision() -> str:
    """The last one of ours."""
    folder = files("keyturn.stores") / "migrations" / "versions"
    return max(file.name[1:5] for file in folder.iterdir() if file.name.startswith("r"))


def newer_revisions(folder: Path, text: str) -> str:
    """Ours, and one more after them.

    Args:
        folder: where to put them; it is made.
        text: of the one that comes after ours.
    """
    with as_file(files("keyturn.stores") / "migrations") as ours:
        shutil.copytree(ours, folder)
    (folder / "versions" / "r9999_next.py").write_text(text)
    return str(folder)
