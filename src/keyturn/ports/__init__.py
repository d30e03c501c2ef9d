"""What Keyturn asks of the world, and what it may rely on in return.

A database other than ours is a class with these methods that passes the contract suite in `keyturn.testing`.
"""

from keyturn.ports.database import Announcing, Database, Transaction
from keyturn.ports.machine import ID_BYTES, Clock, Entropy, fresh_id, fresh_ids
from keyturn.ports.mails import MailStore, OneTimeTokenStore
from keyturn.ports.metrics import Metrics, SignInResult
from keyturn.ports.passwords import Attempt, Counted, PasswordHasher, Standing, Throttle
from keyturn.ports.providers import Handshake, Provider
from keyturn.ports.stores import (
    SWAPPED_FIELDS,
    BulkUserStore,
    CounterStore,
    FactStore,
    IdentityStore,
    SessionStore,
    UserStore,
)

__all__ = [
    "ID_BYTES",
    "SWAPPED_FIELDS",
    "Announcing",
    "Attempt",
    "BulkUserStore",
    "Clock",
    "Counted",
    "CounterStore",
    "Database",
    "Entropy",
    "FactStore",
    "Handshake",
    "IdentityStore",
    "MailStore",
    "Metrics",
    "OneTimeTokenStore",
    "PasswordHasher",
    "Provider",
    "SessionStore",
    "SignInResult",
    "Standing",
    "Throttle",
    "Transaction",
    "UserStore",
    "fresh_id",
    "fresh_ids",
]
