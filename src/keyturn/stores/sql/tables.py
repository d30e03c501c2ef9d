"""The tables. Nothing in them is a credential: ids, seeds that are worthless without a key, and slow hashes of passwords.

Times are whole microseconds since the epoch. Only columns that no rotation changes are indexed, so that a rotation rewrites
one row and no index.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from keyturn.ports import ID_BYTES

_OTHER = bytes(ID_BYTES + 1)


class _Packed(TypeDecorator[str]):
    """An id as the bytes that its digits mean: half the room. Any other text stands behind zeros."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        try:
            packed = bytes.fromhex(value)
        except ValueError:
            packed = b""
        return packed if len(packed) == ID_BYTES and packed.hex() == value else _OTHER + value.encode()

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return value.hex() if len(value) == ID_BYTES else value[len(_OTHER) :].decode()


Id = Text().with_variant(_Packed, "postgresql")
"""An id that we made, 24 hexadecimal digits. SQLite would gain little by packing it, and would take longer."""

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_name)s_unique",
    }
)

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
"""Facts about the database itself. `application` is `keyturn`: this is how a database that is not ours is told."""

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False, unique=True),
    Column("email_verified", Boolean, nullable=False),
    Column("username", Text),
    Column("username_key", Text, unique=True),
    Column("full_name", Text),
    Column("roles", Text, nullable=False),  # a JSON array of strings
    Column("disabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("password_hash", Text),
    Column("tokens_valid_from", BigInteger, nullable=False, server_default="0"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    # No foreign key: the tombstone of a session outlives its user.
    Column("user_id", Text, nullable=False),
    Column("seed", Id, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("root_id", Id, nullable=False),
    Column("root_at", BigInteger),
    Column("previous_id", Id),
    Column("child_id", Id, nullable=False),
    Column("child_at", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("authenticated_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("idle_expires_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("end_reason", Text),
    Column("delivery", Text, nullable=False),
    Column("remember", Boolean, nullable=False),
    Column("device_label", Text, nullable=False),
    Column("device_address", Text, nullable=False),
)

identities = Table(
    "identities",
    metadata,
    Column("id", Text, primary_key=True),
    # No foreign key: the users may be in a table of the application.
    Column("user_id", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("email", Text),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("issuer", "subject"),
)

counters = Table(
    "counters",
    metadata,
    Column("key", Text, primary_key=True),  # a keyed hash: neither a name nor an address
    Column("count", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

one_time_tokens = Table(
    "one_time_tokens",
    metadata,
    Column("digest", Text, primary_key=True),  # of 256 random bits, so that it need not be slow
    Column("purpose", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("email", Text, nullable=False),  # where it was sent: it is worth nothing under another address
    Column("expires_at", BigInteger, nullable=False),
)

mails = Table(
    "mails",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("user_id", Text),  # none: whoever has the recipient's address, if anybody
    Column("recipient", Text, nullable=False),
    Column("facts", Text, nullable=False),  # a JSON object of strings; never a token
    Column("created_at", BigInteger, nullable=False),
    Column("attempts", BigInteger, nullable=False),  # claims are compared and swapped on it
    Column("next_at", BigInteger, nullable=False),  # while it is being sent: the end of the lease
    Column("last_error", Text, nullable=False),
)

# What is said of an index to PostgreSQL alone stands in its revision: said here, it would load that dialect everywhere.
Index("counters_expires_at", counters.c.expires_at)
Index("one_time_tokens_user_id", one_time_tokens.c.user_id)
Index("one_time_tokens_expires_at", one_time_tokens.c.expires_at)
Index("mails_user_id", mails.c.user_id)
Index("mails_next_at", mails.c.next_at)
Index("identities_user_id", identities.c.user_id)
Index("users_created_at", users.c.created_at, users.c.id)
Index(
    "users_tokens_valid_from",
    users.c.tokens_valid_from,
    sqlite_where=users.c.tokens_valid_from > 0,
)
Index("sessions_user_id", sessions.c.user_id)
Index("sessions_expires_at", sessions.c.expires_at)
Index(
    "sessions_ended_at",
    sessions.c.ended_at,
    sqlite_where=sessions.c.ended_at.is_not(None),
)
