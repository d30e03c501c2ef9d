"""The command line: `keyturn`."""

from __future__ import annotations

import gc
import sys

from keyturn.errors import KeyturnError

# What is imported stays: looking through it for garbage again and again would find little.
gc.disable()
try:
    import typer

    from keyturn.cli.app import app
except ModuleNotFoundError as missing:  # the verifier alone was installed
    sys.exit(
        f"keyturn: {missing.name} is not installed. The server and its commands need: pip install 'keyturn[server]'"
    )
except KeyboardInterrupt:
    sys.exit(130)  # as shells call it: 128 and the signal's number
finally:
    gc.enable()

EXIT_ERROR = 1


def main() -> None:
    """Run the command line. What went wrong is one sentence on standard error, and the exit code is not 0."""
    try:
        app()
    except KeyturnError as error:
        typer.echo(f"keyturn: {error}", err=True)
        sys.exit(EXIT_ERROR)
