"""What a session is called, from what the browser says of itself."""

from __future__ import annotations

import pytest

from keyturn.core.model import Device
from keyturn.http.devices import device_of
from keyturn.http.headers import Headers

BROWSERS = {
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": "Firefox on Linux",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36": (
        "Chrome on Windows"
    ),
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 "
    "Edg/156.0.0.0": "Edge on Windows",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 "
    "OPR/120.0.0.0": "Opera on Windows",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 "
    "Safari/605.1.15": "Safari on macOS",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 "
    "Mobile/15E148 Safari/604.1": "Safari on iPhone",
    "Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/156.0.0.0 "
    "Mobile/15E148 Safari/604.1": "Chrome on iPad",
    "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile "
    "Safari/537.36": "Chrome on Android",
    "Mozilla/5.0 (Linux; Android 16; SM-S938B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0 "
    "Chrome/136.0.0.0 Mobile Safari/537.36": "Samsung Internet on Android",
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36": (
        "Chrome on ChromeOS"
    ),
}


def device(*agents: bytes) -> Device:
    return device_of(Headers([(b"user-agent", agent) for agent in agents]), "203.0.113.7")


@pytest.mark.parametrize("agent", BROWSERS, ids=BROWSERS.values())
def test_a_browser_is_named_as_its_user_knows_it(agent: str) -> None:
    assert device(agent.encode()) == Device(BROWSERS[agent], "203.0.113.7")


@pytest.mark.parametrize(
    ("agent", "label"),
    [
        ("curl/8.5.0", "curl/8.5.0"),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("MyApp/2.1 (Android 16)", "MyApp/2.1 on Android"),
        ("MyApp/2.1 (+https://example.com)", "MyApp/2.1"),
        ("x" * 500, "x" * 80),
    ],
)
def test_another_program_is_called_what_it_names_first(agent: str, label: str) -> None:
    assert device(agent.encode()).label == label


@pytest.mark.parametrize(
    "agent", [b"", b"<script>alert(1)</script>", b"\xff\xfe", b"\x1b[31mred", b" ", b"(only a comment)"]
)
def test_what_names_no_program_is_unknown(agent: bytes) -> None:
    assert device(agent).label == "Unknown device"


def test_none_and_two_are_as_good_as_nothing() -> None:
    assert device().label == "Unknown device"
    assert device(b"curl/8.5.0", b"curl/8.5.0").label == "Unknown device"


@pytest.mark.parametrize(
    "agent", [b"curl/8.5.0\r\nSet-Cookie: x", b"curl/8.5.0\x1b[2J", b'curl"><b>', "curl\u2028".encode()]
)
def test_nothing_but_the_name_of_the_program_gets_into_a_label(agent: bytes) -> None:
    assert device(agent).label in {"curl/8.5.0", "curl"}
