"""What every database of Keyturn must do, as a suite of checks: ours run it, and so should yours.

    import pytest
    from keyturn.testing.store_contract import DurabilityContract, StoreContract

    class TestMyDatabase(StoreContract, DurabilityContract):
        @pytest.fixture
        def database(self):
            database = MyDatabase(...)  # empty
            yield database
            database.close()

        def reopen(self, database):
            database.close()
            return MyDatabase(...)  # the same one, from what is on the disk

Each check says in its name what holds. None needs a clock that can be set: times are counted from the transaction's.
"""

from __future__ import annotations

from keyturn.testing.store_contract.counters import CounterContract
from keyturn.testing.store_contract.identities import IdentityContract
from keyturn.testing.store_contract.mails import MailContract
from keyturn.testing.store_contract.sessions import SessionContract
from keyturn.testing.store_contract.support import sample_session, sample_user
from keyturn.testing.store_contract.transactions import DurabilityContract, TransactionContract
from keyturn.testing.store_contract.users import UserContract

__all__ = ["DurabilityContract", "StoreContract", "sample_session", "sample_user"]


class StoreContract(
    SessionContract, UserContract, IdentityContract, CounterContract, MailContract, TransactionContract
):
    """Everything that a database of Keyturn must do."""
