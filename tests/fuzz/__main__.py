"""`python -m tests.fuzz TARGET --seconds N`: fuzzes one target with atheris, which takes the process over.

A crash leaves its input in the working directory; `python -m tests.fuzz TARGET --input FILE` runs that input alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["keyturn", "tests.fuzz"]):
    from tests.fuzz.seeds import CORPUS
    from tests.fuzz.targets import PLANTED, TARGETS

MAX_LENGTH = 2048


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, *PLANTED])
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--seconds", type=int, help="how long to look for faults")
    length.add_argument("--runs", type=int, help="how many inputs to try")
    length.add_argument("--input", type=Path, help="the one input to try")
    parser.add_argument("--seed", type=int, default=1, help="of the fuzzer's own randomness")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    target = {**TARGETS, **PLANTED}[arguments.target]
    warnings.simplefilter("ignore")

    def run_one(data: bytes) -> None:
        target(data)

    if arguments.input:
        run_one(arguments.input.read_bytes())
        return
    bound = f"-runs={arguments.runs}" if arguments.runs else f"-max_total_time={arguments.seconds}"
    with tempfile.TemporaryDirectory() as found:
        # What it finds goes into the first folder.
        folder = CORPUS / arguments.target.removeprefix("planted_")
        corpus = [found, *([str(folder)] if folder.exists() else [])]
        options = [bound, f"-seed={arguments.seed}", f"-max_len={MAX_LENGTH}", "-print_final_stats=1", "-timeout=20"]
        atheris.Setup([sys.argv[0], *options, *corpus], run_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
