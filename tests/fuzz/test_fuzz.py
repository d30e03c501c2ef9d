"""What reads the bytes of strangers keeps its promises on inputs that nobody thought of. `python -m tests.fuzz` looks longer."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import PLANTED, TARGETS
from tests.support.server import ROOT

FAULT = 77
"""What a fuzzer exits with that has found one."""

fuzzer = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None,
    reason="needs atheris, which there is for Linux on x86_64 only",
)


def fuzz(target: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, *arguments],
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("target", TARGETS)
def test_of_the_seeds_some_are_accepted_and_some_refused(target: str) -> None:
    verdicts = {TARGETS[target](file.read_bytes()) for file in (CORPUS / target).iterdir()}
    assert verdicts == {True, False}


def test_the_seeds_are_those_that_can_be_written_again() -> None:
    assert {file: file.read_bytes() for file, _ in seeds()} == dict(seeds())


@fuzzer
@pytest.mark.parametrize("target", PLANTED)
def test_a_planted_fault_is_found_and_its_input_shows_it_again(target: str, tmp_path: Path) -> None:
    run = fuzz(target, "--runs", "1000000", folder=tmp_path)
    assert run.returncode == FAULT, run.stdout
    assert "the planted fault was found" in run.stdout
    (found,) = tmp_path.glob("crash-*")
    with pytest.raises(AssertionError, match="the planted fault was found"):
        PLANTED[target](found.read_bytes())
    assert "the planted fault was found" in fuzz(target, "--input", str(found), folder=tmp_path).stdout


@fuzzer
@pytest.mark.parametrize("target", TARGETS)
def test_some_thousand_inputs_break_no_promise(target: str, tmp_path: Path) -> None:
    run = fuzz(target, "--runs", "5000", folder=tmp_path)
    assert run.returncode == 0, run.stdout
    assert "number_of_executed_units: 5000" in run.stdout


@fuzzer
@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("target", TARGETS)
def test_minutes_of_inputs_break_no_promise(target: str, tmp_path: Path) -> None:
    run = fuzz(target, "--seconds", "240", "--seed", "2", folder=tmp_path)
    assert run.returncode == 0, run.stdout
