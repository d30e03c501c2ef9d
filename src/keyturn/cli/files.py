"""Reading a file of users: a line at a time, and no line costs another."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from keyturn.core import strict_json
from keyturn.core.strict_json import NotStrictJson
from keyturn.errors import InvalidInput
from keyturn.service.importing import Line

MAX_LINE = 2**16
"""Bytes: far more than any user needs."""

_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t"
# What a spreadsheet would take for a formula, behind the apostrophes that keep it from that.
_FORMULA = re.compile(r"'*[=+\-@\t\r]", re.DOTALL)


class Format(StrEnum):
    """How a file of users is written."""

    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True)
class Source:
    """A file of users.

    Attributes:
        columns: all that occur in it.
        lines: one a user.
        size: what `position` is at in the end.
        position: how far the lines have been read.
    """

    columns: frozenset[str]
    lines: Iterator[Line]
    size: int
    position: Callable[[], int]


@contextmanager
def opened_file(name: str) -> Iterator[BinaryIO]:
    """A file that can be read from the beginning more than once; `-` is standard input, copied to where nobody else reads it.

    Raises:
        InvalidInput: it cannot be opened.
    """
    with ExitStack() as stack:
        try:
            file: BinaryIO = sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
            if not file.seekable() or name == "-":
                copy = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(file, copy)
                file = copy
        except OSError as error:
            raise InvalidInput("file", f"{name} cannot be read: {error.strerror}.") from None
        file.seek(0)
        _refuse_other_encodings(name, file.read(4096))
        yield file


def _refuse_other_encodings(name: str, start: bytes) -> None:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        raise InvalidInput(
            "file", f"{name} is not in UTF-8 but in UTF-16, or no text. Convert it: iconv -f UTF-16 -t UTF-8."
        )


def escaped(text: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that looks like it has an apostrophe before it."""
    return f"'{text}" if _FORMULA.match(text) else text


def _unescaped(text: str) -> str:
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def read_csv(file: BinaryIO) -> Source:
    """The lines of a CSV file: its first line has the names of the columns, separated as everything else by commas, semicolons or
    tabs (RFC 4180, but that a line is a record: no cell goes over two lines).

    Raises:
        InvalidInput: there is no such first line.
    """
    first = next(_numbered(file), (1, b""))[1]
    try:
        header = (first or b"").decode("utf-8").strip()
        delimiter = max(_DELIMITERS, key=header.count)
        columns = [name.strip() for name in _cells(header, delimiter)]
    except (UnicodeDecodeError, csv.Error):
        columns = []
    if not any(columns) or len(set(columns)) != len(columns):
        raise InvalidInput("columns", "The first line has to name the columns, in UTF-8, each once: email,full_name,…")

    def lines() -> Iterator[Line]:
        for number, line in _numbered(file, skip=1):
            if line is None or line.strip():
                yield _csv_line(number, line, columns, delimiter)

    return Source(frozenset(columns), lines(), _size(file), file.tell)


def _csv_line(number: int, line: bytes | None, columns: list[str], delimiter: str) -> Line:
    try:
        cells = [_unescaped(cell) for cell in _cells(_text(line), delimiter)]
    except csv.Error:
        return Line(number, problem="A cell is not closed where the line ends, or has a quotation mark inside.")
    except ValueError as error:
        return Line(number, problem=str(error))
    if len(cells) != len(columns):
        return Line(number, problem=f"There are {len(cells)} cells, and the first line names {len(columns)} columns.")
    return Line(number, dict(zip(columns, cells, strict=True)))


def _cells(text: str, delimiter: str) -> list[str]:
    return next(csv.reader([text.rstrip("\r\n")], delimiter=delimiter, strict=True), [])


def read_jsonl(file: BinaryIO) -> Source:
    """The lines of a JSON Lines file: an object a line."""

    def lines() -> Iterator[Line]:
        for number, line in _numbered(file):
            if line is None or line.strip():
                yield _json_line(number, line)

    columns = frozenset(name for line in lines() for name in line.fields)
    return Source(columns, lines(), _size(file), file.tell)


def _json_line(number: int, line: bytes | None) -> Line:
    try:
        found = strict_json.parse(_text(line).encode(), max_depth=8, max_members=1000)
    except NotStrictJson as error:
        return Line(number, problem=f"Not JSON as it is read here: {error}.")
    except ValueError as error:
        return Line(number, problem=str(error))
    if not isinstance(found, dict):
        return Line(number, problem="This is no JSON object.")
    return Line(number, found)


def read_json(file: BinaryIO, member: str) -> Source:
    """The users of a JSON document, from a member that is a list of objects; a user's number is their place in it.

    Raises:
        InvalidInput: it is no such document.
    """
    try:
        file.seek(0)
        found = json.loads(file.read())[member]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise InvalidInput("file", f'This is no JSON document with a list of users: {{"{member}": [{{…}}, …]}}.')
    read = 0

    def lines() -> Iterator[Line]:
        nonlocal read
        for read, user in enumerate(found, 1):
            yield Line(read, user) if isinstance(user, dict) else Line(read, problem="This is no JSON object.")

    columns = frozenset(name for user in found if isinstance(user, dict) for name in user)
    return Source(columns, lines(), len(found), lambda: read)


def check_columns(columns: Collection[str], known: Collection[str]) -> None:
    """Refuse a file with columns that are not known, for nothing that it holds is to be lost unsaid; and one without addresses.

    Args:
        columns: those of the file; none: no line of it could be read, and each says why.
        known: those that there are.

    Raises:
        InvalidInput: names them.
    """
    unknown = sorted(set(columns) - set(known))
    if unknown:
        # Quoted: a name may hold anything.
        named = ", ".join(json.dumps(name[:64]) for name in unknown[:20])
        raise InvalidInput(
            "columns",
            f"The file has columns that are not known here: {named}. Leave them out with --ignore, or rename them; known are "
            f"{', '.join(known)}.",
        )
    if columns and "email" not in columns:
        raise InvalidInput("columns", "The file has no column email.")


def _numbered(file: BinaryIO, skip: int = 0) -> Iterator[tuple[int, bytes | None]]:
    """The lines with their numbers, from the beginning; none in the place of one that is too long."""
    file.seek(len(_BOM) if _starts_with_bom(file) else 0)
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        whole = len(line) <= MAX_LINE
        if number > skip:
            yield number, line if whole else None
        while not whole and line and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE)


def _starts_with_bom(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(len(_BOM)) == _BOM


def _text(line: bytes | None) -> str:
    if line is None:
        raise ValueError(f"The line is longer than {MAX_LINE} bytes.")
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"Byte {error.start + 1} is not UTF-8. If the file is in Latin-1, convert it: iconv -f LATIN1 -t UTF-8."
        ) from None


def _size(file: BinaryIO) -> int:
    here = file.tell()
    size = file.seek(0, 2)
    file.seek(here)
    return size
