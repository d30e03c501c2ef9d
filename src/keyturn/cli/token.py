"""`keyturn token`: what a token is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import typer
from joserfc.util import urlsafe_b64decode

from keyturn.cli.opened import DataDir, Json, opened, settings_of
from keyturn.cli.output import moment, print_facts, print_json
from keyturn.core import access_token, refresh_token
from keyturn.core.gate import MAX_TOKEN_BYTES, TokenRefused, check_access_claims, check_time, open_token
from keyturn.core.keyring import KeyRing
from keyturn.core.model import SECOND, RefreshToken, Session
from keyturn.core.rotation import Verdict, decide, end_of
from keyturn.core.strict_json import NotStrictJson, parse
from keyturn.errors import InvalidInput, RefreshTokenInvalid
from keyturn.ports import fresh_id
from keyturn.service.context import Context, same_seed

app = typer.Typer(help="What a token is.", no_args_is_help=True)

_HIDDEN = "seed"
"""The claim that makes refresh tokens of a session worth something; it is not shown."""


@dataclass(slots=True)
class Inspection:
    """What was found out about a token.

    Attributes:
        kind: `access token`, `refresh token`, or what it looks like otherwise.
        findings: in sentences, in the order in which they were looked for.
        valid: whether a server with these settings and this data would take it now.
    """

    kind: str
    header: dict[str, object] = field(default_factory=dict)
    claims: dict[str, object] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    valid: bool = False


@app.command()
def inspect(json: Json = False, data_dir: DataDir = None) -> None:
    """Read a token from standard input; say what it is, and whether it verifies here and now.

    `keyturn token inspect < token.txt`. A token never stands on a command line, where others could read it.
    The exit code is 0 if it is valid and 1 if it is not.
    """
    raw = sys.stdin.read(2 * MAX_TOKEN_BYTES).strip()
    if not raw:
        raise InvalidInput("token", "Standard input held no token.")
    settings = settings_of(data_dir)
    with opened(data_dir, issuer=settings.issuer_for(settings.port)) as context:
        found = inspected(context, raw.removeprefix("Bearer ").strip())
    if json:
        facts: dict[str, object] = {"kind": found.kind, "valid": found.valid, "findings": found.findings}
        print_json(facts | {"header": found.header, "claims": found.claims})
    else:
        _print(found)
    if not found.valid:
        raise typer.Exit(1)


def inspected(context: Context, token: str) -> Inspection:
    """Find out about a token; it is not used, and nothing changes."""
    try:
        header, claims = (_part(part) for part in token.split(".")[:2])
    except (TypeError, ValueError, NotStrictJson):
        return Inspection(
            "no token", findings=["This is not a JWT: three parts of base64url with JSON in the first two."]
        )
    kinds: dict[object, tuple[str, Callable[[Context, str, Inspection], None]]] = {
        access_token.TYPE: ("access token", _inspect_access),
        refresh_token.TYPE: ("refresh token", _inspect_refresh),
    }
    kind, look = kinds.get(header.get("typ"), ("JWT of another kind", _inspect_other))
    shown = {name: value for name, value in claims.items() if name != _HIDDEN}
    found = Inspection(kind, header, shown)
    look(context, token, found)
    return found


def _part(text: str) -> dict[str, object]:
    value = parse(urlsafe_b64decode(text.encode("ascii")), max_depth=8, max_members=64)
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


def _inspect_other(context: Context, token: str, found: Inspection) -> None:
    found.findings.append(
        f"Its typ is {found.header.get('typ')!r}: neither an access token nor a refresh token of Keyturn."
    )


def _inspect_access(context: Context, token: str, found: Inspection) -> None:
    tokens = context.tokens
    try:
        payload = open_token(token, types=frozenset({access_token.TYPE}), keys=tokens.access_keys.verifying)
        found.findings.append(f"The signature is right, by {_key(tokens.access_keys, found)}.")
        lifetime = max(1, context.policy.access_lifetime // SECOND)
        claims = check_access_claims(payload, issuer=tokens.issuer, audience=tokens.audience, max_lifetime=lifetime)
        check_time(claims, context.clock.now() // SECOND, 0)
    except TokenRefused as refused:
        found.findings.append(f"Refused: {refused}.{_expected(context, str(refused))}")
        return
    found.findings.append(f"It is valid until {moment(claims.expires_at * SECOND)}.")
    session = _session(context, claims.session_id)
    ended = _ended(context, session)
    context.revocations.follow(context.database)
    if ended is not None:
        found.findings.append(f"Refused: {ended}")
    elif context.revocations.is_stale(claims):
        found.findings.append("Refused: its user's roles were changed after it was issued.")
    else:
        found.findings.append("Its session is alive.")
        found.valid = True


def _inspect_refresh(context: Context, token: str, found: Inspection) -> None:
    try:
        said = context.tokens.parse_refresh(token)
    except RefreshTokenInvalid as refused:
        cause = str(refused.__cause__)
        found.findings.append(f"Refused: {cause}.{_expected(context, cause)}")
        return
    found.findings.append(f"The signature is right, by {_key(context.tokens.refresh_keys, found)}.")
    session = _session(context, said.session_id)
    if session is not None and not same_seed(said, session):
        session = None
    ended = _ended(context, session)
    if session is None or ended is not None:
        found.findings.append(f"Refused: {ended}")
        return
    found.findings.append(_would_come_to(context, session, said))
    found.valid = not found.findings[-1].startswith("Reuse")


def _would_come_to(context: Context, session: Session, token: RefreshToken) -> str:
    decision = decide(session, token, context.clock.now(), fresh_id(context.entropy), context.policy)
    return {
        Verdict.REUSED: "Reuse: its successor has been used. Presenting it would end the session.",
        Verdict.ROTATED: "Its session is alive, and this is its newest token: a refresh would rotate it.",
        Verdict.CONVERGED: "Its session is alive: a refresh would give the newest token, as it did a moment ago.",
        Verdict.RECOVERED: "Its session is alive, and its successor was never used: a refresh would recover it.",
        Verdict.CAUGHT_UP: "Its session is alive, and newer than the database knows: a refresh would catch up.",
    }.get(decision.verdict, f"A refresh would come to: {decision.verdict}.")


def _session(context: Context, session_id: str) -> Session | None:
    return context.database.read(lambda tx: tx.sessions.load_many([session_id])).get(session_id)


def _ended(context: Context, session: Session | None) -> str | None:
    if session is None:
        return "the database has no such session."
    reason = end_of(session, context.clock.now())
    return None if reason is None else f"its session has ended, reason {reason.value}."


def _key(ring: KeyRing, found: Inspection) -> str:
    kid = str(found.header.get("kid"))
    state = next((key.state.value for key in ring.keys if key.kid == kid), "unknown")
    return f"the {state} key {kid}"


def _expected(context: Context, refused: str) -> str:
    """What a claim should have been, where a setting is the likely cause."""
    if refused.startswith("iss"):
        return f" The issuer here is {context.tokens.issuer}; KEYTURN_ISSUER sets it."
    if refused.startswith("aud"):
        return f" The audience here is {context.tokens.audience}; KEYTURN_AUDIENCE sets it."
    return ""


def _print(found: Inspection) -> None:
    typer.echo(f"{found.kind}: {'valid' if found.valid else 'not valid'}")
    facts = {f"{name}": _readable(name, value) for name, value in {**found.header, **found.claims}.items()}
    if facts:
        print_facts(facts)
    typer.echo("\n".join(found.findings))


def _readable(name: str, value: object) -> str:
    if name in {"iat", "exp", "auth_time", "nbf"} and type(value) is int and 0 < value < 10**11:
        return f"{value} ({moment(value * SECOND)})"
    return ascii(value).strip("'")
