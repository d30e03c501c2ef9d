"""Learning what other processes decided: by a look every second, and at once where the database says that there is something."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import anyio
import anyio.to_thread

from keyturn.ports import Announcing
from keyturn.server.lanes import Lane
from keyturn.service.context import Context

FOLLOW_SECONDS = 1.0
"""How often ends that another process decided are learned, whatever is heard or not."""

GAP_SECONDS = 0.1
"""How long news is gathered before the next look at the latest, however many sessions end."""


class Follower:
    """Keeps the revocations of a server up to date.

    Args:
        context: with the database and the revocations.
        lane: where the database is read.
    """

    def __init__(self, context: Context, lane: Lane) -> None:
        self._revocations = context.revocations
        self._database = context.database
        self._lane = lane
        self._told = asyncio.Event()
        self._listener = anyio.CapacityLimiter(1)

    async def look(self) -> None:
        """Learn of all that has been decided by now.

        Raises:
            StoreUnavailable, Overloaded
        """
        self._told.clear()
        await self._lane.run(lambda: self._revocations.follow(self._database))

    async def pause(self) -> None:
        """Wait until the next look is due."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._told.wait(), FOLLOW_SECONDS)

    async def listen(self) -> None:
        """Make every piece of news a reason to look, if the database has a way to tell any.

        Raises:
            StoreUnavailable: nothing is heard any more; call again.
        """
        while isinstance(self._database, Announcing):
            # The database lets go of whoever waits when it is closed.
            await anyio.to_thread.run_sync(self._database.wait_for_news, limiter=self._listener, abandon_on_cancel=True)
            self._told.set()
            await asyncio.sleep(GAP_SECONDS)
