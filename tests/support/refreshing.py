"""Refreshing without a server: a batch, and what its clients get."""

from __future__ import annotations

from collections.abc import Sequence

from keyturn.errors import KeyturnError
from keyturn.service.context import Context, Grant
from keyturn.service.refresh import Outcome, Presented, grant_of, refresh_many


def refreshed(context: Context, batch: Sequence[Presented]) -> list[Grant | KeyturnError]:
    """For each presentation, in order: the grant, or the error for its client."""

    def answer(presented: Presented, outcome: Outcome) -> Grant | KeyturnError:
        try:
            return grant_of(context, presented, outcome)
        except KeyturnError as error:
            return error

    return [answer(*pair) for pair in zip(batch, refresh_many(context, batch), strict=True)]
