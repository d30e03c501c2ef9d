"""A real browser. Whatever its pages complain about fails the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright
from tests.support.server import LiveServer
from tests.support.tours import serve_tours

_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# Seconds matter to nobody here, and a machine may be busy.
_PATIENCE = 60_000
expect.set_options(timeout=_PATIENCE)

OpenBrowser = Callable[..., Page]
Elsewhere = Callable[[str], str]


class _OtherSite(BaseHTTPRequestHandler):
    """A page with a link and a form to the address in its query."""

    def do_GET(self) -> None:
        target = self.path.partition("?")[2]
        page = f'<a href="{target}">there</a><form method="post" action="{target}"><button>there</button></form>'
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    """The address of a page of another site (`localhost`, where Keyturn is at 127.0.0.1) that leads to an address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _OtherSite) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield lambda target: f"http://localhost:{server.server_port}/?{target}"
        server.shutdown()
        thread.join(10)


@pytest.fixture
def tours(tmp_path: Path) -> Iterator[LiveServer]:
    """The example of tours."""
    with serve_tours(tmp_path) as server:
        yield server


# Playwright runs an event loop in the thread of the tests, where others would start theirs: it must be gone by then.
@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[..., Browser]]:
    """Starts the system's Chromium, with more switches if need be."""
    with sync_playwright() as playwright:
        browsers: list[Browser] = []

        def launched(*switches: str, **options: Any) -> Browser:
            browsers.append(
                playwright.chromium.launch(executable_path="/usr/bin/chromium", args=[*_QUIET, *switches], **options)
            )
            return browsers[-1]

        yield launched
        for browser in browsers:
            browser.close()


@pytest.fixture(scope="module")
def chromium(launch: Callable[..., Browser]) -> Browser:
    return launch()


@pytest.fixture(scope="module")
def chromium_that_remembers(launch: Callable[..., Browser]) -> Browser:
    """With the back/forward cache, as people have it."""
    return launch(ignore_default_args=["--disable-back-forward-cache"])


@pytest.fixture
def open_browser(chromium: Browser) -> Iterator[OpenBrowser]:
    """Opens a browser with cookies of its own, and a page in it."""
    yield from _opening(chromium)


@pytest.fixture
def open_scriptless_browser(launch: Callable[..., Browser]) -> Iterator[OpenBrowser]:
    """The same with scripts switched off as a user does it, so that <noscript> is shown."""
    yield from _opening(launch("--blink-settings=scriptEnabled=false"))


def _opening(browser: Browser) -> Iterator[OpenBrowser]:
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # An answer of 4xx and a server that is away are what some tests are about.
        if message.type in {"error", "warning"} and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def opened(**options: Any) -> Page:
        context = browser.new_context(**options)
        context.set_default_timeout(_PATIENCE)
        context.on("console", note)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        contexts.append(context)
        return context.new_page()

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
