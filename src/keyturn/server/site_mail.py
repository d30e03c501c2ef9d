"""The pages that links in mails lead to. Opening one does nothing, for mail scanners follow links: the button on it does.

The token is in the path: what stands behind a `#` would never reach a server, but only a script could read it, and these pages
work without scripts. So it is good once and not for long, the log has the route instead of the path, and the page tells nobody
where it was (`Referrer-Policy: no-referrer`), not even us: browsers send its form with `Origin: null` then, and
`Sec-Fetch-Site` says that it is ours.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from keyturn.core.model import Purpose, User
from keyturn.errors import KeyturnError, OneTimeTokenInvalid, TokenError
from keyturn.http.devices import device_of
from keyturn.server.answers import document, filled_in, home, refused
from keyturn.server.api import Api
from keyturn.server.calls import Incoming, Reply, validated
from keyturn.server.forms import ForgotForm, LinkForm, ResetForm
from keyturn.service import recovery
from keyturn.service.one_time import owner_of
from keyturn.web.pages import Pages
from keyturn.web.views import Form, MailLink

CHANGED = "password_set"
"""Why somebody comes to the sign-in page who has just set a new password."""


@dataclass(frozen=True, slots=True)
class MailPages:
    """The handlers of these pages.

    Attributes:
        api: the handlers of the API, whose parts they share.
        pages: renders.
    """

    api: Api
    pages: Pages

    async def forgot(self, incoming: Incoming) -> Reply:
        return Reply(content=document(self.pages.forgot(Form())))

    async def send_reset(self, incoming: Incoming) -> Reply:
        """Says the same whoever asks, and for whomever."""
        try:
            email = validated(ForgotForm, incoming.form).email
            address = incoming.client.address
            await self.api.storing.run(lambda: recovery.forgot_password(self.api.context, email, address))
        except KeyturnError as error:
            again = document(self.pages.forgot(filled_in(incoming.form, error)))
            return refused(Reply(content=again), error)
        return Reply(content=document(self.pages.forgot(Form(), sent=True)))

    async def reset(self, incoming: Incoming) -> Reply:
        async def change() -> Reply:
            form, device = validated(ResetForm, incoming.form), device_of(incoming.headers, incoming.client.address)
            new = form.new_password.get_secret_value()
            await self.api.hashing.run(lambda: recovery.reset_password(self.api.context, form.token, new, device))
            return home(reason=CHANGED)

        return await self._done(incoming, Purpose.RESET_PASSWORD, change)

    async def verify(self, incoming: Incoming) -> Reply:
        async def change() -> Reply:
            token = validated(LinkForm, incoming.form).token
            owner = await self._owner(Purpose.VERIFY_EMAIL, token)
            if instead := self._of_another_account(incoming, token, owner):
                return self._shown(instead, 403)
            await self.api.storing.run(lambda: recovery.verify_email(self.api.context, token))
            return self._shown(MailLink(Purpose.VERIFY_EMAIL, done=True))

        return await self._done(incoming, Purpose.VERIFY_EMAIL, change)

    async def end_sessions(self, incoming: Incoming) -> Reply:
        async def change() -> Reply:
            token = validated(LinkForm, incoming.form).token
            await self.api.storing.run(lambda: recovery.end_sessions_by_mail(self.api.context, token))
            return self._shown(MailLink(Purpose.END_SESSIONS, done=True))

        return await self._done(incoming, Purpose.END_SESSIONS, change)

    async def opened(self, incoming: Incoming, purpose: Purpose) -> Reply:
        """The page of a link, which only looks."""
        token = incoming.path["token"]
        try:
            owner = await self._owner(purpose, token)
        except OneTimeTokenInvalid:
            return self._shown(MailLink(purpose, stale=True), 403)
        instead = self._of_another_account(incoming, token, owner) if purpose is Purpose.VERIFY_EMAIL else None
        return self._shown(instead or MailLink(purpose, token))

    async def _owner(self, purpose: Purpose, token: str) -> User:
        return await self.api.storing.run(lambda: owner_of(self.api.context, purpose, token))

    def _of_another_account(self, incoming: Incoming, token: str, owner: User) -> MailLink | None:
        """What is shown where the browser is not signed in to the account that a mail was about. Whoever has the mailbox need not
        have made the account: with their address verified, a stranger's account would pass for theirs."""
        try:
            claims = self.api.credentials.claims(incoming.headers)
        except TokenError:
            return MailLink(Purpose.VERIFY_EMAIL, token, signed_out=True)
        return None if claims.subject == owner.id else MailLink(Purpose.VERIFY_EMAIL, somebody_else=True)

    async def _done(self, incoming: Incoming, purpose: Purpose, change: Callable[[], Awaitable[Reply]]) -> Reply:
        try:
            return await change()
        except OneTimeTokenInvalid:
            return self._shown(MailLink(purpose, stale=True), 403)
        except KeyturnError as error:
            link = MailLink(purpose, incoming.form.get("token", ""), form=filled_in(incoming.form, error))
            return refused(self._shown(link), error)

    def _shown(self, link: MailLink, status: int = 200) -> Reply:
        return Reply(status, document(self.pages.mail_link(link), referrer="no-referrer"))
