"""The passwords that nobody may choose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.client import PASSWORD

from keyturn.errors import SettingsError
from keyturn.server.blocklist import Blocklist


def test_the_common_passwords_are_those_that_are_long_enough_to_be_chosen() -> None:
    words = Blocklist(8, None, "X").words
    assert {"password", "iloveyou", "qwertyuiop", "12345678"} <= words
    assert len(words) > 3000  # ASVS 5.0, 6.2.4
    assert min(map(len, words)) == 8
    assert "123456" not in words
    assert all(len(word) >= 15 for word in Blocklist(15, None, "X").words)


def test_a_phrase_of_several_words_is_not_among_them() -> None:
    assert not {PASSWORD, "correct horse battery", "correct horse"} & Blocklist(8, None, "X").words


def test_the_operator_adds_words_one_a_line(tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_text("Acme Works\r\n\nStraße\nwith trailing space \n", "utf-8", newline="")
    added = Blocklist(8, file, "X").words - Blocklist(8, None, "X").words
    assert added == {"acme works", "strasse", "with trailing space "}


def test_a_list_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="X names a file that cannot be read: No such file or directory"):
        Blocklist(8, tmp_path / "missing", "X")
    with pytest.raises(SettingsError, match="X names a file that cannot be read: Is a directory"):
        Blocklist(8, tmp_path, "X")
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with pytest.raises(SettingsError, match="X names a file that is not UTF-8 text"):
        Blocklist(8, tmp_path / "latin", "X")


def test_the_list_costs_a_few_megabytes_and_leaves_nothing_else_behind() -> None:
    program = (
        "import sys, tracemalloc\n"
        "from keyturn.server.blocklist import Blocklist\n"
        "tracemalloc.start()\n"
        "words = Blocklist(8, None, 'X').words\n"
        "kept, peak = tracemalloc.get_traced_memory()\n"
        "print(kept < 2e6, peak < 12e6, [name for name in sys.modules if 'zxcvbn' in name])\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "True True []\n"
