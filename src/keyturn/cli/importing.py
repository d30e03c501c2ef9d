"""`keyturn users import`: users from elsewhere."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from keyturn.cli.files import Format, Source, check_columns, opened_file, read_csv, read_json, read_jsonl
from keyturn.cli.opened import DataDir, Json, elsewhere, exists, opened, settings_of, working_on
from keyturn.cli.output import print_json
from keyturn.cli.presets import DJANGO, OWN, SUPABASE, FirebaseParameters, Preset, firebase
from keyturn.errors import InvalidInput
from keyturn.service.context import Context
from keyturn.service.importing import BATCH, Import, Line, Outcome, Result

if TYPE_CHECKING:
    from rich.progress import Progress


class Origin(StrEnum):
    """Whose file it is."""

    DJANGO = "django"
    FIREBASE = "firebase"
    SUPABASE = "supabase"


_TO_LOOK_AT = (Outcome.REFUSED, Outcome.DIFFERS)


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV or JSON Lines, in UTF-8; - is standard input.")],
    format_: Annotated[
        Format | None, typer.Option("--format", help="How it is written. Default: as its name ends")
    ] = None,
    origin: Annotated[Origin | None, typer.Option("--from", help="Whose columns it has. Default: our own")] = None,
    firebase_parameters: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The password hash parameters of a Firebase project.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="A column to leave out; repeatable.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Make users who are here already what the file says; passwords stay.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; say what would become of it.")] = False,
    json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Take over users from elsewhere, with their password hashes.

    The columns are email, and if you like id, email_verified, username, full_name, roles, disabled, created_at, password_hash.
    A line that is refused is named on standard error and costs no other; the exit code is 1 then. The same file again changes
    nothing. Works while the server runs.
    """
    preset = _preset(origin, firebase_parameters)
    with opened_file(file) as content:
        source = _source(content, file, format_, preset)
        ignored = {*(ignore or ()), *preset.drops.split()}
        check_columns(source.columns - ignored, preset.reads.split())
        with _tried(data_dir) if dry_run else opened(data_dir, create=True) as context:
            work = Import(context, update=update, dry_run=dry_run)
            results = list(_run(work, source, preset, ignored, quiet=json))
    _report(results, dry_run=dry_run, json=json)
    if any(result.outcome is Outcome.REFUSED for result in results):
        raise typer.Exit(1)


@contextmanager
def _tried(data_dir: Path | None) -> Iterator[Context]:
    """What a dry run works on: where there is no database yet, an empty one that is thrown away."""
    settings = settings_of(data_dir)
    if exists(settings) or settings.user_store is not None:
        with opened(data_dir) as context:
            yield context
        return
    with TemporaryDirectory(prefix="keyturn-") as folder, working_on(elsewhere(settings, Path(folder))) as context:
        yield context
    typer.echo("There is no database yet: this is what would become of an empty one.", err=True)


def _preset(origin: Origin | None, parameters: Path | None) -> Preset:
    if parameters is not None and origin is not Origin.FIREBASE:
        raise typer.BadParameter("--firebase-parameters goes with --from firebase.")
    if origin is Origin.FIREBASE:
        return firebase(FirebaseParameters.read(parameters) if parameters is not None else None)
    return {None: OWN, Origin.DJANGO: DJANGO, Origin.SUPABASE: SUPABASE}[origin]


def _source(content: BinaryIO, name: str, format_: Format | None, preset: Preset) -> Source:
    if preset.document is not None and format_ is None:
        return read_json(content, preset.document)
    ending = Path(name).suffix.lower()
    if format_ is Format.CSV or (format_ is None and ending == ".csv"):
        return read_csv(content)
    if format_ is Format.JSONL or (format_ is None and ending in (".jsonl", ".ndjson")):
        return read_jsonl(content)
    raise typer.BadParameter("The name does not say how it is written: add --format csv or --format jsonl.")


def _run(work: Import, source: Source, preset: Preset, ignored: Collection[str], *, quiet: bool) -> Iterator[Result]:
    """Import batch by batch; what somebody has to look at is said at once. All others are only counted."""
    lines = (_translated(line, preset, ignored) for line in source.lines)
    with _progress() as progress:
        task = progress.add_task("importing", total=source.size)
        while batch := list(islice(lines, BATCH)):
            for result in work.take(batch):
                if result.outcome in _TO_LOOK_AT and not quiet:
                    typer.echo(f"line {result.line}: {result.reason}", err=True)
                yield result
            progress.update(task, completed=source.position())


def _progress() -> Progress:
    # Only for an import: no other command has a bar.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
        transient=True,
    )


def _translated(line: Line, preset: Preset, ignored: Collection[str]) -> Line:
    if line.problem is not None:
        return line
    try:
        return Line(line.number, preset.fields({n: v for n, v in line.fields.items() if n not in ignored}))
    except InvalidInput as error:
        return Line(line.number, problem=f"{error.field}: {error}")


def _report(results: list[Result], *, dry_run: bool, json: bool) -> None:
    found = Counter(result.outcome for result in results)
    counts = {outcome.value: found[outcome] for outcome in Outcome}
    if json:
        problems = [
            {"line": result.line, "outcome": result.outcome.value, "reason": result.reason}
            for result in results
            if result.outcome in _TO_LOOK_AT
        ]
        print_json({"dry_run": dry_run, **counts, "problems": problems})
        return
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
    typer.echo(f"{summary}{' (nothing was written)' if dry_run else ''}")
