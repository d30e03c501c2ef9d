"""Log lines: one a record, as text for people or JSON for programs. No line can be made into two by what it quotes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

_MAX_VALUE = 500

# ASCII only: no line separator of Unicode's reaches a terminal or a log shipper as one.
_in_json = json.JSONEncoder(default=str).encode


def configure(log_format: Literal["text", "json"], level: str) -> None:
    """Send every record to standard error.

    Args:
        log_format: of the lines.
        level: the least that is written, as `logging` names it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # The server tells of its start and its requests itself.
    for chatty in ("uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def _facts(record: logging.LogRecord) -> Iterator[tuple[str, object]]:
    facts: Mapping[str, object] = getattr(record, "facts", {})
    return (fact for fact in facts.items() if fact[1] is not None)


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _when(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **dict(_facts(record)),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return _in_json(line)


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={_quoted(value)}" for name, value in _facts(record))
        line = f"{_when(record)} {record.levelname.lower():7} {record.name} {_escaped(record.getMessage())} {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _quoted(value: object) -> str:
    text = _escaped(str(value)[:_MAX_VALUE])
    return f'"{text}"' if " " in text or not text else text


def _escaped(text: str) -> str:
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return text.encode("unicode_escape").decode("ascii")
