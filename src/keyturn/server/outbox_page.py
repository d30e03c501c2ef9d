"""The mails that were kept instead of sent, on a page, in development."""

from __future__ import annotations

from dataclasses import dataclass

from keyturn.server.answers import document
from keyturn.server.calls import Call, Incoming, Reply
from keyturn.server.lanes import Lane
from keyturn.server.outbox import Outbox
from keyturn.web.pages import Pages

PATH = "/outbox"
SHOWN = 50


@dataclass(frozen=True, slots=True)
class OutboxPage:
    """The page.

    Attributes:
        outbox: where the mails are.
        pages: renders.
        storing: where files are read.
    """

    outbox: Outbox
    pages: Pages
    storing: Lane

    @property
    def call(self) -> Call:
        return Call("GET", PATH, "The mails that were kept instead of sent", self.show)

    async def show(self, incoming: Incoming) -> Reply:
        kept = await self.storing.run(lambda: self.outbox.newest(SHOWN))
        return Reply(content=document(self.pages.outbox(kept), referrer="no-referrer"))
