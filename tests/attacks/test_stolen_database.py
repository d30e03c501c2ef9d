"""Somebody has the database, or the key for refresh tokens. Neither alone is worth anything."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.attacks import Visitor, keys_of
from tests.support.client import Browser
from tests.support.forger import unb64
from tests.support.postgres import Cluster, all_of, clocked
from tests.support.programs import found, needs
from tests.support.server import LiveServer
from tests.support.tokens import b64, compact_json
from tests.support.wire import Wire, bearer, cookie

from keyturn.stores.sql.backup import backup

Rows = dict[str, list[dict[str, Any]]]

DATABASE_FILES = ("keyturn.db", "keyturn.db-wal", "keyturn.db-journal")


@dataclass
class Theft:
    """What was taken from a server that goes on running.

    Attributes:
        rows: of every table.
        raw: every byte of the database's files, deleted rows and old pages included.
        log: the same of the log of changes, where that is apart and of more than our tables.
    """

    server: LiveServer
    owners: list[Visitor]
    rows: Rows
    raw: bytes
    log: bytes = b""

    def values(self) -> list[str]:
        """Every value of every column."""
        found = {
            str(value) for rows in self.rows.values() for row in rows for value in row.values() if value is not None
        }
        return sorted(found)

    def strings(self) -> list[str]:
        """Everything in the files that looks like text or part of one."""
        return sorted({word.decode() for word in re.findall(rb"[!-~]{12,}", self.raw)})

    def parts(self) -> list[str]:
        """Every id of 96 bits that stands anywhere in the files, however it is glued to its neighbours."""
        return sorted({word.decode() for word in re.findall(rb"(?=([0-9a-f]{24}))", self.raw)})


def from_sqlite(data_dir: Path) -> tuple[Rows, bytes]:
    copy = data_dir.parent / "copy.db"
    backup(f"sqlite:///{data_dir / 'keyturn.db'}", copy)
    files = [copy, *(data_dir / name for name in DATABASE_FILES)]
    raw = b"".join(file.read_bytes() for file in files if file.exists())
    with sqlite3.connect(f"file:{data_dir / 'keyturn.db'}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {table: [dict(row) for row in database.execute(f'SELECT * FROM "{table}"')] for table in tables}
    database.close()
    return rows, raw


def from_postgresql(cluster: Cluster, url: str) -> tuple[Rows, bytes, bytes]:
    dump = subprocess.run([str(found("pg_dump")), "--dbname", url], capture_output=True, check=True, timeout=60).stdout
    name = url.rpartition("/")[2]
    cluster.execute("CHECKPOINT", name)
    files = cluster.execute(
        "SELECT pg_relation_filepath(oid) FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i')",
        name,
    )
    raw = dump + b"".join((cluster.data / str(file)).read_bytes() for (file,) in files)
    log = b"".join(file.read_bytes() for file in (cluster.data / "pg_wal").iterdir() if file.is_file())
    tables = cluster.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", name)
    return {str(table): all_of(url, str(table)) for (table,) in tables}, raw, log


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=needs("postgres"))])
def theft(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theft]:
    """A server that was used in every way, and whose database was copied then: its files, and a backup made meanwhile."""
    data_dir = Path(tmp_path_factory.mktemp("stolen")) / "data"
    cluster: Cluster | None = None if request.param == "sqlite" else request.getfixturevalue("postgres")
    url = cluster.database() if cluster else ""
    over: dict[str, Any] = {"database_url": url, "wrap": clocked} if url else {}
    with LiveServer(data_dir, **over) as server:
        owners = [Visitor(server) for _ in range(4)]
        for owner, delivery in zip(owners, ("split", "cookie", "body", "body"), strict=True):
            signed_in = owner.join(delivery=delivery, username=f"name{owner.email[4:8]}".replace("@", ""))
            token = signed_in.get("refresh_token")
            for _ in range(3):
                server.clock.advance(60)
                refreshed = owner.refresh(token)
                assert refreshed.status_code == 200
                token = refreshed.json().get("refresh_token")
        changed = owners[3].call(
            "POST",
            "/password",
            {"current_password": owners[3].password, "new_password": "a password that came later"},
            bearer=owners[3].access_token,
        )
        assert changed.status_code == 200
        with Visitor(server) as gone:
            gone.join()
            gone.call("POST", "/logout")
        yield Theft(server, owners, *(from_postgresql(cluster, url) if cluster else from_sqlite(data_dir)))
        for owner in owners:
            owner.close()


def opened_by(wire: Wire, value: str) -> list[str]:
    """The doors that a value opens, tried as every kind of token there is."""
    tries = {
        "bearer": wire.call("GET", "/verify", headers=[bearer(value)]),
        "access cookie": wire.call("GET", "/verify", headers=[cookie(keyturn_access=value)]),
        "refresh cookie": wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=value)]),
        "refresh token in the body": wire.call("POST", "/refresh-token", {"refresh_token": value}),
    }
    # 422: longer than any token.
    return [door for door, answer in tries.items() if answer.status not in {401, 403, 422} or b"ended" in answer.body]


def test_there_is_something_in_the_stolen_database(theft: Theft) -> None:
    """Without this, the rest could pass on an empty file."""
    assert len(theft.rows["users"]) == 5
    assert len(theft.rows["sessions"]) == 6
    assert all(owner.email in theft.values() for owner in theft.owners)
    assert all(row["seed"] in theft.parts() for row in theft.rows["sessions"])


def test_no_stored_value_is_a_token(theft: Theft) -> None:
    """Row 80; R2, B1."""
    with Wire(theft.server.address) as wire:
        tried = {value for value in (*theft.values(), *theft.strings()) if value.isascii() and ";" not in value}
        assert len(tried) > 100
        assert {value: doors for value in tried if (doors := opened_by(wire, value))} == {}


def test_no_stored_value_is_the_password_of_its_user(theft: Theft) -> None:
    """Row 80: the hash itself, its salt, its digest, a seed, an id."""
    with Wire(theft.server.address) as wire:
        for user in theft.rows["users"]:
            rows = [user, *(row for row in theft.rows["sessions"] if row["user_id"] == user["id"])]
            stored = {str(value) for row in rows for value in row.values()}
            for password in {piece for value in stored for piece in (value, *re.split(r"[$,=]", value))}:
                answer = wire.call("POST", "/login", {"login": user["email"], "password": password})
                assert answer.status == 401, password


def test_no_stored_value_is_a_key(theft: Theft) -> None:
    """Row 80: the thief knows all that a refresh token says; what he lacks is a key to sign it."""
    kid = keys_of(theft.server)["refresh"]["kid"]
    row = next(row for row in theft.rows["sessions"] if row["ended_at"] is None and row["delivery"] == "split")
    said = refresh_claims(theft.server, row)
    secrets = [value.encode() for value in (*theft.values(), "")]
    secrets += [bytes.fromhex(value) for value in theft.values() if re.fullmatch("([0-9a-f]{2})+", value)]
    with Wire(theft.server.address) as wire:
        for secret in secrets:
            answer = wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=signed(said, kid, secret))])
            assert (answer.status, answer.code) == (403, "refresh_token_invalid")


def test_no_key_and_no_token_is_in_the_database(theft: Theft) -> None:
    """B3: nor in its log of changes, nor in pages that were freed."""
    private = [jwk[name] for jwk in keys_of(theft.server).values() for name in ("d", "k") if name in jwk]
    assert len(private) == 2
    for owner in theft.owners:
        tokens = [owner.access_token or "", owner.cookies.get("keyturn_refresh", "")]
        private += [part for token in tokens for part in token.split(".")[1:]]
        private.append(owner.password)
    assert [secret for secret in private if secret and secret.encode() in theft.raw + theft.log] == []


def test_the_owners_never_noticed(theft: Theft) -> None:
    """Row 80: none of all that was counted as reuse, and no session ended."""
    for owner in theft.owners[:2]:
        assert owner.refresh().status_code == 200


def refresh_claims(server: LiveServer, row: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """What the current refresh token of a row says."""
    return {
        "iss": server.issuer,
        "aud": server.issuer,
        "sid": row["id"],
        "seed": row["seed"],
        "gen": row["generation"] + 1,
        "jti": row["child_id"],
        "par": row["root_id"],
        "iat": row["created_at"] // 1_000_000,
        "exp": row["expires_at"] // 1_000_000,
    } | changes


def signed(claims: dict[str, Any], kid: str, secret: bytes) -> str:
    """A refresh token, signed by hand."""
    text = f"{b64(compact_json({'alg': 'HS256', 'typ': 'rt+jwt', 'kid': kid}))}.{b64(compact_json(claims))}"
    return f"{text}.{b64(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def refresh_secret(server: LiveServer) -> tuple[str, bytes]:
    """The name and the bytes of the key for refresh tokens."""
    jwk = keys_of(server)["refresh"]
    return jwk["kid"], unb64(jwk["k"])


def test_the_refresh_key_without_the_database_mints_nothing(server: LiveServer, browser: Browser) -> None:
    """Row 80: every access token shows the session's id, and rule 7 takes any newer generation; the seed is what lacks."""
    session = browser.register()["session"]["id"]
    kid, secret = refresh_secret(server)
    row = {"id": session, "generation": 0, "child_id": "c" * 24, "root_id": "d" * 24, "seed": "e" * 24}
    row |= {"created_at": server.clock.now(), "expires_at": server.clock.now() + 10**12}
    with Wire(server.address) as wire:
        for seed in ("0" * 24, session, "f" * 24, session.upper(), "", None, 0, [], True):
            for generation in (1, 2, 1000, 2**31 - 1):
                token = signed(refresh_claims(server, row, seed=seed, gen=generation), kid, secret)
                for answer in (
                    wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=token)]),
                    wire.call("POST", "/refresh-token", {"refresh_token": token}),
                ):
                    assert (answer.status, answer.code) == (403, "refresh_token_invalid")
                assert wire.call("POST", "/logout", headers=[cookie(keyturn_refresh=token)]).status == 204
    assert browser.me().status_code == 200
    assert browser.refresh().status_code == 200


def test_with_both_the_key_and_the_seed_the_same_forgery_works(server: LiveServer, browser: Browser) -> None:
    """What makes the test above worth something: it is the seed alone that was wrong."""
    session = browser.register()["session"]["id"]
    kid, secret = refresh_secret(server)
    with sqlite3.connect(server.data_dir / "keyturn.db") as database:
        database.row_factory = sqlite3.Row
        row = dict(database.execute("SELECT * FROM sessions WHERE id = ?", (session,)).fetchone())
    database.close()
    token = signed(refresh_claims(server, row, gen=1000, jti="a" * 24, par="b" * 24), kid, secret)
    with Wire(server.address) as wire:
        answer = wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=token)])
        assert answer.status == 200
        assert json.loads(answer.body)["session"]["id"] == session
