"""Users in memory."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from keyturn.core.identity import canonical_email, canonical_username, is_email
from keyturn.core.model import Account, Micros, User
from keyturn.errors import EmailTaken, StoreUnavailable, UsernameTaken


class MemoryUsers:
    """`keyturn.ports.UserStore` in memory."""

    def __init__(self, accounts: dict[str, Account]) -> None:
        self._accounts = accounts

    def insert(self, account: Account) -> User:
        self._refuse_taken(account.user)
        if account.user.id in self._accounts:
            raise StoreUnavailable
        self._accounts[account.user.id] = account
        return account.user

    def load_many(self, ids: Collection[str]) -> dict[str, User]:
        return {user_id: self._accounts[user_id].user for user_id in ids if user_id in self._accounts}

    def page(self, limit: int, after: User | None = None) -> list[User]:
        users = sorted((account.user for account in self._accounts.values()), key=_age)
        return [user for user in users if after is None or _age(user) > _age(after)][:limit]

    def find(self, login: str) -> Account | None:
        matches = _has_email if is_email(login) else _has_username
        return next((account for account in self._accounts.values() if matches(account.user, login)), None)

    def lock(self, user_id: str) -> Account | None:
        return self._accounts.get(user_id)

    def update(self, user: User) -> None:
        account = self._accounts.get(user.id)
        if account is None:
            return
        self._refuse_taken(user)
        self._accounts[user.id] = replace(account, user=replace(user, created_at=account.user.created_at))

    def set_password_hash(self, user_id: str, password_hash: str) -> None:
        account = self._accounts.get(user_id)
        if account is not None:
            self._accounts[user_id] = replace(account, password_hash=password_hash)

    def delete(self, user_id: str) -> None:
        self._accounts.pop(user_id, None)

    def stale_since(self, since: Micros) -> list[tuple[str, Micros]]:
        users = (account.user for account in self._accounts.values())
        stale = [(u.id, u.tokens_valid_from) for u in users if u.tokens_valid_from and u.tokens_valid_from >= since]
        return sorted(stale, key=lambda entry: (entry[1], entry[0]))

    def _refuse_taken(self, user: User) -> None:
        others = [account.user for account in self._accounts.values() if account.user.id != user.id]
        if any(_has_email(other, user.email) for other in others):
            raise EmailTaken
        if user.username is not None and any(_has_username(other, user.username) for other in others):
            raise UsernameTaken


def _age(user: User) -> tuple[Micros, str]:
    return user.created_at, user.id


def _has_email(user: User, email: str) -> bool:
    return canonical_email(user.email) == canonical_email(email)


def _has_username(user: User, username: str) -> bool:
    return user.username is not None and canonical_username(user.username) == canonical_username(username)
