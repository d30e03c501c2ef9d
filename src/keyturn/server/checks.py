"""What is unsafe about the settings and the data of a server, in sentences for whoever runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from keyturn.core.keyring import KeyRing, KeyState
from keyturn.core.model import SECOND, Micros
from keyturn.http.origin import is_loopback_host
from keyturn.server.durations import format_duration
from keyturn.server.settings import HASH_MEMORY_FLOOR_KIB, Settings
from keyturn.server.settings_sources import variable
from keyturn.stores.keys import Keys

_DAY = 86_400 * SECOND

WINDOW_FLOOR: Micros = 30 * SECOND
ACCESS_CEILING: Micros = 15 * 60 * SECOND
"""The longest life of an access token that OWASP ASVS and RFC 8725bis have in mind."""

SESSION_CEILING: Micros = 30 * _DAY
"""After how long NIST SP 800-63B-4 (AAL1) wants a new sign-in."""

PASSWORD_FLOOR = 15
"""Characters, where a password is all that is asked (NIST SP 800-63B-4, 3.1.1.2)."""

KEY_CEILING: Micros = 365 * _DAY
CLOCK_SKEW: Micros = 60 * SECOND

OLDEST_TIME: Micros = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * SECOND
"""Before this version was made: a clock that says so is wrong."""

_WIDEST_PREFIX = {4: 8, 6: 32}
"""A network of proxies that is wider than this holds addresses that are not yours."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is unsafe, or worth a thought.

    Attributes:
        topic: one word, stable, for programs.
        unsafe: whether it should not go live; otherwise it is a choice to make knowingly.
        sentence: what is so, and what to do.
    """

    topic: str
    unsafe: bool
    sentence: str


def check(settings: Settings, *, now: Micros, keys: Keys | None, newest: Micros | None) -> list[Finding]:
    """Everything that is unsafe.

    Args:
        settings: all of them.
        now: the time, in microseconds since the epoch.
        keys: the keys that sign; none: not made yet.
        newest: the latest time in the database, in microseconds since the epoch; none: it is empty.
    """
    return [
        *_transport(settings),
        *_proxies(settings),
        *_lifetimes(settings),
        *_clock(now, newest),
        *(_ages(keys, now) if keys is not None else ()),
        *_registration(settings),
        *_passwords(settings),
        *_throttling(settings),
        *_tokens(settings),
        *_mail(settings),
    ]


def _transport(settings: Settings) -> Iterator[Finding]:
    issuer = variable("issuer")
    if settings.issuer is None:
        yield Finding("cookies", True, f"{issuer} is not set: this is development. Set it to the public https URL.")
    elif settings.development_for(settings.issuer):
        yield Finding(
            "cookies",
            True,
            f"{issuer} is {settings.issuer}: cookies are neither Secure nor __Host-. Set it to the public https URL.",
        )
    if settings.issuer is not None and not settings.development_for(settings.issuer) and settings.developer_pages:
        yield Finding(
            "pages", True, f"{variable('developer_pages')} is on: it shows every call to everybody. Turn it off."
        )


def _proxies(settings: Settings) -> Iterator[Finding]:
    name = variable("trusted_proxies")
    if not is_loopback_host(settings.host) and not settings.trusted_proxies:
        yield Finding(
            "tls",
            True,
            f"{variable('host')} is {settings.host}, but no proxy is trusted to end TLS: every request from "
            f"elsewhere is refused. Put a proxy in front and list it in {name}, or listen on 127.0.0.1.",
        )
    for network in settings.trusted_proxies:
        if network.prefixlen < _WIDEST_PREFIX[network.version]:
            yield Finding(
                "proxies",
                True,
                f"{name} has {network}: whoever comes from there may name any address as theirs, and need not use TLS. List "
                "the proxies alone.",
            )


def _lifetimes(settings: Settings) -> Iterator[Finding]:
    if settings.refresh_window < WINDOW_FLOOR:
        yield Finding(
            "window",
            True,
            f"{variable('refresh_window')} is {format_duration(settings.refresh_window)}: concurrent refreshes and lost "
            f"answers can look like theft and sign people out. {format_duration(WINDOW_FLOOR)} is the least outside tests.",
        )
    if settings.access_ttl > ACCESS_CEILING:
        yield Finding(
            "lifetimes",
            True,
            f"{variable('access_ttl')} is {format_duration(settings.access_ttl)}: a service that verifies by itself takes a "
            f"stolen access token for so long. {format_duration(ACCESS_CEILING)} is the most to choose.",
        )
    if settings.session_ttl > SESSION_CEILING:
        yield Finding(
            "lifetimes",
            False,
            f"{variable('session_ttl')} is {format_duration(settings.session_ttl)}: NIST SP 800-63B-4 wants a new sign-in after "
            f"{format_duration(SESSION_CEILING)} where a password is all that is asked.",
        )


def _clock(now: Micros, newest: Micros | None) -> Iterator[Finding]:
    if now < OLDEST_TIME:
        yield Finding("clock", True, "The clock of this machine is years behind. Set it, and keep it by NTP.")
    elif newest is not None and now < newest - CLOCK_SKEW:
        behind = format_duration((newest - now) // SECOND * SECOND)
        yield Finding(
            "clock",
            True,
            f"The clock of this machine is at least {behind} behind what the database has seen. Keep it by NTP.",
        )


def _ages(keys: Keys, now: Micros) -> Iterator[Finding]:
    rings: dict[str, KeyRing] = {"access": keys.access, "refresh": keys.refresh}
    for purpose, ring in rings.items():
        age = now - ring.active.created_at
        if ring.active.created_at and age > KEY_CEILING:
            yield Finding(
                "keys",
                True,
                f"The active key of {purpose} tokens is {age // _DAY} days old. Change it once a year (docs: Operation, Keys).",
            )
        retiring = [key for key in ring.keys if key.state is KeyState.RETIRING]
        if retiring:
            yield Finding(
                "keys",
                False,
                f"{len(retiring)} retiring key(s) of {purpose} tokens still verify. Take them out of keys.json when every token "
                "of theirs has expired.",
            )


def _registration(settings: Settings) -> Iterator[Finding]:
    if settings.registration == "open":
        yield Finding(
            "registration",
            False,
            f"Anybody can make an account, and can find out whether an address has one. {variable('registration')}=closed "
            "if that is not meant.",
        )


def _passwords(settings: Settings) -> Iterator[Finding]:
    if settings.password_min_length < PASSWORD_FLOOR:
        yield Finding(
            "passwords",
            False,
            f"{variable('password_min_length')} is {settings.password_min_length}: {PASSWORD_FLOOR} is advised where a password "
            "is all that is asked.",
        )
    floor = HASH_MEMORY_FLOOR_KIB[min(settings.hash_time_cost, max(HASH_MEMORY_FLOOR_KIB))]
    if settings.hash_memory_kib < floor:
        yield Finding(
            "passwords",
            True,
            f"{variable('hash_memory_kib')} is {settings.hash_memory_kib}: stolen hashes are guessed cheaply. With "
            f"{variable('hash_time_cost')}={settings.hash_time_cost} at least {floor}.",
        )


def _throttling(settings: Settings) -> Iterator[Finding]:
    name = variable("rate_limits")
    if not settings.rate_limits:
        yield Finding(
            "throttling", True, f"{name} is off: passwords can be guessed as fast as they are hashed. Turn it on."
        )
    elif settings.issuer and not settings.development_for(settings.issuer) and not settings.trusted_proxies:
        yield Finding(
            "throttling",
            False,
            f"No proxy is listed in {variable('trusted_proxies')}: whoever comes through one on this machine has no address, and "
            "is limited by account and all together only. List the proxy, 127.0.0.1 too.",
        )


def _tokens(settings: Settings) -> Iterator[Finding]:
    if settings.access_secret is not None:
        yield Finding(
            "tokens",
            False,
            f"{variable('access_secret')} is a shared secret: every service that can verify access tokens can make them. "
            "Without it there are key pairs.",
        )
    if settings.access_claims:
        yield Finding(
            "tokens",
            False,
            f"{variable('access_claims')} puts {', '.join(settings.access_claims)} into access tokens; whoever sees one "
            "can read it.",
        )


def _mail(settings: Settings) -> Iterator[Finding]:
    url = variable("smtp_url")
    if settings.smtp_url is None:
        if settings.issuer is not None and not settings.development_for(settings.issuer):
            yield Finding(
                "mail",
                False,
                f"{url} is not set: no mail leaves this machine, so nobody can set a forgotten password anew. Mails are kept in "
                f"{settings.data_dir / 'outbox'}. Set it, then: keyturn mail test.",
            )
        return
    host = urlsplit(settings.smtp_url)
    if host.scheme == "smtp" and not settings.smtp_starttls and not is_loopback_host(host.hostname or ""):
        yield Finding(
            "mail",
            True,
            f"{variable('smtp_starttls')} is off and {url} is not on this machine: whoever listens there can set everybody's "
            "password. Turn it on.",
        )
    if not settings.pages and settings.mail_templates is None:
        yield Finding(
            "mail",
            False,
            f"{variable('pages')} is off: the links in mails lead nowhere. Have templates with pages of your own in "
            f"{variable('mail_templates')}.",
        )


def private(path: Path) -> Finding | None:
    """A finding, if a file can be read by other users."""
    if path.exists() and path.stat().st_mode & 0o077:
        return Finding("files", True, f"{path} is open to other users: chmod 600 {path}.")
    return None
