"""The providers that the settings name."""

from __future__ import annotations

from collections.abc import Mapping

from keyturn.ports import Clock, Provider
from keyturn.server.api import Api
from keyturn.server.lanes import Lane
from keyturn.server.provider_calls import QUEUE, THREADS, ProviderApi
from keyturn.server.settings import Settings
from keyturn.server.settings_providers import ProviderSettings
from keyturn.service.handshakes import Handshakes


def open_providers(api: Api, settings: Settings) -> ProviderApi:
    """The handlers of the calls about providers.

    Args:
        api: the handlers of the other calls.
        settings: all of them.
    """
    context = api.context
    return ProviderApi(
        api=api,
        providers=providers_of(settings, context.clock),
        handshakes=Handshakes(context.tokens.refresh_keys, context.clock, context.entropy),
        asking=Lane(THREADS, QUEUE),
        path=f"{settings.base_path}/providers",
        has_pages=settings.pages,
    )


def providers_of(settings: Settings, clock: Clock) -> Mapping[str, Provider]:
    """The providers, by name. None of them is asked for anything yet.

    Args:
        settings: all of them.
        clock: for the times in their answers.
    """
    tables = dict(settings.providers or {})
    if settings.google_client_id is not None and settings.google_client_secret is not None:
        tables["google"] = ProviderSettings(
            preset="google", client_id=settings.google_client_id, client_secret=settings.google_client_secret
        )
    return {name: _provider(table, clock) for name, table in tables.items()}


def _provider(table: ProviderSettings, clock: Clock) -> Provider:
    # What asks over the network is imported where there is somebody to ask.
    from dataclasses import replace

    from keyturn.providers import github, google, oidc

    client_id, secret, issuer = table.client_id, table.client_secret.get_secret_value(), table.issuer or ""
    match table.preset:
        case "google":
            agreed = google.registration(client_id, secret)
        case "github":
            agreed = github.registration(client_id, secret, table.issuer)
        case "openid":
            trusts = oidc.trusts_verified if table.owns_email else oidc.trusts_nobody
            scopes = table.scopes or oidc.SCOPES
            agreed = oidc.Registration(issuer, client_id, secret, oidc.site_of(issuer), scopes, owns_email=trusts)
    agreed = replace(agreed, label=table.label or agreed.label)
    return github.GitHub(agreed, clock) if table.preset == "github" else oidc.OpenIdProvider(agreed, clock)
