"""What is given to others: the source distribution and the wheel, installed where nothing else is."""

from __future__ import annotations

import ast
import email
import json
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.docs.test_quickstart import PRINTED, running
from tests.support.documents import README, blocks
from tests.support.packages import LOCK, build, install, run
from tests.support.server import ROOT


@pytest.fixture(scope="module")
def unpacked(built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built[".gz"]) as archive:
        # Debian's Python 3.11.2 does not know the filter yet; what is unpacked was packed by the line before.
        archive.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (inner,) = folder.iterdir()
    return inner


def tracked() -> set[str]:
    """The files of the project; those of the source tree where there is no git."""
    done = run("git", "ls-files", "--cached", "--others", "--exclude-standard")
    if done.returncode:
        pytest.skip("needs git and a checkout; type: sudo apt-get install git")
    return {name for name in done.stdout.splitlines() if (ROOT / name).exists()}


def test_the_source_distribution_is_the_whole_project(unpacked: Path) -> None:
    held = {str(file.relative_to(unpacked)) for file in unpacked.rglob("*") if file.is_file()}
    assert held - {"PKG-INFO"} == tracked()


def test_the_wheel_holds_every_file_of_the_package_and_nothing_of_the_tests(built: dict[str, Path]) -> None:
    names = {name for name in zipfile.ZipFile(built[".whl"]).namelist() if ".dist-info/" not in name}
    client = {"keyturn/web/client/client.js", "keyturn/web/client/axios.js"}
    assert names == {name.removeprefix("src/") for name in tracked() if name.startswith("src/")} | client
    assert {"keyturn/py.typed", "keyturn/stores/migrations/env.py", "keyturn/server/templates/docs.html"} <= names


def test_the_same_wheel_comes_out_of_the_source_distribution(
    built: dict[str, Path], unpacked: Path, tmp_path: Path
) -> None:
    again = build(unpacked, tmp_path / "again")
    assert again[".whl"].read_bytes() == built[".whl"].read_bytes()
    assert again[".gz"].read_bytes() == built[".gz"].read_bytes()


def test_the_wheel_says_what_it_is_and_carries_its_licence_and_its_parts(built: dict[str, Path]) -> None:
    archive = zipfile.ZipFile(built[".whl"])
    (info,) = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
    assert (metadata["Name"], metadata["License-Expression"]) == ("keyturn", "Apache-2.0")
    assert metadata.get_payload() == README.read_text()
    assert archive.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert archive.read(f"{info}/sboms/sbom.cdx.json") == (ROOT / "sbom.cdx.json").read_bytes()
    assert b"keyturn = keyturn.cli:main" in archive.read(f"{info}/entry_points.txt")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it."""
    folder = tmp_path_factory.mktemp("empty") / ".venv"
    venv.create(folder, with_pip=False)
    return folder


@pytest.fixture(scope="module")
def verifier_only(empty: Path, built: dict[str, Path], fetched: dict[str, str]) -> Path:
    """The wheel without its extra: what a service installs that verifies tokens."""
    # Its one dependency and what that needs come as anybody gets them, at the locked versions.
    locked = re.findall(r"^((?:joserfc|cryptography|cffi|pycparser)==\S+)", LOCK.read_text(), flags=re.MULTILINE)
    install(empty, fetched, *locked, built[".whl"])
    return empty


def test_a_verifier_needs_one_package_and_the_command_says_what_is_missing(verifier_only: Path) -> None:
    python = verifier_only / "bin" / "python"
    assert run(python, "-c", "from keyturn import Verifier, AccessTokenInvalid", cwd=verifier_only).returncode == 0
    installed = {path.name.partition("-")[0] for path in verifier_only.glob("lib/*/site-packages/*.dist-info")}
    assert installed == {"keyturn", "joserfc", "cryptography", "cffi", "pycparser"}
    done = run(verifier_only / "bin" / "keyturn", "serve", cwd=verifier_only)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "pip install 'keyturn[server]'" in done.stderr


@pytest.fixture(scope="module")
def installed(verifier_only: Path, built: dict[str, Path], fetched: dict[str, str]) -> Path:
    """The server, from the wheel and the lock file of a server."""
    install(verifier_only, fetched, "--require-hashes", "-r", LOCK)
    install(verifier_only, fetched, "--no-deps", "--force-reinstall", built[".whl"])
    return verifier_only


@pytest.fixture
def folder(installed: Path, tmp_path: Path) -> Path:
    """An empty folder beside that environment."""
    (tmp_path / ".venv").symlink_to(installed)
    return tmp_path


def test_the_quickstart_runs_from_the_installed_wheel(folder: Path) -> None:
    start, *commands = blocks(README, "bash")
    page = "\n".join(commands)
    with running(start.replace("make serve", "exec .venv/bin/keyturn serve"), folder) as url:
        done = subprocess.run(
            ["bash", "-u"], input=page.replace(PRINTED, url), capture_output=True, text=True, cwd=folder, timeout=60
        )
    assert done.stderr == ""
    for printed in re.findall(r"^# -> (.*)$", page, flags=re.MULTILINE):
        assert printed in done.stdout


def test_the_installed_server_has_its_migrations_its_pages_and_its_commands(folder: Path) -> None:
    keyturn = folder / ".venv" / "bin" / "keyturn"
    assert "it is new" in run(keyturn, "db", "upgrade", cwd=folder).stdout
    assert run(keyturn, "db", "backup", "copy.db", cwd=folder).returncode == 0
    assert run(keyturn, "check", cwd=folder).returncode == 1
    with running("exec .venv/bin/keyturn serve", folder) as url:
        for path in ("/", "/docs", "/docs.css", "/openapi.json", "/playground", "/playground.js"):
            done = run("curl", "-sf", f"{url}{path}", cwd=folder)
            assert (done.returncode, bool(done.stdout)) == (0, True), path


def test_the_list_of_parts_is_what_the_lock_file_of_a_server_installs(installed: Path) -> None:
    parts = json.loads((ROOT / "sbom.cdx.json").read_text())
    listed = {(part["name"].lower().replace("_", "-"), part["version"]) for part in parts["components"]}
    required = map(Requirement, re.findall(r"^([a-z0-9].*?) *\\$", LOCK.read_text(), flags=re.MULTILINE))
    # The list is that of a current Python 3.11; the first ones need a backport or two more.
    current = {"python_version": "3.11", "python_full_version": "3.11.14"}
    here = [one for one in required if one.marker is None or one.marker.evaluate(current)]
    locked = {(one.name, str(one.specifier).removeprefix("==")) for one in here}
    assert listed == locked, "type: make sbom"
    assert parts["metadata"]["component"]["name"] == "keyturn"
    assert all(part.get("licenses") for part in parts["components"])


def test_what_a_server_installs_is_what_was_tested() -> None:
    tested, installed = (
        set(re.findall(r"^([a-z0-9-]+==\S+|    --hash=\S+)", file.read_text(), flags=re.MULTILINE))
        for file in (ROOT / "requirements.lock", LOCK)
    )
    assert installed
    assert installed <= tested


@pytest.mark.parametrize("lock", ["requirements.lock", "deploy/requirements.lock"])
def test_a_lock_file_has_hashes_and_neither_addresses_nor_paths(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert not re.search(r"://|file:|--index-url|--find-links|(?<![\w/])/(home|work|root|tmp)", text)
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in requirement for requirement in requirements)


def test_every_package_that_the_code_imports_is_named_as_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    named = {canonicalize_name(Requirement(one).name) for one in wanted}
    imported = set[str]()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(str(node.module).partition(".")[0])
    providers = packages_distributions()
    outside = imported - {"keyturn", *sys.stdlib_module_names}
    assert {name for name in outside if named.isdisjoint(map(canonicalize_name, providers[name]))} == set()
