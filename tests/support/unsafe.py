"""Every call of the account API that may change something, so that none is left out where all are tried."""

from __future__ import annotations

UNSAFE = (
    ("POST", "/register"),
    ("POST", "/login"),
    ("POST", "/refresh-token"),
    ("POST", "/logout"),
    ("POST", "/logout-all"),
    ("PATCH", "/me"),
    ("DELETE", "/me"),
    ("DELETE", "/sessions/x"),
    ("POST", "/password"),
    ("POST", "/password/forgot"),
    ("POST", "/password/reset"),
    ("POST", "/email"),
    ("POST", "/email/verification"),
    ("POST", "/email/verification/x"),
    ("POST", "/providers/x/connect"),
    ("DELETE", "/identities/x"),
)
"""Method and path; x stands for whatever is in the path."""
