"""Whether the keys of a server are those of the database that it opens.

The database remembers, for each purpose, the name (kid) of the key that the server which started last signs with; a name is
no secret, every token shows it. A server that does not have that key, as the one that signs or as one that is next or retiring,
could not read the tokens that are out, and the other servers could not read its own. So keys are changed in turn without
anybody noticing, and a server with keys of its own does not start.
"""

from __future__ import annotations

from keyturn.core.keyring import KeyRing
from keyturn.errors import SettingsError
from keyturn.ports import Transaction
from keyturn.service.context import Context

ACCESS, REFRESH = "access", "refresh"


def claim_keys(context: Context) -> None:
    """Let a server with these keys work on the database, and remember what it signs with.

    Raises:
        SettingsError: the database's sessions were signed with other keys.
        StoreUnavailable
    """

    def work(tx: Transaction) -> None:
        strange = _strange(context, tx)
        if strange:
            raise SettingsError(_refusal(context, strange))
        _remember(context, tx)

    context.database.transact(work)


def adopt_keys(context: Context) -> None:
    """Make these keys the database's, whatever was signed with others.

    Raises:
        StoreUnavailable
    """
    context.database.transact(lambda tx: _remember(context, tx))


def strange_keys(context: Context) -> dict[str, str]:
    """The names of the keys that the database's tokens were signed with and this server does not have, by purpose.

    Raises:
        StoreUnavailable
    """
    return context.database.transact(lambda tx: _strange(context, tx))


def _rings(context: Context) -> dict[str, KeyRing]:
    return {ACCESS: context.tokens.access_keys, REFRESH: context.tokens.refresh_keys}


def _fact(purpose: str) -> str:
    return f"{purpose}_key"


def _strange(context: Context, tx: Transaction) -> dict[str, str]:
    known = {purpose: tx.facts.lock(_fact(purpose)) for purpose in _rings(context)}
    rings = _rings(context)
    return {purpose: kid for purpose, kid in known.items() if kid is not None and kid not in rings[purpose].verifying}


def _remember(context: Context, tx: Transaction) -> None:
    for purpose, ring in _rings(context).items():
        if tx.facts.lock(_fact(purpose)) != ring.active.kid:
            tx.facts.put(_fact(purpose), ring.active.kid)


def _refusal(context: Context, strange: dict[str, str]) -> str:
    rings = _rings(context)
    differ = " and ".join(
        f"the key of {purpose} tokens is {kid} there and {rings[purpose].active.kid} here"
        for purpose, kid in strange.items()
    )
    return (
        f"The sessions of this database were signed with other keys than this server has: {differ}. Start with the keys.json or "
        "the secrets that belong to this database, or name another database. To go on with the keys of this server: keyturn keys "
        "adopt says what becomes of the sessions."
    )
