"""The pages: reading what a form says, calling the flow that the API calls, answering a page or a redirect to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from starlette.types import Scope

from keyturn.core.model import Delivery
from keyturn.errors import (
    AccessTokenInvalid,
    AccessTokenMissing,
    KeyturnError,
    RefreshTokenInvalid,
    RegistrationClosed,
    SessionEnded,
)
from keyturn.http.problems import Problem
from keyturn.server.answers import document, filled_in, home, refused
from keyturn.server.api import Api
from keyturn.server.arrival import arrival_of, path_on_this_site
from keyturn.server.calls import Document, Incoming, Reply, validated
from keyturn.server.forms import NoFields, SignInForm, SignUpForm
from keyturn.server.provider_calls import ProviderApi
from keyturn.server.site_account import AccountPage
from keyturn.server.site_mail import MailPages
from keyturn.service import ending
from keyturn.service.context import Grant
from keyturn.service.register import NewUser, register
from keyturn.service.sign_in import sign_in
from keyturn.web import words
from keyturn.web.pages import Pages
from keyturn.web.views import Failure, Form, Notice, SignedOut


@dataclass(frozen=True, slots=True)
class Site:
    """The handlers of the pages.

    Attributes:
        api: the handlers of the API, whose parts they share.
        pages: renders.
        base_path: of the API, whose errors stay problems.
        providers: the handlers of the calls about providers.
    """

    api: Api
    pages: Pages
    base_path: str
    providers: ProviderApi

    @property
    def account(self) -> AccountPage:
        return AccountPage(self.api, self.pages, self.providers)

    @property
    def mail(self) -> MailPages:
        return MailPages(self.api, self.pages)

    async def home(self, incoming: Incoming) -> Reply:
        """Who is signed in, or the sign-in form, or a page that finds out which of the two it is."""
        return await self._page(incoming, signing_up=False)

    async def sign_up_page(self, incoming: Incoming) -> Reply:
        """The same, with the sign-up form."""
        return await self._page(incoming, signing_up=True)

    async def sign_in(self, incoming: Incoming) -> Reply:
        async def open_session() -> Grant:
            form = validated(SignInForm, incoming.form)
            options = self.api.options(incoming, Delivery.COOKIE, remember=form.remember is not None)
            password = form.password.get_secret_value()
            return await self.api.hashing.run(lambda: sign_in(self.api.context, form.login, password, options))

        return await self._opened(open_session, self._view(signing_up=False), incoming)

    async def sign_up(self, incoming: Incoming) -> Reply:
        async def open_session() -> Grant:
            form = validated(SignUpForm, incoming.form)
            new = NewUser(form.email, form.password.get_secret_value(), full_name=form.full_name or None)
            options = self.api.options(incoming, Delivery.COOKIE)
            return await self.api.hashing.run(lambda: register(self.api.context, new, options))

        return await self._opened(open_session, self._view(signing_up=True), incoming)

    async def sign_out(self, incoming: Incoming) -> Reply:
        """Ends what the cookies name, however old they are, as the API does."""
        validated(NoFields, incoming.form)
        credentials = self.api.credentials
        token = credentials.presented_session(incoming.headers)
        claims = credentials.claims_to_sign_out(incoming.headers)
        if token is not None or claims:
            tokens = [token] if token is not None else []
            await self.api.storing.run(lambda: ending.sign_out(self.api.context, tokens, claims))
        return home(credentials.cookies.clear_refresh(), credentials.cookies.clear_access())

    async def back_home(self, incoming: Incoming) -> Reply:
        """For the address that a form leaves behind, when somebody opens it once more."""
        return home()

    def error_page(self, scope: Scope, problem: Problem) -> Document | None:
        """A page instead of a problem, for whoever asks for one anywhere but in the API."""
        asks = any("text/html" in accepted for accepted in scope["keyturn.headers"].all(b"accept"))
        path = scope["path"]
        # Of the calls of the API, people themselves go only to a provider and back.
        is_call = path.startswith(f"{self.base_path}/") and not path.startswith(f"{self.providers.path}/")
        if not asks or is_call:
            return None
        code, request_id = str(problem.body["code"]), problem.body.get("request_id")
        title, text = words.FAILURES.get(code, (str(problem.body["title"]), str(problem.body["detail"])))
        failure = Failure(problem.status, title, text, str(request_id) if request_id else None)
        return document(self.pages.failure(failure))

    async def _page(self, incoming: Incoming, *, signing_up: bool) -> Reply:
        arrival = arrival_of(incoming.query)
        try:
            return await self.account.show(incoming, arrival)
        except (AccessTokenMissing, AccessTokenInvalid):
            view = self._view(signing_up=signing_up)
            told = words.ARRIVED.get(arrival.reason or "")
            return await self._not_signed_in(incoming, replace(view, notice=told, return_to=arrival.return_to))

    async def _not_signed_in(self, incoming: Incoming, view: SignedOut) -> Reply:
        credentials = self.api.credentials
        token = credentials.presented_session(incoming.headers)
        if token is None:
            # A page opened from another site comes without the refresh cookie: nobody knows yet whether there is one.
            withheld = incoming.headers.single(b"sec-fetch-site") == "cross-site"
            return self._forms(view, asking=withheld and credentials.refresh_cookie(incoming.headers) is None)
        try:
            session = await self.api.storing.run(lambda: ending.session_of(self.api.context, token))
        except SessionEnded as ended:
            return self._forms(view, words.ENDED[ended.reason])
        except RefreshTokenInvalid:
            return self._forms(view)
        if session.delivery is Delivery.COOKIE:
            return self._forms(view, asking=True)
        return self._forms(view, words.ELSEWHERE)

    def _forms(self, view: SignedOut, notice: Notice | None = None, *, asking: bool = False) -> Reply:
        """The form, with what the server knows of the end of a session before what a link says of it."""
        view = replace(view, notice=notice or view.notice)
        return Reply(content=document(self.pages.moment(view) if asking else self.pages.signed_out(view)))

    def _view(self, *, signing_up: bool) -> SignedOut:
        """An empty form: that for signing in where nobody may sign up."""
        is_open = self.api.context.registration_open
        if signing_up and not is_open:
            return SignedOut(Form(alert=str(RegistrationClosed())))
        return SignedOut(signing_up=signing_up, registration_open=is_open)

    async def _opened(self, open_session: Callable[[], Awaitable[Grant]], view: SignedOut, incoming: Incoming) -> Reply:
        """Home, or to where somebody was, with the new session's cookies; or the form again, with what is wrong."""
        return_to = path_on_this_site(incoming.form.get("return_to", ""))
        try:
            grant = await open_session()
        except KeyturnError as error:
            again = replace(view, form=filled_in(incoming.form, error), return_to=return_to)
            return refused(Reply(content=document(self.pages.signed_out(again))), error)
        known = self.api.credentials.device_cookie(incoming.headers)
        return home(*self.api.cookies(grant), *self.api.device_cookies(grant, known), return_to=return_to)
