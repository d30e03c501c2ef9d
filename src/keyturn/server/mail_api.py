"""The calls for forgotten passwords and for the verification of addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from keyturn.http.devices import device_of
from keyturn.server.api import Api
from keyturn.server.calls import Incoming, Reply
from keyturn.server.schemas import ForgotBody, ResetBody
from keyturn.service import recovery


@dataclass(frozen=True, slots=True)
class MailApi:
    """The handlers of these calls.

    Attributes:
        api: the handlers of the others, whose parts they share.
    """

    api: Api

    async def send_verification(self, incoming: Incoming) -> Reply:
        claims = self.api.credentials.claims(incoming.headers)
        address = incoming.client.address
        await self.api.storing.run(lambda: recovery.send_verification(self.api.context, claims, address))
        return Reply(202)

    async def verify_email(self, incoming: Incoming) -> Reply:
        token = incoming.path["token"]
        await self.api.storing.run(lambda: recovery.verify_email(self.api.context, token))
        return Reply(204)

    async def forgot_password(self, incoming: Incoming) -> Reply:
        email, address = cast(ForgotBody, incoming.body).email, incoming.client.address
        await self.api.storing.run(lambda: recovery.forgot_password(self.api.context, email, address))
        return Reply(202)

    async def reset_password(self, incoming: Incoming) -> Reply:
        body, device = cast(ResetBody, incoming.body), device_of(incoming.headers, incoming.client.address)
        token, new = body.token.get_secret_value(), body.new_password.get_secret_value()
        await self.api.hashing.run(lambda: recovery.reset_password(self.api.context, token, new, device))
        return Reply(204)
