"""The pages: reading what a form says, calling the flow that the API calls, answering a page or a redirect to one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from starlette.types import Scope

from keyturn.core.model import SECOND, AccessClaims, Delivery, Session, User
from keyturn.errors import (
    AccessTokenInvalid,
    AccessTokenMissing,
    CurrentPasswordWrong,
    EmailTaken,
    InvalidInput,
    KeyturnError,
    RefreshTokenInvalid,
    SessionEnded,
)
from keyturn.http.headers import all_values, single_value
from keyturn.http.problems import InvalidRequest, Problem, problem_of
from keyturn.http.security import SITE_POLICY
from keyturn.server.api import Api
from keyturn.server.calls import Document, Incoming, Reply, validated
from keyturn.server.forms import NoFields, PasswordForm, SignInForm, SignUpForm
from keyturn.server.schemas import session_answer, user_answer
from keyturn.service import account, ending
from keyturn.service.context import Grant
from keyturn.service.register import NewUser, register
from keyturn.service.sign_in import sign_in
from keyturn.web import words
from keyturn.web.pages import Pages
from keyturn.web.views import Device, Failure, Form, Notice, SignedIn, SignedOut

HOME = "/"
# A form's own origin is told to us, and nothing to anybody else: with `no-referrer` browsers send forms with `Origin: null`.
_PAGE_HEADERS = {"content-security-policy": SITE_POLICY, "referrer-policy": "same-origin"}

_REPEATED = ("login", "email", "full_name", "remember")
"""What a form shows again after an error; never a password."""

_FIELDS = frozenset({"login", "email", "full_name", "password", "current_password", "new_password"})
"""What has a place beside it for what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Site:
    """The handlers of the pages.

    Attributes:
        api: the handlers of the API, whose parts they share.
        pages: renders.
        base_path: of the API, whose errors stay problems.
    """

    api: Api
    pages: Pages
    base_path: str

    async def home(self, incoming: Incoming) -> Reply:
        """Who is signed in, or the forms, or a page that finds out which of the two it is."""
        try:
            return await self._signed_in(incoming)
        except (AccessTokenMissing, AccessTokenInvalid):
            return await self._not_signed_in(incoming)

    async def sign_in(self, incoming: Incoming) -> Reply:
        async def open_session() -> Grant:
            form = validated(SignInForm, incoming.form)
            options = self.api.options(incoming, Delivery.COOKIE, remember=form.remember is not None)
            password = form.password.get_secret_value()
            return await self.api.hashing.run(lambda: sign_in(self.api.context, form.login, password, options))

        return await self._opened(open_session, lambda form: SignedOut(form, self._empty_sign_up()), incoming)

    async def sign_up(self, incoming: Incoming) -> Reply:
        async def open_session() -> Grant:
            form = validated(SignUpForm, incoming.form)
            new = NewUser(form.email, form.password.get_secret_value(), full_name=form.full_name or None)
            options = self.api.options(incoming, Delivery.COOKIE)
            return await self.api.hashing.run(lambda: register(self.api.context, new, options))

        return await self._opened(open_session, self._sign_up_again, incoming)

    async def sign_out(self, incoming: Incoming) -> Reply:
        """Ends what the cookies name, however old they are, as the API does."""
        validated(NoFields, incoming.form)
        credentials = self.api.credentials
        token = credentials.presented_session(incoming.headers)
        claims = credentials.claims_to_sign_out(incoming.headers)
        if token is not None or claims:
            tokens = [token] if token is not None else []
            await self.api.storing.run(lambda: ending.sign_out(self.api.context, tokens, claims))
        return self._home(credentials.cookies.clear_refresh(), credentials.cookies.clear_access())

    async def sign_out_everywhere(self, incoming: Incoming) -> Reply:
        cookies = self.api.credentials.cookies
        return await self._done(
            incoming,
            lambda claims: ending.sign_out_everywhere(self.api.context, claims, keep_this=False),
            cookies.clear_refresh(),
            cookies.clear_access(),
        )

    async def end_device(self, incoming: Incoming) -> Reply:
        session_id = incoming.path["id"]
        return await self._done(incoming, lambda claims: ending.end_one(self.api.context, claims, session_id))

    async def change_password(self, incoming: Incoming) -> Reply:
        """Every session ends and a new one opens, here; or the account again, with what is wrong."""

        async def change() -> Grant:
            claims = self.api.credentials.claims(incoming.headers)
            form = validated(PasswordForm, incoming.form)
            current, new = form.current_password.get_secret_value(), form.new_password.get_secret_value()
            options = self.api.options(incoming, Delivery.COOKIE)
            return await self.api.hashing.run(
                lambda: account.change_password(self.api.context, claims, current, new, options)
            )

        try:
            grant = await change()
            return self._home(*self.api.cookies(grant), *self.api.device_cookies(incoming, grant))
        except (AccessTokenMissing, AccessTokenInvalid):
            return self._home()
        except KeyturnError as error:
            problem = _told_in_the_form(error)
            again = await self._signed_in(incoming, _filled_in({}, error))
            return replace(again, status=problem.status, headers=problem.headers)

    async def back_home(self, incoming: Incoming) -> Reply:
        """For the address that a form leaves behind, when somebody opens it once more."""
        return self._home()

    def error_page(self, scope: Scope, problem: Problem) -> Document | None:
        """A page instead of a problem, for whoever asks for one anywhere but in the API."""
        asks = any("text/html" in accepted for accepted in all_values(scope["headers"], b"accept"))
        if not asks or scope["path"].startswith(f"{self.base_path}/"):
            return None
        code, request_id = str(problem.body["code"]), problem.body.get("request_id")
        title, text = words.FAILURES.get(code, (str(problem.body["title"]), str(problem.body["detail"])))
        failure = Failure(problem.status, title, text, str(request_id) if request_id else None)
        return _document(self.pages.failure(failure))

    async def _signed_in(self, incoming: Incoming, password: Form | None = None) -> Reply:
        claims = self.api.credentials.claims(incoming.headers)

        def load() -> tuple[User, list[Session]]:
            _, user = account.who_am_i(self.api.context, claims)
            return user, ending.list_sessions(self.api.context, claims)

        user, sessions = await self.api.storing.run(load)
        view = self._account(claims, user, sessions, password or Form())
        return Reply(content=_document(self.pages.signed_in(view)))

    async def _not_signed_in(self, incoming: Incoming) -> Reply:
        credentials = self.api.credentials
        token = credentials.presented_session(incoming.headers)
        if token is None:
            # A page opened from another site comes without the refresh cookie: nobody knows yet whether there is one.
            withheld = single_value(incoming.headers, b"sec-fetch-site") == "cross-site"
            return self._forms(asking=withheld and credentials.refresh_cookie(incoming.headers) is None)
        try:
            session = await self.api.storing.run(lambda: ending.session_of(self.api.context, token))
        except SessionEnded as ended:
            return self._forms(words.ENDED[ended.reason])
        except RefreshTokenInvalid:
            return self._forms()
        if session.delivery is Delivery.COOKIE:
            return self._forms(asking=True)
        return self._forms(words.ELSEWHERE)

    def _forms(self, notice: Notice | None = None, *, asking: bool = False) -> Reply:
        view = SignedOut(sign_up=self._empty_sign_up(), notice=notice)
        return Reply(content=_document(self.pages.moment(view) if asking else self.pages.signed_out(view)))

    def _sign_up_again(self, form: Form) -> SignedOut:
        if not self.api.context.registration_open:
            return SignedOut(Form(alert=form.alert))
        return SignedOut(sign_up=form)

    def _empty_sign_up(self) -> Form | None:
        return Form() if self.api.context.registration_open else None

    async def _opened(
        self, open_session: Callable[[], Awaitable[Grant]], again: Callable[[Form], SignedOut], incoming: Incoming
    ) -> Reply:
        """Home with the new session's cookies; or the form again, with what is wrong."""
        try:
            grant = await open_session()
        except KeyturnError as error:
            problem = _told_in_the_form(error)
            page = self.pages.signed_out(again(_filled_in(incoming.form, error)))
            return Reply(problem.status, _document(page), headers=problem.headers)
        return self._home(*self.api.cookies(grant), *self.api.device_cookies(incoming, grant))

    async def _done(self, incoming: Incoming, flow: Callable[[AccessClaims], object], *cookies: str) -> Reply:
        """Home, after a flow of whoever is signed in; just home if nobody is, or not at the moment."""
        validated(NoFields, incoming.form)
        try:
            claims = self.api.credentials.claims(incoming.headers)
            await self.api.storing.run(lambda: flow(claims))
        except (AccessTokenMissing, AccessTokenInvalid):
            return self._home()
        return self._home(*cookies)

    def _home(self, *cookies: str) -> Reply:
        return Reply(303, headers={"location": HOME}, cookies=cookies)

    def _account(self, claims: AccessClaims, user: User, sessions: list[Session], password: Form) -> SignedIn:
        policy = self.api.context.policy
        answers = [session_answer(row, policy, current=row.id == claims.session_id) for row in sessions]
        return SignedIn(
            email=user.email,
            username=user.username,
            full_name=user.full_name,
            roles=user.roles,
            member_since=user_answer(user)["created_at"],
            devices=[
                Device(one["id"], one["device"], one["address"], one["created_at"], one["last_used_at"], one["current"])
                for one in sorted(answers, key=lambda one: not one["current"])
            ],
            password=password,
            expires_in=(claims.expires_at * SECOND - self.api.context.clock.now()) / SECOND,
        )


def _told_in_the_form(error: KeyturnError) -> Problem:
    """What a form is answered with; a fault of ours is no business of a form."""
    problem = problem_of(error)
    if problem.status >= 500 and "retry-after" not in problem.headers:
        raise error
    return problem


def _filled_in(typed: Mapping[str, str], error: KeyturnError) -> Form:
    """The form once more: what was typed, but no password, and what is wrong."""
    match error:
        case InvalidInput():
            problems = [(error.field, str(error))]
        case InvalidRequest():
            problems = list(error.fields)
        case EmailTaken():
            problems = [("email", str(error))]
        case CurrentPasswordWrong():
            problems = [("current_password", str(error))]
        case _:
            problems = []
    fields = {field: message for field, message in problems if field in _FIELDS}
    others = [f"{field}: {message}" for field, message in problems if field not in _FIELDS]
    alert = " ".join(others) if problems else str(error)
    return Form({name: typed[name] for name in _REPEATED if name in typed}, fields, alert or None)


def _document(html: str) -> Document:
    return Document(html, _PAGE_HEADERS)
