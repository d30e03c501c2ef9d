"""An application's own code, named by a setting: found where Python finds modules, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from keyturn.errors import SettingsError
from keyturn.server.imports import imported
from keyturn.server.opening import open_context
from keyturn.server.settings import load_settings

HOOK = "def extra(user, session):\n    return {'tenant': 'acme'}\n\nnumber = 7\n"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of PYTHONPATH, with a module in it."""
    (tmp_path / "own_claims_of_tests.py").write_text(HOOK)
    (tmp_path / "broken_claims_of_tests.py").write_text("raise RuntimeError('no configuration')\n")
    (tmp_path / "lacking_claims_of_tests.py").write_text("import not_installed_for_tests\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_a_setting_names_is_imported(module: Path) -> None:
    assert imported("own_claims_of_tests:extra", "X")(None, None) == {"tenant": "acme"}


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        (
            "missing_claims_of_tests:extra",
            "X names the module missing_claims_of_tests, but missing_claims_of_tests cannot",
        ),
        (
            "lacking_claims_of_tests:extra",
            "X names the module lacking_claims_of_tests, but not_installed_for_tests cannot",
        ),
        (
            "broken_claims_of_tests:extra",
            "X: importing broken_claims_of_tests failed with RuntimeError: no configuration",
        ),
        ("own_claims_of_tests:other", "X: the module own_claims_of_tests has no other"),
    ],
)
def test_what_is_not_there_stops_the_start_and_says_so(module: Path, reference: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        imported(reference, "X")
    assert str(refused.value).startswith(told)


def test_a_hook_is_a_function(module: Path) -> None:
    settings = load_settings({"data_dir": module / "data", "claims_hook": "own_claims_of_tests:number"}, {})
    with pytest.raises(SettingsError, match="KEYTURN_CLAIMS_HOOK: own_claims_of_tests:number is no function"):
        open_context(settings, "http://localhost")


def test_the_function_that_a_setting_names_is_the_hook(module: Path) -> None:
    settings = load_settings({"data_dir": module / "data", "claims_hook": "own_claims_of_tests:extra"}, {})
    context = open_context(settings, "http://localhost")
    context.database.close()
    assert context.tokens.claims_hook is imported("own_claims_of_tests:extra", "X")


def test_the_current_directory_counts_only_if_pythonpath_says_so(tmp_path: Path) -> None:
    (tmp_path / "own_claims_of_tests.py").write_text(HOOK)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "PYTHONPATH"))}
    settings = {"KEYTURN_CLAIMS_HOOK": "own_claims_of_tests:extra", "KEYTURN_DATA_DIR": str(tmp_path / "data")}

    def created(**environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "keyturn", "users", "create", "a@example.com", "--password-stdin"]
        environ = {**inherited, **settings, **environ}
        return subprocess.run(
            command, cwd=tmp_path, env=environ, input="a long password\n", capture_output=True, text=True, check=False
        )

    refused = created()
    assert refused.returncode == 1
    assert "KEYTURN_CLAIMS_HOOK names the module own_claims_of_tests" in refused.stderr
    allowed = created(PYTHONPATH=str(tmp_path))
    assert (allowed.returncode, allowed.stderr) == (0, "")
