"""What a process asked of the kernel, as strace tells it: whether a write was on the disk before an answer was sent."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path

CALLS = "fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"

_LINE = re.compile(r"(\d+) +(\w+)\((\d+)<(.*?)>")
_RESUMED = re.compile(r"(\d+) +<\.\.\. (?:fdatasync|fsync) resumed>\) += 0")


def under_strace(output: Path) -> tuple[str, ...]:
    """The command that starts another one and writes down its calls. The other one stays the child of whoever starts both."""
    return ("strace", "-D", "-f", "-yy", "-s", "8192", "-e", f"trace={CALLS}", "-o", str(output))


class Trace:
    """The calls of a process that has ended, in their order.

    Args:
        output: what strace wrote.
        pid: of the process.
    """

    def __init__(self, output: Path, pid: int) -> None:
        self._lines = _whole(output, pid)
        self._wal_writes: list[int] = []
        self._sends: list[int] = []
        self.syncs: list[tuple[int, int]] = []
        """Where each fdatasync of the write-ahead log was called, and where it had returned."""
        self._read()

    def _read(self) -> None:
        begun: dict[str, int] = {}
        for number, line in enumerate(self._lines):
            if (found := _LINE.match(line)) is not None:
                pid, call, _, file = found.groups()
                if call == "pwrite64" and file.endswith("-wal"):
                    self._wal_writes.append(number)
                elif call in {"fdatasync", "fsync"} and file.endswith("-wal"):
                    begun[pid] = number
                    if line.endswith("= 0"):
                        self.syncs.append((begun.pop(pid), number))
                elif file.startswith("TCP"):
                    self._sends.append(number)
            elif (resumed := _RESUMED.match(line)) is not None and resumed[1] in begun:
                self.syncs.append((begun.pop(resumed[1]), number))

    def answers_sent_too_early(self, promised: Mapping[str, str]) -> list[str]:
        """The answers that were sent before what they say was on the disk.

        Args:
            promised: by request id, a pattern for what the write-ahead log must hold first.
        """
        return [request_id for request_id, pattern in promised.items() if not self._kept(request_id, pattern)]

    def _kept(self, request_id: str, pattern: str) -> bool:
        sent = next(number for number in self._sends if request_id in self._lines[number])
        looked_for = re.compile(pattern)
        written = next(number for number in self._wal_writes if looked_for.search(self._lines[number]))
        return any(written < called and returned < sent for called, returned in self.syncs)


def _whole(output: Path, pid: int) -> list[str]:
    """The lines, once strace has written the last one."""
    end = re.compile(rf"^{pid} +\+\+\+ ", re.MULTILINE)
    until = time.monotonic() + 20
    while not end.search(text := output.read_text(errors="replace")):
        assert time.monotonic() < until, "strace did not finish"
        time.sleep(0.02)
    return text.splitlines()
