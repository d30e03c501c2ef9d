"""What is particular to PostgreSQL: its connections and their bounds, its clock, which errors mean "once more"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, BigInteger, Connection, Engine, create_engine, event, func, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError

from keyturn.core.model import Micros
from keyturn.errors import SettingsError
from keyturn.stores import migrations
from keyturn.stores.sql.tables import meta, metadata

ATTEMPTS = 100
"""How often a transaction is begun before its conflicts with others count as a failure."""

POOL_SIZE = 8
"""Connections that may be open at a time; each server process has as many."""

CONNECT_SECONDS = 3
"""How long a connection may take to come about: to each of several hosts, where the URL names more."""

STATEMENT_MILLIS = 5000
"""What a statement may take, a wait for a lock included. A client gives up on a refresh after ten seconds."""

LOCK_MILLIS = 3000
"""What a statement may wait for a lock."""

UPGRADE_MILLIS = 60_000
"""How long a server that starts waits for another one that is bringing the tables up to date."""

IDLE_MILLIS = 10_000
"""What a transaction may stand still for: so long may a server that was stopped hold locks against the others."""

_CONFLICTS = {"40001", "40P01"}
"""serialization_failure, deadlock_detected: PostgreSQL chose this transaction to be repeated."""

_UPGRADE_LOCK = 0x4B54524E

_SESSION = (
    "SET SESSION synchronous_commit = on",
    f"SET SESSION statement_timeout = {STATEMENT_MILLIS}",
    f"SET SESSION lock_timeout = {LOCK_MILLIS}",
    f"SET SESSION idle_in_transaction_session_timeout = {IDLE_MILLIS}",
)

_CONNECTION = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "keyturn",
    "client_encoding": "UTF8",
    # A standby lags behind, and forgets what it is told; one may answer at the primary's address during a failover.
    "target_session_attrs": "read-write",
}

_NETWORK = {"keepalives_idle": "5", "keepalives_interval": "2", "keepalives_count": "3", "tcp_user_timeout": "10000"}
"""When a machine that says nothing any more counts as gone, in seconds, the last in milliseconds; a URL may say otherwise."""

_NOW = select((func.extract("epoch", func.clock_timestamp()) * 1_000_000).cast(BigInteger))


def is_meant(url: str) -> bool:
    """Whether a URL names a PostgreSQL database."""
    return url.partition(":")[0].partition("+")[0] in ("postgresql", "postgres")


def engine(url: str, *, patience: float) -> Engine:
    """An engine whose commits are on the disk before they are acknowledged, and which waits for nothing without end.

    Args:
        url: of the database; several hosts may stand in it: the one that can be written to is found.
        patience: how long to wait for a free connection, in seconds.

    Raises:
        SettingsError: it is no URL, or the driver is not installed.
    """
    try:
        engine = create_engine(
            _psycopg(url),
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=patience,
            connect_args=_CONNECTION,
            hide_parameters=True,
        )
    except ModuleNotFoundError:
        raise SettingsError("PostgreSQL needs its driver: pip install 'keyturn[postgresql]'.") from None

    @event.listens_for(engine, "connect")
    def _bound(connection: object, _: object) -> None:
        with connection.cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute("; ".join(_SESSION))
        connection.commit()  # type: ignore[attr-defined]

    return engine


def reading(writers: Engine) -> Engine:
    """The same connections, for transactions that only read, and see one state throughout."""
    return writers.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _psycopg(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise _unreadable() from None
    if "@" in (parsed.host or ""):  # the end of a password: nothing of it may be said
        raise _unreadable()
    if not parsed.database:
        raise SettingsError("The database URL names no database. Write postgresql://user:password@host/name.")
    network = {name: value for name, value in _NETWORK.items() if name not in parsed.query}
    return parsed.set(drivername="postgresql+psycopg").update_query_dict(network)


def _unreadable() -> SettingsError:
    return SettingsError(
        "The database URL cannot be read. Write postgresql://user:password@host:port/name; in a password, @ is %40, / is %2F "
        "and % is %25."
    )


def prepare(engine: Engine) -> tuple[str | None, str | None]:
    """See that the database answers and is ours, or empty of tables with our names, and bring it to the newest revision.

    Returns:
        The revision before (none: it was empty) and after.

    Raises:
        SettingsError: it is not, it is not in UTF-8, it cannot be reached, or a newer version of Keyturn has been here.
    """
    # Whoever waited for another server must see what that has done, whatever the database's own level.
    with _reached(engine), engine.execution_options(isolation_level="READ COMMITTED").begin() as connection:
        _refuse_other_encodings(connection)
        _refuse_others(connection)
        before = migrations.revision(connection)
        if not migrations.is_newest(connection):
            _await_turn(connection)
            _refuse_others(connection)
            migrations.upgrade(connection)
        return before, migrations.revision(connection)


def _await_turn(connection: Connection) -> None:
    """Several servers may start at once: one of them does the work, which takes as long as it takes; the others find it done."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {UPGRADE_MILLIS}; SET LOCAL statement_timeout = 0")
    connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
    # A table must not stay locked against everybody while this waits for somebody.
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LOCK_MILLIS}")


def _is_ours(connection: Connection) -> bool:
    if not inspect(connection).has_table(meta.name):
        return False
    columns = {column["name"] for column in inspect(connection).get_columns(meta.name)}
    if columns != {column.name for column in meta.columns}:
        return False
    found = connection.execute(select(meta.c.value).where(meta.c.name == "application")).scalars().all()
    return found == ["keyturn"]


def _refuse_other_encodings(connection: Connection) -> None:
    """Elsewhere the first name that has no place in the encoding would be an error of the server's."""
    encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    if encoding != "UTF8":
        raise SettingsError(
            f"The database is in the encoding {encoding}, which has no place for every name. Give Keyturn one in UTF-8: "
            "createdb --encoding=UTF8 --template=template0. This one was not changed."
        )


def _refuse_others(connection: Connection) -> None:
    taken = sorted({*metadata.tables, "alembic_version"} & {*inspect(connection).get_table_names()})
    if taken and not _is_ours(connection):
        raise SettingsError(
            f"The database holds tables of another program: {', '.join(taken)}. Give Keyturn a database of its own; this one was "
            "not changed."
        )


def _place(engine: Engine) -> str:
    url = engine.url
    named = f"{url.host}:{url.port}" if url.port else url.host
    return f"{named or ', '.join(url.normalized_query.get('host', ())) or 'the local socket'}/{url.database}"


def _reason(error: DBAPIError) -> str:
    """What the driver says, in one line. It names hosts and users, and never a password."""
    return " ".join(str(error.orig).split()) or type(error.orig).__name__


def now(connection: Connection) -> Micros:
    """The database's time, at this moment and not at the beginning of the transaction."""
    return int(connection.execute(_NOW).scalar_one())


def may_be_repeated(error: DBAPIError) -> bool:
    """Whether a transaction failed only because others ran at the same time. Nothing of it was written."""
    return getattr(error.orig, "sqlstate", None) in _CONFLICTS


def revision_of(url: str) -> str | None:
    """The revision that a database is at; none: it is empty.

    Raises:
        SettingsError: it cannot be reached.
    """
    with _connecting(url) as connecting, _reached(connecting), reading(connecting).begin() as connection:
        return migrations.revision(connection)


def upgrade(url: str) -> tuple[str | None, str | None]:
    """`prepare` a database, and let go of it."""
    with _connecting(url) as connecting:
        return prepare(connecting)


@contextmanager
def _connecting(url: str) -> Iterator[Engine]:
    connecting = engine(url, patience=CONNECT_SECONDS)
    try:
        yield connecting
    finally:
        connecting.dispose()


@contextmanager
def _reached(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise SettingsError(f"PostgreSQL at {_place(engine)} cannot be used: {_reason(error)}") from None
