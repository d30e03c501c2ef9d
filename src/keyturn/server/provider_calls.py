"""The calls for signing in with a provider's account: there, back, and what is connected."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from keyturn.core.model import AccessClaims, Delivery, Identity, Person
from keyturn.errors import (
    KeyturnError,
    NotFound,
    Overloaded,
    ProviderDenied,
    ProviderError,
    ProviderInvalid,
    ProviderUnavailable,
    TokenError,
)
from keyturn.http.cookies import CookieNames, DuplicateCookie, read_cookie
from keyturn.http.problems import InvalidRequest
from keyturn.ports import Provider
from keyturn.server.answers import home
from keyturn.server.api import Api
from keyturn.server.arrival import fields_of, path_on_this_site
from keyturn.server.calls import Incoming, Reply
from keyturn.server.lanes import Lane
from keyturn.server.schemas import JSON, ConnectBody, identity_answer
from keyturn.server.sent_back import sent_back
from keyturn.server.settings_fields import revealed
from keyturn.service import ending
from keyturn.service.account import confirm_owner
from keyturn.service.attempts import check_asking, count_asking
from keyturn.service.events import record
from keyturn.service.handshakes import LIFETIME_SECONDS, Handshakes, Way
from keyturn.service.identities import connect, disconnect, identities_of, sign_in_with

if TYPE_CHECKING:
    from keyturn.service.context import Grant

THREADS = 8
QUEUE = 200
"""How many may ask providers at a time, and how many more may wait: a slow provider holds up nothing else."""

_DELIVERIES = {"split": Delivery.SPLIT, "cookie": Delivery.COOKIE}


@dataclass(frozen=True, slots=True)
class ProviderApi:
    """The handlers of the calls.

    Attributes:
        api: the handlers of the other calls, whose parts they share.
        providers: by their names in the settings.
        handshakes: ties ways back to ways there.
        asking: where providers are asked.
        path: of the calls about providers.
        has_pages: whether there are pages that say what went wrong; otherwise the browser is sent back with a reason.
    """

    api: Api
    providers: Mapping[str, Provider]
    handshakes: Handshakes
    asking: Lane
    path: str
    has_pages: bool = True

    async def listed(self, incoming: Incoming) -> Reply:
        """Which providers there are."""
        found = [
            {"name": name, "label": provider.label, "start": self.start_path(name)}
            for name, provider in self.providers.items()
        ]
        return Reply(content={"providers": found})

    async def start(self, incoming: Incoming) -> Reply:
        """The way to a provider, to sign in."""
        try:
            return await self._started(incoming)
        except KeyturnError as error:
            if self.has_pages:
                raise
            return sent_back(incoming, error, path_on_this_site(fields_of(incoming.query).get("return_to", "")))

    async def _started(self, incoming: Incoming) -> Reply:
        name, fields = incoming.path["name"], fields_of(incoming.query)
        provider = self._provider(name)
        delivery = _DELIVERIES.get(fields.get("delivery", "split"))
        if delivery is None:
            raise InvalidRequest([("delivery", "Choose split or cookie: a browser keeps no other kind of session.")])
        device, address = self.api.credentials.device_cookie(incoming.headers), incoming.client.address
        await self.api.storing.run(lambda: check_asking(self.api.context, address, device))
        way = Way(
            name,
            path_on_this_site(fields.get("return_to", "")),
            delivery,
            # Looked at now: the provider sends the browser back from another site, without the cookies that are Strict.
            replaces=await self._session_here(incoming),
            known_device=device,
        )
        url, cookie = await self._begin(provider, way)
        return Reply(303, headers={"location": url}, cookies=(cookie,))

    async def connect(self, incoming: Incoming) -> Reply:
        """The same, to connect the provider's account with one's own."""
        body = cast(ConnectBody, incoming.body)
        claims = self.api.credentials.claims(incoming.headers)
        way = Way(
            incoming.path["name"],
            path_on_this_site(body.return_to),
            known_device=self.api.credentials.device_cookie(incoming.headers),
        )
        url, cookie = await self.begin_connecting(claims, way, revealed(body.current_password))
        return Reply(content={"authorization_url": url}, cookies=(cookie,))

    async def begin_connecting(self, claims: AccessClaims, way: Way, password: str | None) -> tuple[str, str]:
        """Where to send the browser of somebody who wants to connect an account, and the cookie that it needs.

        Args:
            claims: who asks.
            way: to which provider, and where it ends.
            password: the current one; without it the sign-in must be fresh.
        """
        provider = self._provider(way.provider)
        await self.api.hashing.run(lambda: confirm_owner(self.api.context, claims, password))
        return await self._begin(provider, replace(way, links=claims.session_id))

    async def callback(self, incoming: Incoming) -> Reply:
        """The way back: with a session, or with an account connected."""
        try:
            return await self._came_back(incoming)
        except KeyturnError as error:
            if self.has_pages:
                raise
            return sent_back(incoming, error, self._begun_at(incoming))

    async def _came_back(self, incoming: Incoming) -> Reply:
        name, fields = incoming.path["name"], fields_of(incoming.query)
        provider = self._provider(name)
        cookie = read_cookie(incoming.headers, self._cookies.way)
        with _failures_logged(name):
            way, handshake = self.handshakes.find(cookie, name, fields.get("state"), self._redirect_uri(name))
            ask = partial(provider.person, handshake, _code_of(fields), fields.get("iss"))
            person = await self._person(ask, incoming.client.address, way)
            if way.links is not None:
                return await self._connected(incoming, way, person)
            options = replace(self.api.options(incoming, way.delivery), known_device=way.known_device)
            grant = await self.api.storing.run(lambda: sign_in_with(self.api.context, person, way, options))
        return self._opened(incoming, way, grant)

    async def identities(self, incoming: Incoming) -> Reply:
        """What is connected with one's account."""
        claims = self.api.credentials.claims(incoming.headers)
        found = await self.api.storing.run(lambda: identities_of(self.api.context, claims))
        return Reply(content={"identities": [self.shown(identity) for identity in found]})

    async def disconnect(self, incoming: Incoming) -> Reply:
        """Take away what is connected."""
        claims = self.api.credentials.claims(incoming.headers)
        await self.take_away(claims, incoming.path["id"], None)
        return Reply(204)

    async def take_away(self, claims: AccessClaims, identity_id: str, password: str | None) -> None:
        """Disconnect an identity from the account of whoever asks; arguments and errors are those of the flow."""
        issuers = {provider.issuer for provider in self.providers.values()}
        await self.api.hashing.run(
            lambda: disconnect(self.api.context, claims, identity_id, issuers, password),
        )

    def shown(self, identity: Identity) -> JSON:
        """An identity as an answer shows it."""
        named = next((name for name, provider in self.providers.items() if provider.issuer == identity.issuer), None)
        return identity_answer(identity, named, self.providers[named].label if named else identity.issuer)

    def start_path(self, name: str) -> str:
        """Where a browser begins to sign in."""
        return f"{self.path}/{quote(name)}/start"

    @property
    def _cookies(self) -> CookieNames:
        return self.api.credentials.cookies

    def _provider(self, name: str) -> Provider:
        provider = self.providers.get(name)
        if provider is None:
            raise NotFound
        return provider

    def _redirect_uri(self, name: str) -> str:
        # From the settings alone: no header of a request has a say in where a code is sent.
        return f"{self.api.context.tokens.issuer}{self.path}/{quote(name)}/callback"

    def _begun_at(self, incoming: Incoming) -> str | None:
        with suppress(DuplicateCookie):
            way = self.handshakes.begun(read_cookie(incoming.headers, self._cookies.way))
            return way.return_to if way is not None else None
        return None

    async def _session_here(self, incoming: Incoming) -> str | None:
        """The live session that the refresh cookie names."""
        token = self.api.credentials.presented_session(incoming.headers)
        if token is None:
            return None
        with suppress(TokenError):
            return (await self.api.storing.run(lambda: ending.session_of(self.api.context, token))).id
        return None

    async def _begin(self, provider: Provider, way: Way) -> tuple[str, str]:
        handshake, value = self.handshakes.begin(way, self._redirect_uri(way.provider))
        with _failures_logged(way.provider):
            url = await self.asking.run(lambda: provider.authorization_url(handshake))
        return url, self._cookies.set_way(value, LIFETIME_SECONDS)

    async def _person(self, ask: Callable[[], Person], address: str, way: Way) -> Person:
        """Ask the provider, unless this client has made us ask in vain too often."""
        counted = await self.api.storing.run(lambda: count_asking(self.api.context, address, way.known_device))
        try:
            person = await self.asking.run(ask)
        except Overloaded:
            await self.api.storing.run(counted.give_back)
            raise
        await self.api.storing.run(counted.succeeded)
        return person

    async def _connected(self, incoming: Incoming, way: Way, person: Person) -> Reply:
        claims = None
        with suppress(KeyturnError):
            claims = self.api.credentials.claims(incoming.headers)
        await self.api.storing.run(lambda: connect(self.api.context, person, way, claims))
        return home(self._cookies.clear_way(), return_to=way.return_to)

    def _opened(self, incoming: Incoming, way: Way, grant: Grant) -> Reply:
        names, cookies = self._cookies, [self._cookies.clear_way()]
        if way.delivery is not Delivery.COOKIE and read_cookie(incoming.headers, names.access) is not None:
            cookies.append(names.clear_access())  # it belonged to another session
        signed_in = (*self.api.cookies(grant), *self.api.device_cookies(grant, way.known_device))
        return home(*signed_in, *cookies, return_to=way.return_to)


def _code_of(fields: Mapping[str, str]) -> str:
    """What the provider sent the browser back with, to be redeemed."""
    error, code = fields.get("error"), fields.get("code")
    if error in {"server_error", "temporarily_unavailable"}:
        raise ProviderUnavailable("it said so")
    if error is not None:
        raise ProviderDenied
    if code is None:
        raise ProviderInvalid("it sent no code")
    return code


@contextmanager
def _failures_logged(name: str) -> Iterator[None]:
    """Log why somebody cannot sign in with a provider: the answer to a client does not say."""
    try:
        yield
    except ProviderError as error:
        why = getattr(error, "why", "") or error.code
        record("authn_provider_fail", level=logging.WARNING, provider=name, why=why)
        raise
