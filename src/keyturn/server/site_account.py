"""The account page and its forms: for whoever is signed in, with the flows that the API calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import MappingProxyType

from keyturn.core.model import SECOND, AccessClaims, Account, Delivery, EndReason, Identity, Session
from keyturn.errors import AccessTokenInvalid, AccessTokenMissing, KeyturnError
from keyturn.server.answers import document, filled_in, home, refused
from keyturn.server.api import Api
from keyturn.server.arrival import Arrival
from keyturn.server.calls import Incoming, Reply, validated
from keyturn.server.forms import EmailForm, NoFields, OwnerForm, PasswordForm, ProfileForm
from keyturn.server.provider_calls import ProviderApi
from keyturn.server.schemas import session_answer, user_answer
from keyturn.server.settings_fields import revealed
from keyturn.service import account, ending, recovery
from keyturn.service.context import Grant
from keyturn.service.handshakes import Way
from keyturn.service.identities import identities_of
from keyturn.web import words
from keyturn.web.pages import Pages
from keyturn.web.views import Connected, Device, Form, SignedIn

Flow = Callable[[AccessClaims], Awaitable[Reply]]

_DIRECTLY = Arrival()
_FORMS = ("email", "password", "close", "verification")


@dataclass(frozen=True, slots=True)
class AccountPage:
    """The handlers of the account page.

    Attributes:
        api: the handlers of the API, whose parts they share.
        pages: renders.
        providers: the handlers of the calls about providers.
    """

    api: Api
    pages: Pages
    providers: ProviderApi

    async def show(
        self,
        incoming: Incoming,
        arrival: Arrival = _DIRECTLY,
        forms: Mapping[str, Form] = MappingProxyType({}),
    ) -> Reply:
        """Who is signed in.

        Args:
            arrival: how they come here.
            forms: what became of those that were sent, by name.

        Raises:
            AccessTokenMissing, AccessTokenInvalid
        """
        claims = self.api.credentials.claims(incoming.headers)

        def load() -> tuple[Account, list[Session], list[Identity]]:
            context = self.api.context
            return (
                account.own_account(context, claims),
                ending.list_sessions(context, claims),
                identities_of(context, claims),
            )

        owner, sessions, identities = await self.api.storing.run(load)
        view = replace(
            self._view(claims, owner, sessions, forms),
            connected=[self._connected(identity) for identity in identities],
            return_to=arrival.return_to,
            saved=words.SAVED.get(arrival.saved or ""),
        )
        return Reply(content=document(self.pages.signed_in(view)))

    async def change_profile(self, incoming: Incoming) -> Reply:
        async def change(claims: AccessClaims) -> Reply:
            form = validated(ProfileForm, incoming.form)
            changes = {"username": form.username or None, "full_name": form.full_name or None}
            await self.api.storing.run(lambda: account.update_profile(self.api.context, claims, changes))
            return home(saved="profile")

        return await self._changed(incoming, "profile", change)

    async def change_email(self, incoming: Incoming) -> Reply:
        async def change(claims: AccessClaims) -> Reply:
            form = validated(EmailForm, incoming.form)
            current = revealed(form.current_password)
            await self.api.hashing.run(lambda: account.change_email(self.api.context, claims, current, form.email))
            return home(saved="email")

        return await self._changed(incoming, "email", change)

    async def change_password(self, incoming: Incoming) -> Reply:
        """Every session ends and a new one opens, here."""

        async def change(claims: AccessClaims) -> Reply:
            form = validated(PasswordForm, incoming.form)
            current, new = revealed(form.current_password), form.new_password.get_secret_value()
            options = self.api.options(incoming, Delivery.COOKIE)
            grant: Grant = await self.api.hashing.run(
                lambda: account.change_password(self.api.context, claims, current, new, options)
            )
            known = self.api.credentials.device_cookie(incoming.headers)
            return home(*self.api.cookies(grant), *self.api.device_cookies(grant, known), saved="password")

        return await self._changed(incoming, "password", change)

    async def close(self, incoming: Incoming) -> Reply:
        async def change(claims: AccessClaims) -> Reply:
            form = validated(OwnerForm, incoming.form)
            current = revealed(form.current_password)
            await self.api.hashing.run(lambda: account.delete_account(self.api.context, claims, current))
            return home(*self._no_cookies(), reason=EndReason.ACCOUNT_DELETED)

        return await self._changed(incoming, "close", change)

    async def connect(self, incoming: Incoming) -> Reply:
        """A page that leads to the provider: browsers let no form lead to another site by a redirect."""
        name = incoming.path["name"]

        async def change(claims: AccessClaims) -> Reply:
            form = validated(OwnerForm, incoming.form)
            way = Way(name, known_device=self.api.credentials.device_cookie(incoming.headers))
            url, cookie = await self.providers.begin_connecting(claims, way, revealed(form.current_password))
            return Reply(content=document(self.pages.leaving(url)), cookies=(cookie,))

        return await self._changed(incoming, f"connect-{name}", change)

    async def disconnect(self, incoming: Incoming) -> Reply:
        identity_id = incoming.path["id"]

        async def change(claims: AccessClaims) -> Reply:
            form = validated(OwnerForm, incoming.form)
            await self.providers.take_away(claims, identity_id, revealed(form.current_password))
            return home()

        return await self._changed(incoming, f"disconnect-{identity_id}", change)

    def _connected(self, identity: Identity) -> Connected:
        shown = self.providers.shown(identity)
        return Connected(shown["id"], shown["label"], shown["email"], shown["created_at"], shown["provider"])

    async def send_verification(self, incoming: Incoming) -> Reply:
        validated(NoFields, incoming.form)
        address = incoming.client.address

        async def change(claims: AccessClaims) -> Reply:
            await self.api.storing.run(lambda: recovery.send_verification(self.api.context, claims, address))
            return await self.show(incoming, forms={"verification": Form({"sent": "yes"})})

        return await self._changed(incoming, "verification", change)

    async def sign_out_everywhere(self, incoming: Incoming) -> Reply:
        flow = lambda claims: ending.sign_out_everywhere(self.api.context, claims, keep_this=False)  # noqa: E731
        return await self._done(incoming, flow, *self._no_cookies())

    async def end_device(self, incoming: Incoming) -> Reply:
        session_id = incoming.path["id"]
        return await self._done(incoming, lambda claims: ending.end_one(self.api.context, claims, session_id))

    def _no_cookies(self) -> tuple[str, str]:
        cookies = self.api.credentials.cookies
        return cookies.clear_refresh(), cookies.clear_access()

    async def _changed(self, incoming: Incoming, name: str, change: Flow) -> Reply:
        """What the change answers; or the account again, with what is wrong; just home if nobody is signed in."""
        try:
            return await change(self.api.credentials.claims(incoming.headers))
        except (AccessTokenMissing, AccessTokenInvalid):
            return home()
        except KeyturnError as error:
            return refused(await self.show(incoming, forms={name: filled_in(incoming.form, error)}), error)

    async def _done(self, incoming: Incoming, flow: Callable[[AccessClaims], object], *cookies: str) -> Reply:
        """Home, after a flow of whoever is signed in; just home if nobody is, or not at the moment."""
        validated(NoFields, incoming.form)
        try:
            claims = self.api.credentials.claims(incoming.headers)
            await self.api.storing.run(lambda: flow(claims))
        except (AccessTokenMissing, AccessTokenInvalid):
            return home()
        return home(*cookies)

    def _view(
        self, claims: AccessClaims, owner: Account, sessions: list[Session], forms: Mapping[str, Form]
    ) -> SignedIn:
        policy, now, user = self.api.context.policy, self.api.context.clock.now(), owner.user
        answers = [session_answer(row, policy, current=row.id == claims.session_id) for row in sessions]
        profile = Form({"username": user.username or "", "full_name": user.full_name or ""})
        return SignedIn(
            email=user.email,
            email_verified=user.email_verified,
            username=user.username,
            full_name=user.full_name,
            roles=user.roles,
            member_since=user_answer(user)["created_at"],
            devices=[
                Device(one["id"], one["device"], one["address"], one["created_at"], one["last_used_at"], one["current"])
                for one in sorted(answers, key=lambda one: not one["current"])
            ],
            now=datetime.fromtimestamp(now / SECOND, UTC),
            expires_in=(claims.expires_at * SECOND - now) / SECOND,
            forms={"profile": profile, **dict.fromkeys(_FORMS, Form()), **forms},
            has_password=owner.password_hash is not None,
        )
