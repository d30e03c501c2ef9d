"""The calls of the account API: reading what HTTP says, calling the flow, writing the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar, cast

from keyturn.core.model import SECOND, AccessClaims, Delivery
from keyturn.errors import RefreshTokenMissing
from keyturn.http.cookies import read_cookie
from keyturn.http.devices import device_of
from keyturn.http.origin import SAFE_METHODS
from keyturn.http.problems import InvalidRequest
from keyturn.ports import Database
from keyturn.server.batching import Batcher
from keyturn.server.calls import Incoming, Reply
from keyturn.server.credentials import Credentials
from keyturn.server.guard import Guard
from keyturn.server.lanes import Lane
from keyturn.server.schemas import (
    JSON,
    DeleteAccountBody,
    EmailBody,
    LoginBody,
    LogoutAllBody,
    PasswordBody,
    ProfileBody,
    RefreshBody,
    RegisterBody,
    session_answer,
    user_answer,
)
from keyturn.server.settings_fields import revealed
from keyturn.service import account, ending
from keyturn.service.context import Context, Grant, SignInOptions
from keyturn.service.devices import COOKIE_SECONDS
from keyturn.service.refresh import Outcome, Presented, grant_of
from keyturn.service.register import NewUser, register
from keyturn.service.sign_in import sign_in

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Api:
    """The handlers of the calls.

    Attributes:
        context: what the flows work with.
        credentials: reads tokens from requests.
        guard: judges what `/verify` is asked about.
        refreshes: decides refreshes in batches.
        hashing: where passwords are hashed; apart from everything else, so that a flood of sign-ins slows no refresh.
        storing: where the database is read and written otherwise.
    """

    context: Context
    credentials: Credentials
    guard: Guard
    refreshes: Batcher[Presented, Outcome]
    hashing: Lane
    storing: Lane

    async def register(self, incoming: Incoming) -> Reply:
        body = cast(RegisterBody, incoming.body)
        new = NewUser(body.email, body.password.get_secret_value(), body.username, body.full_name)
        options = self.options(incoming, Delivery(body.delivery))
        grant = await self.hashing.run(lambda: register(self.context, new, options))
        return self._opened(incoming, grant, status=201)

    async def login(self, incoming: Incoming) -> Reply:
        body = cast(LoginBody, incoming.body)
        options = self.options(incoming, Delivery(body.delivery), remember=body.remember)
        password = body.password.get_secret_value()
        grant = await self.hashing.run(lambda: sign_in(self.context, body.name, password, options))
        return self._opened(incoming, grant)

    async def refresh_token(self, incoming: Incoming) -> Reply:
        in_cookie = self.credentials.refresh_cookie(incoming.headers)
        in_body = revealed(cast(RefreshBody, incoming.body).refresh_token)
        if in_cookie is not None and in_body is not None:
            raise InvalidRequest([("refresh_token", "Send the refresh token as the cookie or in the body, not both.")])
        raw = in_cookie if in_cookie is not None else in_body
        if not raw:
            raise RefreshTokenMissing
        token = self.context.tokens.parse_refresh(raw)
        self.context.refresh_limit.check(token.session_id, incoming.received_at)
        presented = Presented(raw, token, in_body=in_body is not None, received_at=incoming.received_at)
        outcome = await self.refreshes.submit(presented, incoming.is_gone)
        if self.context.tokens.claims_hook is None:
            grant = grant_of(self.context, presented, outcome)
        else:  # an application's code may take its time
            grant = await self.storing.run(lambda: grant_of(self.context, presented, outcome))
        # No answer to a refresh clears a cookie: it could wipe one that a sign-in set meanwhile.
        return Reply(content=self._signed_in(grant), cookies=self.cookies(grant))

    async def logout(self, incoming: Incoming) -> Reply:
        body = cast(RefreshBody, incoming.body)
        presented = (
            self.credentials.presented_session(incoming.headers),
            self.credentials.parse(revealed(body.refresh_token)),
        )
        tokens = [token for token in presented if token is not None]
        claims = self.credentials.claims_to_sign_out(incoming.headers)
        if tokens or claims:
            await self.storing.run(lambda: ending.sign_out(self.context, tokens, claims))
        cookies = self.credentials.cookies
        return Reply(204, cookies=(cookies.clear_refresh(), cookies.clear_access()))

    async def logout_all(self, incoming: Incoming) -> Reply:
        claims = self.credentials.claims(incoming.headers)
        keep_this = cast(LogoutAllBody, incoming.body).keep_this
        await self.storing.run(lambda: ending.sign_out_everywhere(self.context, claims, keep_this=keep_this))
        cookies = self.credentials.cookies
        return Reply(204, cookies=() if keep_this else (cookies.clear_refresh(), cookies.clear_access()))

    async def me(self, incoming: Incoming) -> Reply:
        _, user = await self._ask(incoming, lambda claims: account.who_am_i(self.context, claims))
        return Reply(content=user_answer(user))

    async def update_me(self, incoming: Incoming) -> Reply:
        changes: Mapping[str, str | None] = cast(ProfileBody, incoming.body).model_dump(exclude_unset=True)
        user = await self._ask(incoming, lambda claims: account.update_profile(self.context, claims, changes))
        return Reply(content=user_answer(user))

    async def delete_me(self, incoming: Incoming) -> Reply:
        claims = self.credentials.claims(incoming.headers)
        password = revealed(cast(DeleteAccountBody, incoming.body).current_password)
        await self.hashing.run(lambda: account.delete_account(self.context, claims, password))
        cookies = self.credentials.cookies
        return Reply(204, cookies=(cookies.clear_refresh(), cookies.clear_access()))

    async def sessions(self, incoming: Incoming) -> Reply:
        claims = self.credentials.claims(incoming.headers)
        sessions = await self.storing.run(lambda: ending.list_sessions(self.context, claims))
        policy = self.context.policy
        answers = [session_answer(row, policy, current=row.id == claims.session_id) for row in sessions]
        return Reply(content={"sessions": answers})

    async def end_session(self, incoming: Incoming) -> Reply:
        session_id = incoming.path["id"]
        await self._ask(incoming, lambda claims: ending.end_one(self.context, claims, session_id))
        return Reply(204)

    async def password(self, incoming: Incoming) -> Reply:
        claims = self.credentials.claims(incoming.headers)
        body = cast(PasswordBody, incoming.body)
        current, new = revealed(body.current_password), body.new_password.get_secret_value()
        # Delivery and remember are those of the session that asks; the flow sees to that.
        options = SignInOptions(device=device_of(incoming.headers, incoming.client.address))
        grant = await self.hashing.run(lambda: account.change_password(self.context, claims, current, new, options))
        return self._opened(incoming, grant)

    async def email(self, incoming: Incoming) -> Reply:
        claims = self.credentials.claims(incoming.headers)
        body = cast(EmailBody, incoming.body)
        password = revealed(body.current_password)
        user = await self.hashing.run(lambda: account.change_email(self.context, claims, password, body.email))
        return Reply(content=user_answer(user))

    async def verify(self, incoming: Incoming) -> Reply:
        """Answers from memory: no database."""
        claims = self.guard.session(_original_method(incoming), incoming.headers)
        headers = {
            "x-auth-subject": claims.subject,
            "x-auth-session": claims.session_id,
            "x-auth-roles": ",".join(claims.roles),
        }
        return Reply(204, headers=headers)

    async def jwks(self, incoming: Incoming) -> Reply:
        keys = self.context.tokens.access_keys.jwks()
        return Reply(content=keys, headers={"cache-control": "public, max-age=300"}, private=False)

    async def healthz(self, incoming: Incoming) -> Reply:
        return Reply(content={"status": "ok"})

    async def readyz(self, incoming: Incoming) -> Reply:
        database: Database = self.context.database
        await self.storing.run(database.ping)
        return Reply(content={"status": "ok"})

    async def _ask(self, incoming: Incoming, flow: Callable[[AccessClaims], T]) -> T:
        """Run a flow of whoever the access token names, in a thread for the database."""
        claims = self.credentials.claims(incoming.headers)
        return await self.storing.run(lambda: flow(claims))

    def options(self, incoming: Incoming, delivery: Delivery, *, remember: bool = True) -> SignInOptions:
        """What a sign-in says beside names and passwords."""
        return SignInOptions(
            delivery=delivery,
            remember=remember,
            device=device_of(incoming.headers, incoming.client.address),
            replaces=self.credentials.presented_session(incoming.headers),
            known_device=self.credentials.device_cookie(incoming.headers),
        )

    def device_cookies(self, grant: Grant, known_device: str | None) -> tuple[str, ...]:
        """The cookie by which a device that has just signed in is known next time; a client of delivery `body` keeps none.

        Args:
            known_device: the one that it had.
        """
        context, session = self.context, grant.session
        if not context.throttled or session.delivery is Delivery.BODY:
            return ()
        value = context.known_devices.after_sign_in(known_device, grant.user.id, context.entropy)
        return (self.credentials.cookies.set_device(value, COOKIE_SECONDS),)

    def _opened(self, incoming: Incoming, grant: Grant, *, status: int = 200) -> Reply:
        """The answer to a sign-in. A cookie of ours that came along and is not replaced belonged to another session."""
        names, delivery = self.credentials.cookies, grant.session.delivery
        known = self.credentials.device_cookie(incoming.headers)
        stale: list[str] = []
        if delivery is Delivery.BODY and read_cookie(incoming.headers, names.refresh) is not None:
            stale.append(names.clear_refresh())
        if delivery is not Delivery.COOKIE and read_cookie(incoming.headers, names.access) is not None:
            stale.append(names.clear_access())
        return Reply(
            status,
            self._signed_in(grant),
            cookies=(*self.cookies(grant), *self.device_cookies(grant, known), *stale),
        )

    def _signed_in(self, grant: Grant) -> JSON:
        """Each token where the session's delivery puts it, and nowhere else."""
        session = grant.session
        content: JSON = {
            "token_type": "Bearer",
            "expires_in": grant.expires_in,
            "user": user_answer(grant.user),
            "session": session_answer(session, self.context.policy, current=True),
        }
        if session.delivery is not Delivery.COOKIE:
            content["access_token"] = grant.access_token
        if session.delivery is Delivery.BODY:
            content |= {"refresh_token": grant.refresh_token, "refresh_expires_in": _seconds_left(grant)}
        return content

    def cookies(self, grant: Grant) -> tuple[str, ...]:
        """The cookies that a grant's delivery asks for."""
        session, names = grant.session, self.credentials.cookies
        if session.delivery is Delivery.BODY:
            return ()
        # The refresh cookie outlives the idle end: a client that comes too late is told why it has to sign in.
        refresh = names.set_refresh(grant.refresh_token, _seconds_left(grant) if session.remember else None)
        if session.delivery is Delivery.SPLIT:
            return (refresh,)
        return refresh, names.set_access(grant.access_token, grant.expires_in if session.remember else None)


def _seconds_left(grant: Grant) -> int:
    return (grant.session.expires_at - grant.now) // SECOND


def _original_method(incoming: Incoming) -> str:
    """The method of the request that a proxy asks about. If it does not say, or says two things, the strictest is assumed."""
    headers = incoming.headers
    named = [method.upper() for method in (*headers.all(b"x-forwarded-method"), *headers.all(b"x-original-method"))]
    return named[0] if named and all(method in SAFE_METHODS for method in named) else "POST"
