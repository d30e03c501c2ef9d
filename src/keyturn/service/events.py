"""What happened, for the log: one structured event an action, in OWASP's logging vocabulary. Never a token or a password."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from keyturn.core.model import EndReason, Micros
from keyturn.service.context import Context

_log = logging.getLogger("keyturn.events")


def record(event: str, *, level: int = logging.INFO, **facts: object) -> None:
    """Log an event.

    Args:
        event: its name, such as `authn_login_success`.
        level: of `logging`.
        facts: ids, addresses, reasons; nothing secret.
    """
    write(_log, level, event, facts)


def write(log: logging.Logger, level: int, event: str, facts: Mapping[str, object]) -> None:
    """Log something that happens with every request: as `log.log`, without looking for the line of code that says it.

    Args:
        log: where to.
        level: of `logging`.
        event: what happened.
        facts: as in `record`.
    """
    if log.isEnabledFor(level):
        log.handle(log.makeRecord(log.name, level, "", 0, event, (), None, extra={"facts": facts}))


def announce_ends(context: Context, now: Micros, session_ids: Collection[str], reason: EndReason) -> None:
    """Make the access tokens of sessions that have ended worthless; log and count the ends. After the commit, never before."""
    context.revocations.add(session_ids, now)
    context.metrics.ended(reason, len(session_ids))
    for session_id in session_ids:
        record("session_ended", session=session_id, reason=reason)
