"""What a server and the commands work on, opened: the data directory, the keys, the database."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from keyturn.core.model import Purpose
from keyturn.errors import SettingsError
from keyturn.hashing import Argon2Hasher, Pepper
from keyturn.ports import Clock, Database, Entropy, PasswordHasher, Throttle
from keyturn.server.blocklist import Blocklist
from keyturn.server.imports import imported
from keyturn.server.settings import Settings
from keyturn.server.settings_fields import revealed
from keyturn.server.settings_sources import variable
from keyturn.service.context import Context
from keyturn.service.defaults import LIFETIMES, Unthrottled
from keyturn.service.refresh_limit import RefreshLimit
from keyturn.service.revocations import Revocations
from keyturn.service.tokens import ClaimsHook, Tokens
from keyturn.stores.counters import DatabaseCounters, RedisCounters
from keyturn.stores.keys import Keys, ensure_private_directory, load_or_create
from keyturn.stores.sql import OwnUsers, open_database
from keyturn.stores.throttle import Limits, StoredThrottle, keyed
from keyturn.system import SystemClock, SystemEntropy


def database_url(settings: Settings) -> str:
    """Where sessions and users are kept: the configured database, or a file in the data directory."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return f"sqlite:///{Path(settings.data_dir).absolute() / 'keyturn.db'}"


def open_keys(settings: Settings, clock: Clock, *, rotate: bool = True) -> Keys:
    """The keys that sign: those configured, for the rest those of the data directory, made if there are none.

    Args:
        rotate: whether a key takes over from one of another algorithm than the settings say, as when a server starts.

    Raises:
        SettingsError: they cannot be used, or are open to others.
    """
    return load_or_create(
        settings.data_dir,
        now=clock.now(),
        access_algorithm=settings.access_algorithm,
        access_secret=revealed(settings.access_secret),
        refresh_secret=revealed(settings.refresh_secret),
        rotate=rotate,
    )


def open_context(
    settings: Settings,
    issuer: str,
    *,
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    hasher: PasswordHasher | None = None,
    own_users: OwnUsers | None = None,
    claims: ClaimsHook | None = None,
    rotate: bool = True,
) -> Context:
    """Open the data directory, the keys and the database; each is made if it is not there yet.

    Args:
        settings: all of them.
        issuer: the public URL.
        clock: where time comes from; the machine's by default.
        entropy: where randomness comes from; likewise.
        hasher: how passwords are hashed; as the settings say by default.
        own_users: the application's own table of users; the one that the settings name by default, or else Keyturn's.
        claims: what access tokens say beyond their own claims; what the settings name by default, or else nothing.
        rotate: as `open_keys` has it.

    Raises:
        SettingsError: something there is not ours, not private, or not of this version.
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    ensure_private_directory(settings.data_dir)
    keys = open_keys(settings, clock, rotate=rotate)
    policy = settings.policy
    database = open_database(database_url(settings), clock=clock, own_users=own_users or _own_users(settings))
    return Context(
        database=database,
        hasher=hasher
        or Argon2Hasher(
            entropy,
            memory_kib=settings.hash_memory_kib,
            time_cost=settings.hash_time_cost,
            concurrency=settings.hash_concurrency,
            pepper=_pepper(settings.password_pepper, "password_pepper"),
            previous_pepper=_pepper(settings.password_pepper_previous, "password_pepper_previous"),
        ),
        clock=clock,
        entropy=entropy,
        policy=policy,
        tokens=Tokens(
            issuer=issuer,
            audience=settings.audience or issuer,
            policy=policy,
            access_keys=keys.access,
            refresh_keys=keys.refresh,
            personal_claims=settings.access_claims,
            claims_hook=claims or _claims_hook(settings),
        ),
        revocations=Revocations(policy),
        registration_open=settings.registration == "open",
        password_min_length=settings.password_min_length,
        password_blocklist=Blocklist(
            settings.password_min_length, settings.password_blocklist, variable("password_blocklist")
        ),
        throttle=_throttle(settings, database, keys),
        token_lifetimes=LIFETIMES
        | {Purpose.RESET_PASSWORD: settings.reset_ttl, Purpose.VERIFY_EMAIL: settings.verification_ttl},
        refresh_limit=RefreshLimit(settings.rate_limit_refresh if settings.rate_limits and policy.window else None),
    )


def _throttle(settings: Settings, database: Database, keys: Keys) -> Throttle:
    if not settings.rate_limits:
        return Unthrottled()
    url = revealed(settings.rate_limit_url)
    # The time of Redis goes by without us, and limits reads the machine's clock with it.
    counters = DatabaseCounters(database) if url is None else RedisCounters(url, SystemClock())
    limits = Limits(
        client=settings.rate_limit_client,
        address=settings.rate_limit_address,
        everybody=settings.rate_limit_everybody,
        registrations=settings.rate_limit_registration,
    )
    return StoredThrottle(counters, keyed(keys.refresh.active.signature(b"keyturn throttle")), limits)


def _pepper(secret: SecretStr | None, setting: str) -> Pepper | None:
    return Pepper.of(secret.get_secret_value(), variable(setting)) if secret is not None else None


def _claims_hook(settings: Settings) -> ClaimsHook | None:
    if settings.claims_hook is None:
        return None
    name = variable("claims_hook")
    hook: ClaimsHook = imported(settings.claims_hook, name)
    if not callable(hook):
        raise SettingsError(f"{name}: {settings.claims_hook} is no function.")
    return hook


def _own_users(settings: Settings) -> OwnUsers | None:
    return imported(settings.user_store, variable("user_store")) if settings.user_store is not None else None
