"""`keyturn check`: what is unsafe."""

from __future__ import annotations

from typing import Annotated

import typer

from keyturn.cli.opened import DataDir, Json, opened, settings_of
from keyturn.cli.output import print_json
from keyturn.core.model import Micros
from keyturn.server.checks import Finding, private
from keyturn.server.checks import check as find
from keyturn.server.opening import database_url, open_keys
from keyturn.server.settings import Settings
from keyturn.service import administration
from keyturn.stores.keys import FILE_NAME, ensure_private_directory
from keyturn.stores.sql import backup, postgresql, sqlite
from keyturn.system import SystemClock


def check(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 for what is only worth a thought, too.")
    ] = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """List every unsafe setting, numbered, with what to do about it.

    Looks at cookies, TLS, proxies, lifetimes, the window, the clock, the age of keys, registration, password rules. Settings that
    contradict each other stop this command as they stop a server. The exit code is 1 if anything is unsafe.
    """
    settings = settings_of(data_dir)
    findings = _findings(settings, data_dir)
    findings.sort(key=lambda finding: not finding.unsafe)
    if json:
        listed = [{"topic": f.topic, "unsafe": f.unsafe, "sentence": f.sentence} for f in findings]
        print_json({"findings": listed, "unsafe": any(f.unsafe for f in findings)})
    else:
        _print(findings)
    if any(finding.unsafe or strict for finding in findings):
        raise typer.Exit(1)


def _findings(settings: Settings, data_dir: DataDir) -> list[Finding]:
    """What there is to find, without making anything that is not there yet."""
    url, keys, newest = database_url(settings), None, None
    if settings.data_dir.exists():
        ensure_private_directory(settings.data_dir)
    clock = SystemClock()
    if _has_keys(settings):
        keys = open_keys(settings, clock, rotate=False)
    if backup.exists(url):
        newest = _newest(data_dir)
    found = find(settings, now=clock.now(), keys=keys, newest=newest)
    exposed = None if postgresql.is_meant(url) else private(sqlite.path_of(url))
    return [*found, *([exposed] if exposed is not None else [])]


def _has_keys(settings: Settings) -> bool:
    configured = settings.access_secret is not None and settings.refresh_secret is not None
    return configured or (settings.data_dir / FILE_NAME).exists()


def _newest(data_dir: DataDir) -> Micros | None:
    with opened(data_dir) as context:
        return max((session.child_at for session in administration.newest_sessions(context, 1)), default=None)


def _print(findings: list[Finding]) -> None:
    if not findings:
        typer.echo("Nothing unsafe was found.")
    for number, finding in enumerate(findings, 1):
        typer.echo(f"{number}. {'UNSAFE' if finding.unsafe else 'Consider'}: {finding.sentence} [{finding.topic}]")
