"""What deploy/ says, done as far as this machine can."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.test_quickstart import running
from tests.support.documents import blocks
from tests.support.packages import CONTAINERFILE
from tests.support.programs import needs
from tests.support.server import ROOT

from keyturn.server.settings import load_settings

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "keyturn.service"


def sections() -> dict[str, list[tuple[str, str]]]:
    """The unit, with the keys that come more than once."""
    found: dict[str, list[tuple[str, str]]] = {}
    section = ""
    for line in UNIT.read_text().splitlines():
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(section, []).append((name, value))
    return found


def placed(folder: Path, text: str) -> str:
    """The paths of the machine, moved into a folder."""
    return re.sub(
        r"/(opt/keyturn|etc/keyturn|etc/systemd/system|var/lib/keyturn|data\b|build\b)", rf"{folder}/\1", text
    )


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, built: dict[str, Path], fetched: dict[str, str]) -> Path:
    """A folder in which the steps of deploy/README.md were done, word for word, as if it were the root of a machine."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "project").mkdir()
    for name in ("deploy", "src", "pyproject.toml", "README.md", "LICENSE", "sbom.cdx.json"):
        (folder / "project" / name).symlink_to(ROOT / name)
    (folder / "project" / "dist").symlink_to(built[".whl"].parent)
    for directory in ("opt", "etc/systemd/system", "var/lib"):
        (folder / directory).mkdir(parents=True)
    (steps,) = blocks(DEPLOY / "README.md", "bash")
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=placed(folder, steps).replace("python3 ", f"{sys.executable} "),
        env=os.environ | fetched,
        capture_output=True,
        text=True,
        cwd=folder / "project",
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_the_units_commands_run_with_its_environment(machine: Path) -> None:
    service = sections()["Service"]
    environ = dict(placed(machine, value).split("=", 1) for name, value in service if name == "Environment")
    commands = {name: placed(machine, value) for name, value in service if name.startswith("Exec")}
    # A production server answers its own name only: for the test it is a loopback one.
    config = machine / "etc" / "keyturn" / "keyturn.toml"
    config.write_text(config.read_text().replace("https://auth.example.com", "http://localhost:8000"))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "JWT_"))}
    pre = subprocess.run(
        shlex.split(commands["ExecStartPre"]), env=inherited | environ, capture_output=True, text=True, timeout=60
    )
    assert (pre.returncode, pre.stderr) == (0, "")
    exports = " ".join(f"{name}={shlex.quote(value)}" for name, value in environ.items())
    with running(f"exec env {exports} {commands['ExecStart']}", machine):
        assert (machine / "var/lib/keyturn/keyturn.db").stat().st_mode & 0o777 == 0o600
    assert (machine / "var/lib/keyturn").stat().st_mode & 0o777 == 0o700


def test_the_unit_stops_the_server_in_order(machine: Path) -> None:
    """SIGTERM, and no longer than the unit waits."""
    service = dict(sections()["Service"])
    settings = load_settings({}, {})
    assert int(service["TimeoutStopSec"].removesuffix("s")) * 1_000_000 > settings.shutdown_timeout
    assert signal.SIGTERM.name not in service.get("KillSignal", "")


@needs("systemd-analyze")
def test_systemd_understands_the_unit_and_calls_it_safe(machine: Path) -> None:
    unit = machine / "etc/systemd/system/keyturn.service"
    unit.write_text(placed(machine, unit.read_text()))
    verified = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=15", UNIT],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout[-500:]


def test_the_sample_settings_are_production_and_safe(tmp_path: Path) -> None:
    sample = tomllib.loads((DEPLOY / "keyturn.toml").read_text())
    settings = load_settings({**sample, "data_dir": tmp_path / "data"}, {})
    assert not settings.development_for(str(settings.issuer))
    environ = {"KEYTURN_CONFIG": str(DEPLOY / "keyturn.toml"), "KEYTURN_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        [sys.executable, "-m", "keyturn", "check"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "Nothing unsafe was found.\n")


def instructions() -> list[tuple[str, str]]:
    """The Containerfile's, in order."""
    text = CONTAINERFILE.read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, fetched: dict[str, str]) -> Path:
    """A folder in which every COPY and RUN of the Containerfile was done: there is no registry to take a base from."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "opt").mkdir()
    for name, rest in instructions():
        if name == "COPY" and not rest.startswith("--from"):
            *sources, target = rest.split()
            into = Path(placed(folder, target))
            (into if len(sources) > 1 or target.endswith("/") else into.parent).mkdir(parents=True, exist_ok=True)
            for source in sources:
                _run(f"cp -rL {ROOT / source} {into}", folder, fetched)
        if name == "RUN":
            command = placed(folder, rest).replace("python -m venv", f"{sys.executable} -m venv")
            _run(command if os.geteuid() == 0 else re.sub(r"-[og] 10001 ", "", command), folder, fetched)
    return folder


def _run(command: str, folder: Path, fetched: dict[str, str]) -> None:
    environ = os.environ | fetched
    done = subprocess.run(
        ["sh", "-euc", command], env=environ, capture_output=True, text=True, cwd=folder, timeout=240, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_what_the_container_starts_answers_its_own_health_check(image: Path) -> None:
    given = dict(instructions())
    environ = dict(pair.split("=", 1) for pair in given["ENV"].split())
    assert environ["KEYTURN_HOST"] == "0.0.0.0"
    entry = re.findall(r'"([^"]+)"', given["ENTRYPOINT"]) + re.findall(r'"([^"]+)"', given["CMD"])
    data = image / "data"
    owner = data.stat().st_uid
    assert (data.stat().st_mode & 0o777, owner) == (0o700, 10_001 if os.geteuid() == 0 else os.geteuid())
    os.chown(data, os.geteuid(), os.getegid())
    exports = " ".join(f"{name}={placed(image, value)}" for name, value in environ.items() if name != "KEYTURN_PORT")
    command = f"exec env {exports} KEYTURN_ISSUER=https://auth.example.com {placed(image, shlex.join(entry))}"
    health = re.search(r'CMD \["(.+?)", "-c", "(.+)"\]', given["HEALTHCHECK"])
    assert health
    with _container(command, image) as port:
        probe = health[2].replace("8000", port)
        python = placed(image, health[1])
        done = subprocess.run([python, "-c", probe], capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, done.stderr) == (0, "")


@contextlib.contextmanager
def _container(command: str, folder: Path) -> Iterator[str]:
    """Run the container's command; gives the port that it listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    process = subprocess.Popen(
        ["sh", "-c", command.replace("exec env", f"exec env KEYTURN_PORT={port}")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=folder,
    )
    assert process.stdout
    try:
        assert "answers at https://auth.example.com" in process.stdout.readline()
        yield port
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_the_container_runs_as_nobody_in_particular_and_holds_no_secret() -> None:
    names = [name for name, _ in instructions()]
    user = next(rest for name, rest in instructions() if name == "USER")
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert int(user.partition(":")[0]) >= 1000
    text = CONTAINERFILE.read_text()
    assert not re.search(r"SECRET|PASSWORD|KEYTURN_ISSUER", text)
    assert "--require-hashes" in text


def test_the_unit_names_no_setting_that_does_not_exist() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.read(UNIT)
    assert set(parser.sections()) == {"Unit", "Service", "Install"}
    names = {value.partition("=")[0] for name, value in sections()["Service"] if name == "Environment"}
    assert names == {"KEYTURN_CONFIG", "KEYTURN_DATA_DIR"}
