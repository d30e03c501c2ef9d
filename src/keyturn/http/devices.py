"""A device in words a user recognises, from what its browser says of itself."""

from __future__ import annotations

import re

from keyturn.core.model import Device
from keyturn.http.headers import Headers

_MAX_LENGTH = 80

# The first that matches counts: nearly every browser also claims to be Chrome, Safari and Mozilla.
_PROGRAMS = (
    ("Edge", re.compile(r"\bEdg(e|A|iOS)?/")),
    ("Opera", re.compile(r"\b(OPR|Opera)/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Firefox", re.compile(r"\b(Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(Chrome|CriOS|HeadlessChrome)/")),
    ("Safari", re.compile(r"\bSafari/")),
)
_SYSTEMS = (
    ("iPhone", re.compile(r"\biPhone\b")),
    ("iPad", re.compile(r"\biPad\b")),
    ("Android", re.compile(r"\bAndroid\b")),
    ("Windows", re.compile(r"\bWindows\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("macOS", re.compile(r"\bMac OS X\b|\bMacintosh\b")),
    ("Linux", re.compile(r"\bLinux\b|\bX11\b")),
)


def device_of(headers: Headers, address: str) -> Device:
    """The device that sent a request.

    Args:
        headers: of the request.
        address: the client's.
    """
    agent = headers.single(b"user-agent") or ""
    program = next((name for name, pattern in _PROGRAMS if pattern.search(agent)), None)
    system = next((name for name, pattern in _SYSTEMS if pattern.search(agent)), None)
    if program is None:
        # No browser: the first product it names, such as "curl/8.5.0".
        token = re.match(r"[A-Za-z0-9._/+-]+", agent)
        program = token.group()[:_MAX_LENGTH] if token else "Unknown device"
    return Device(f"{program} on {system}" if system else program, address)
