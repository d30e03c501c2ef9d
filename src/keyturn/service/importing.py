"""Taking over users from elsewhere, some at a time. Doing it twice changes nothing, and a bad line costs no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from keyturn.core.identity import canonical_email, canonical_username
from keyturn.core.model import Account, EndReason, Identity, Micros, User
from keyturn.errors import IdentityTaken, InvalidInput, SettingsError, Taken
from keyturn.ports import BulkUserStore, Transaction, fresh_id, fresh_ids
from keyturn.service.context import Context
from keyturn.service.events import announce_ends, record
from keyturn.service.records import Record, record_from

BATCH = 500
"""Lines in one transaction: others take their turn in between."""

_ATTEMPTS = 3


class Outcome(StrEnum):
    """What became of a line."""

    CREATED = "created"
    UNCHANGED = "unchanged"
    UPDATED = "updated"
    DIFFERS = "differs"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, as it was read.

    Attributes:
        number: counted from 1, in the file.
        fields: by column.
        problem: why it could not be read, in a sentence; none: it could.
    """

    number: int
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a line, and why if somebody has to look at it."""

    line: int
    outcome: Outcome
    reason: str = ""


@dataclass(slots=True)
class _Known:
    """The users who are there already and could be meant by some lines."""

    ids: dict[str, User]
    emails: dict[str, User]
    usernames: dict[str, User]

    @classmethod
    def of(cls, users: Iterable[User]) -> _Known:
        listed = list(users)
        return cls(
            {user.id: user for user in listed},
            {canonical_email(user.email): user for user in listed},
            {canonical_username(user.username): user for user in listed if user.username is not None},
        )


class Import:
    """One import of one file.

    A user is recognised by the id that the file gives, or else by the e-mail address. One who is there already is compared with
    the file, but for what opens the account: passwords and accounts of providers are nobody's business but theirs.

    Args:
        context: where to.
        update: whether users who are there already become what the file says; their passwords stay.
        dry_run: only say what would become of the lines.
    """

    def __init__(self, context: Context, *, update: bool = False, dry_run: bool = False) -> None:
        self._context = context
        self._update = update
        self._dry_run = dry_run
        self._seen: dict[tuple[str, str], int] = {}
        self._ended: list[str] = []

    def take(self, lines: Sequence[Line]) -> list[Result]:
        """Take over the users of some lines, in one transaction.

        Raises:
            SettingsError: the users are kept in an application's own table.
            StoreUnavailable: nothing of these lines was written.
        """
        results: dict[int, Result] = {}
        records: dict[int, Record] = {}
        now = self._context.clock.now()
        for line in lines:
            try:
                records[line.number] = self._read(line, now)
            except InvalidInput as error:
                results[line.number] = Result(line.number, Outcome.REFUSED, _said(error))
        results |= self._write(records)
        return [results[line.number] for line in lines]

    def _read(self, line: Line, now: Micros) -> Record:
        if line.problem is not None:
            raise InvalidInput("", line.problem)
        found = record_from(line.fields, now=now, can_verify=self._context.hasher.can_verify)
        keys = [("email", canonical_email(found.email))]
        if found.id is not None:
            keys.append(("id", found.id))
        if found.username is not None:
            keys.append(("username", canonical_username(found.username)))
        keys += [("identities", f"{one.issuer} {one.subject}") for one in found.identities]
        for key in keys:
            if key in self._seen:
                raise InvalidInput(key[0], f"Line {self._seen[key]} has the same.")
        self._seen |= dict.fromkeys(keys, line.number)
        return found

    def _write(self, records: Mapping[int, Record]) -> dict[int, Result]:
        transact = self._context.database.read if self._dry_run else self._context.database.transact

        def work(tx: Transaction) -> tuple[Micros, list[str], dict[int, Result]]:
            self._ended = []
            return tx.now, self._ended, self._decide(tx, records)

        for attempt in range(_ATTEMPTS):
            try:
                now, ended, results = transact(work)
            except (Taken, IdentityTaken):  # somebody has registered meanwhile
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                break
        announce_ends(self._context, now, ended, EndReason.ACCOUNT_DISABLED)
        counts = Counter(result.outcome for result in results.values())
        if counts[Outcome.CREATED] + counts[Outcome.UPDATED] and not self._dry_run:
            record("users_imported", created=counts[Outcome.CREATED], updated=counts[Outcome.UPDATED])
        return results

    def _decide(self, tx: Transaction, records: Mapping[int, Record]) -> dict[int, Result]:
        if not isinstance(tx.users, BulkUserStore):
            raise SettingsError("KEYTURN_USER_STORE names a table of the application's own: bring the users there.")
        known = _Known.of(
            tx.users.find_many(
                [r.id for r in records.values() if r.id is not None],
                [r.email for r in records.values()],
                [r.username for r in records.values() if r.username is not None],
            )
        )
        results, new = {}, []
        for number, found in records.items():
            try:
                outcome, reason = self._place(tx, known, found)
            except InvalidInput as error:
                outcome, reason = Outcome.REFUSED, _said(error)
            results[number] = Result(number, outcome, reason)
            if outcome is Outcome.CREATED:
                new.append(found)
        if not self._dry_run:
            self._insert(tx, tx.users, new)
        return results

    def _place(self, tx: Transaction, known: _Known, found: Record) -> tuple[Outcome, str]:
        user = known.ids.get(found.id or "") or known.emails.get(canonical_email(found.email))
        _check_names(known, found, user)
        if user is None:
            _check_identities(tx, found)
            return Outcome.CREATED, ""
        differing = [name for name, value in found.fields.items() if getattr(user, name) != value]
        if not differing:
            return Outcome.UNCHANGED, ""
        said = f"The account {user.id} has another {', '.join(differing)}"
        if not self._update:
            return Outcome.DIFFERS, f"{said}; --update takes over what the file says."
        if user.id != found.id and not user.email_verified:
            # Somebody else may have registered it, to be given what is meant for the owner of the address.
            return Outcome.DIFFERS, f"{said}, and nobody has verified its address: to update it, give its id."
        if not self._dry_run:
            self._change(tx, user.id, found)
        return Outcome.UPDATED, ""

    def _change(self, tx: Transaction, user_id: str, found: Record) -> None:
        account = tx.users.lock(user_id)
        if account is None:
            raise InvalidInput("id", "The account was deleted meanwhile; import again.")
        before = account.user
        changed = replace(before, **found.fields)
        if set(changed.roles) != set(before.roles):
            changed = replace(changed, tokens_valid_from=before.dates_tokens(tx.now))
        tx.users.update(changed)
        if changed.email != before.email or changed.disabled:
            tx.one_time_tokens.forget(user_id)
        if changed.disabled and not before.disabled:
            self._ended += tx.sessions.end_of_user(user_id, EndReason.ACCOUNT_DISABLED)

    def _insert(self, tx: Transaction, users: BulkUserStore, records: Sequence[Record]) -> None:
        accounts = self._accounts(records)
        users.insert_many(accounts)
        for account, found in zip(accounts, records, strict=True):
            for one in found.identities:
                tx.identities.insert(Identity(fresh_id(self._context.entropy), account.user.id, *one, tx.now))

    def _accounts(self, records: Sequence[Record]) -> list[Account]:
        ids, now = fresh_ids(self._context.entropy, len(records)), self._context.clock.now()
        made = []
        for fresh, found in zip(ids, records, strict=True):
            fields: dict[str, Any] = {"id": fresh, "created_at": now} | {
                k: v for k, v in found.given.items() if k != "id" or v
            }
            made.append(Account(User(email=found.email, **fields), found.password_hash))
        return made


def _check_names(known: _Known, found: Record, user: User | None) -> None:
    """Refuse a record whose names belong to somebody else.

    Raises:
        InvalidInput
    """
    holder = known.emails.get(canonical_email(found.email))
    if holder is not None and user is not None and found.id is not None and holder.id != found.id:
        raise InvalidInput("email", f"The account {holder.id} has this address, under another id than the file says.")
    if found.username is not None:
        other = known.usernames.get(canonical_username(found.username))
        if other is not None and other != user:
            raise InvalidInput("username", f"The account {other.id} has this name.")


def _check_identities(tx: Transaction, found: Record) -> None:
    for one in found.identities:
        holder = tx.identities.find(one.issuer, one.subject)
        if holder is not None:
            raise InvalidInput("identities", f"One of these accounts opens the account {holder.user_id} already.")


def _said(error: InvalidInput) -> str:
    return f"{error.field}: {error}" if error.field else str(error)
