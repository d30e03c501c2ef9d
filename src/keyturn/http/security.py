"""The headers that every answer carries."""

from __future__ import annotations

VARY = "Sec-Fetch-Site, Origin, Cookie, Authorization"

API_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""Nothing that the API answers is a page."""

SITE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Of the pages that people use: scripts and styles are files of ours, never text within a page."""

PAGE_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


def security_headers(*, secure: bool) -> list[tuple[bytes, bytes]]:
    """Headers for every answer, errors included.

    Args:
        secure: whether the issuer is https; then browsers are told to come back by https only.
    """
    headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"vary", VARY.encode()),
    ]
    if secure:
        headers.append((b"strict-transport-security", b"max-age=63072000; includeSubDomains"))
    return headers
