"""Mails and one-time tokens in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keyturn.core.identity import canonical_email
from keyturn.core.model import Mail, Micros, OneTimeToken, Purpose, User


class MemoryOneTimeTokens:
    """`keyturn.ports.OneTimeTokenStore` in memory."""

    def __init__(self, tokens: dict[tuple[Purpose, str], OneTimeToken], now: Micros) -> None:
        self._tokens = tokens
        self._now = now

    def insert(self, token: OneTimeToken) -> None:
        self._tokens[token.purpose, token.digest] = token

    def find(self, purpose: Purpose, digest: str) -> OneTimeToken | None:
        token = self._tokens.get((purpose, digest))
        return token if token is not None and token.expires_at > self._now else None

    def take(self, purpose: Purpose, digest: str) -> OneTimeToken | None:
        token = self.find(purpose, digest)
        return self._tokens.pop((purpose, digest)) if token is not None else None

    def of_user(self, user_id: str) -> list[OneTimeToken]:
        return [token for token in self._tokens.values() if token.user_id == user_id]

    def forget(self, user_id: str) -> None:
        self._delete([key for key, token in self._tokens.items() if token.user_id == user_id])

    def purge(self, limit: int) -> int:
        return self._delete([key for key, token in self._tokens.items() if token.expires_at <= self._now][:limit])

    def _delete(self, keys: Sequence[tuple[Purpose, str]]) -> int:
        for key in keys:
            del self._tokens[key]
        return len(keys)


class MemoryMails:
    """`keyturn.ports.MailStore` in memory."""

    def __init__(self, mails: dict[str, Mail], now: Micros) -> None:
        self._mails = mails
        self._now = now

    def insert(self, mail: Mail) -> None:
        self._mails[mail.id] = mail

    def due(self, limit: int) -> list[Mail]:
        found = [mail for mail in self._mails.values() if mail.next_at <= self._now]
        return sorted(found, key=lambda mail: (mail.next_at, mail.id))[:limit]

    def swap(self, mail: Mail) -> bool:
        return self._write(mail, mail.attempts - 1)

    def put_off(self, mail: Mail) -> None:
        self._write(mail, mail.attempts)

    def delete(self, mail_id: str) -> None:
        self._mails.pop(mail_id, None)

    def of_user(self, user: User) -> list[Mail]:
        address = canonical_email(user.email)
        return [
            mail
            for mail in self._mails.values()
            if mail.user_id == user.id or (mail.user_id is None and canonical_email(mail.recipient) == address)
        ]

    def forget(self, user_id: str) -> None:
        for mail in [mail for mail in self._mails.values() if mail.user_id == user_id]:
            del self._mails[mail.id]

    def _write(self, mail: Mail, seen: int) -> bool:
        stored = self._mails.get(mail.id)
        if stored is None or stored.attempts != seen:
            return False
        self._mails[mail.id] = replace(stored, attempts=mail.attempts, next_at=mail.next_at, last_error=mail.last_error)
        return True
