"""`keyturn keys`: the keys that sign."""

from __future__ import annotations

import typer

from keyturn.cli.opened import DataDir, Json, Yes, confirm, opened, require_data, settings_of
from keyturn.cli.output import moment, print_json, print_result, print_table, short_moment
from keyturn.core.keyring import KeyRing, SigningKey
from keyturn.server.opening import open_keys
from keyturn.service.keys import REFRESH, adopt_keys, strange_keys
from keyturn.system import SystemClock

app = typer.Typer(help="The keys that sign.", no_args_is_help=True)


@app.command("list")
def list_(json: Json = False, data_dir: DataDir = None) -> None:
    """List the keys: what each is for, its name in tokens (kid), its algorithm, its state, its age. Never a key itself."""
    settings = settings_of(data_dir)
    require_data(settings)
    keys = open_keys(settings, SystemClock(), rotate=False)
    rings: dict[str, KeyRing] = {"access": keys.access, "refresh": keys.refresh}
    found = [(purpose, key) for purpose, ring in rings.items() for key in ring.keys]
    if json:
        print_json({"keys": [_facts(purpose, key) for purpose, key in found]})
        return
    columns = ("purpose", "kid", "algorithm", "state", "made")
    print_table(columns, [_row(purpose, key) for purpose, key in found])


@app.command()
def adopt(yes: Yes = False, json: Json = False, data_dir: DataDir = None) -> None:
    """Make the keys of this server the database's, where others were used with it. Stop every server first.

    With another key of refresh tokens everybody has to sign in again: no refresh token that is out can be read any more. With
    another key of access tokens alone nobody has to: the access tokens that are out are refused, and clients refresh.
    """
    with opened(data_dir) as context:
        strange = strange_keys(context)
        if strange:
            confirm(f"{_consequence(strange)} Go on with the keys of this server?", yes=yes)
            adopt_keys(context)
    sentence = "The keys are those of this server now." if strange else "The keys were those of this server already."
    print_result({"adopted": list(strange)}, sentence, json=json)


def _consequence(strange: dict[str, str]) -> str:
    if REFRESH in strange:
        return "Everybody will have to sign in again: no refresh token that is out can be read."
    return "The access tokens that are out will be refused; clients refresh, and nobody has to sign in again."


def _facts(purpose: str, key: SigningKey) -> dict[str, object]:
    return {
        "purpose": purpose,
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state.value,
        "created_at": moment(key.created_at),
        "configured": not key.created_at,
    }


def _row(purpose: str, key: SigningKey) -> list[str]:
    # A secret that is configured says nothing of its age.
    made = short_moment(key.created_at) or "configured"
    return [purpose, key.kid, key.algorithm, key.state.value, made]
