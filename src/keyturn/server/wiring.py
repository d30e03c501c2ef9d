"""The composition root: which parts a running server is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from starlette.types import ASGIApp

from keyturn.core.model import Purpose
from keyturn.errors import SettingsError
from keyturn.hashing import Argon2Hasher, Pepper
from keyturn.http.cookies import CookieNames
from keyturn.http.origin import OriginPolicy
from keyturn.ports import Clock, Database, Entropy, PasswordHasher, Throttle
from keyturn.server.api import Api
from keyturn.server.app import Located, Page, lifespan_of, router
from keyturn.server.batching import Batcher
from keyturn.server.blocklist import blocklist
from keyturn.server.credentials import credentials_of
from keyturn.server.docs_page import docs_pages
from keyturn.server.edge import Edge, no_error_page
from keyturn.server.guard import Guard
from keyturn.server.imports import imported
from keyturn.server.lanes import Lane
from keyturn.server.mailing import open_postman, outbox_of
from keyturn.server.openapi import describe
from keyturn.server.outbox_page import OutboxPage
from keyturn.server.playground import Playground
from keyturn.server.playground_page import PlaygroundApi, playground_calls, playground_pages
from keyturn.server.providers import open_providers
from keyturn.server.routes import account_calls, provider_calls, service_calls
from keyturn.server.schemas import revealed
from keyturn.server.settings import Settings
from keyturn.server.settings_sources import variable
from keyturn.server.site_routes import client_pages, open_site, site_calls, static_pages
from keyturn.server.watch import Watch
from keyturn.service.context import Context
from keyturn.service.defaults import LIFETIMES, Unthrottled
from keyturn.service.refresh import refresh_many
from keyturn.service.refresh_limit import RefreshLimit
from keyturn.service.revocations import Revocations
from keyturn.service.tokens import ClaimsHook, Tokens
from keyturn.stores.counters import DatabaseCounters, RedisCounters
from keyturn.stores.keys import Keys, ensure_private_directory, load_or_create
from keyturn.stores.sql import OwnUsers, open_database
from keyturn.stores.throttle import Limits, StoredThrottle, keyed
from keyturn.system import SystemClock, SystemEntropy

_STORE_THREADS = 4
_STORE_QUEUE = 1000


def database_url(settings: Settings) -> str:
    """Where sessions and users are kept: the configured database, or a file in the data directory."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return f"sqlite:///{Path(settings.data_dir).absolute() / 'keyturn.db'}"


def open_keys(settings: Settings, clock: Clock) -> Keys:
    """The keys that sign: those configured, for the rest those of the data directory, made if there are none.

    Raises:
        SettingsError: they cannot be used, or are open to others.
    """
    return load_or_create(
        settings.data_dir,
        now=clock.now(),
        access_algorithm=settings.access_algorithm,
        access_secret=revealed(settings.access_secret),
        refresh_secret=revealed(settings.refresh_secret),
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

    Raises:
        SettingsError: something there is not ours, not private, or not of this version.
    """
    clock, entropy = clock or SystemClock(), entropy or SystemEntropy()
    ensure_private_directory(settings.data_dir)
    keys = open_keys(settings, clock)
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
        password_blocklist=blocklist(
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


@dataclass(frozen=True, slots=True)
class Composed:
    """A server, put together.

    Attributes:
        app: answers; as an application of its own it runs `lifespan` as well.
        api: the handlers.
        paths: where it answers; parameters in braces.
        lifespan: what runs as long as it answers.
    """

    app: ASGIApp
    api: Api
    paths: frozenset[str]
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]]


def application(settings: Settings, context: Context) -> ASGIApp:
    """The ASGI application of a server; see `compose`."""
    return compose(settings, context).app


def compose(settings: Settings, context: Context) -> Composed:
    """Put a server together.

    Args:
        settings: all of them.
        context: what `open_context` opened; closed when the lifespan ends.
    """
    watch = _watch(settings)
    context = watch.watching(context)
    issuer = context.tokens.issuer
    cookies = CookieNames(secure=issuer.startswith("https:"))
    origins = OriginPolicy(issuer, settings.allowed_origins)
    credentials = credentials_of(context, cookies)
    api = Api(
        context=context,
        credentials=credentials,
        guard=Guard(credentials, origins, context.clock),
        refreshes=Batcher(watch.counting(partial(refresh_many, context)), queue=settings.refresh_queue),
        hashing=Lane(settings.hash_concurrency, settings.hash_queue),
        storing=Lane(_STORE_THREADS, _STORE_QUEUE),
    )
    providers = open_providers(api, settings)
    base = settings.base_path
    calls = [*account_calls(api, base), *provider_calls(providers, base), *service_calls(api)]
    shown = settings.developer_pages
    if shown is None:
        shown = settings.development_for(issuer)
    pages: list[Located] = [*watch.pages(api), *client_pages()]
    if shown:
        description = describe(calls, issuer=issuer, version=version("keyturn"), cookies=cookies)
        pages += [Page("/openapi.json", json.dumps(description), "application/json"), *docs_pages(description)]
    if shown and settings.workers == 1:  # its visits are in the memory of one process
        playground = Playground(f"{issuer}/playground", context.clock, context.entropy, context.hasher)
        calls += playground_calls(PlaygroundApi(playground, api.storing))
        pages += playground_pages()
    site = open_site(api, providers, base) if settings.pages else None
    if site is not None:
        calls, pages = [*calls, *site_calls(site)], [*pages, *static_pages(site)]
        outbox = outbox_of(settings)
        # Whoever reads it can set everybody's password: no setting shows it in production.
        if outbox is not None and settings.development_for(issuer):
            calls.append(OutboxPage(outbox, site.pages, api.storing).call)
    lifespan = lifespan_of(api, partial(watch.sample, api), open_postman(settings, context))
    edge = Edge(
        router(calls, origins, pages, lifespan),
        issuer=issuer,
        origins=origins,
        proxies=settings.trusted_proxies,
        clock=context.clock,
        entropy=context.entropy,
        error_page=site.error_page if site is not None else no_error_page,
        answered=watch.answered,
    )
    paths = frozenset({*(call.path for call in calls), *(page.path for page in pages)})
    return Composed(edge, api, paths, lifespan)


def _watch(settings: Settings) -> Watch:
    if settings.metrics_token is None:
        return Watch()
    # What prometheus-client is, it decides when it is imported.
    from keyturn.server.metrics import PrometheusMetrics

    return PrometheusMetrics(settings.metrics_token.get_secret_value())
