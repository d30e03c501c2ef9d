"""The composition root: which parts a running server is made of."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from starlette.types import ASGIApp

from keyturn.http.cookies import CookieNames
from keyturn.http.origin import OriginPolicy
from keyturn.server.api import Api
from keyturn.server.app import Located, lifespan_of, router
from keyturn.server.batching import Batcher
from keyturn.server.credentials import credentials_of
from keyturn.server.docs_page import docs_pages
from keyturn.server.edge import Edge, no_error_page
from keyturn.server.guard import Guard
from keyturn.server.lanes import Lane
from keyturn.server.mailing import open_postman
from keyturn.server.openapi import describe
from keyturn.server.outbox import outbox_of
from keyturn.server.outbox_page import OutboxPage
from keyturn.server.playground import Playground
from keyturn.server.playground_page import PlaygroundApi, playground_calls, playground_pages
from keyturn.server.providers import open_providers
from keyturn.server.routes import account_calls, provider_calls, service_calls
from keyturn.server.settings import Settings
from keyturn.server.site_routes import client_pages, open_site, site_calls, static_pages
from keyturn.server.watch import Watch
from keyturn.service.context import Context
from keyturn.service.refresh import refresh_many

_STORE_THREADS = 4
_STORE_QUEUE = 1000


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
        described = partial(describe, tuple(calls), issuer=issuer, version=version("keyturn"), cookies=cookies)
        pages += docs_pages(described)
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
