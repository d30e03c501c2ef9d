"""What a user imports."""

from __future__ import annotations

import subprocess
import sys

import keyturn


def test_the_package_offers_exactly_what_it_names() -> None:
    assert set(keyturn.__all__) == {"AccessClaims", "AccessTokenInvalid", "KeyturnError", "SettingsError", "Verifier"}
    assert all(hasattr(keyturn, name) for name in keyturn.__all__)


def test_a_verifier_needs_nothing_of_the_server() -> None:
    """A resource server installs `keyturn` without its extra: importing it must not reach for what the extra brings."""
    program = (
        "import sys, keyturn, keyturn.verifier\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(loaded & {'starlette', 'uvicorn', 'sqlalchemy', 'pydantic', 'argon2', 'anyio', 'typer', 'jinja2'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
