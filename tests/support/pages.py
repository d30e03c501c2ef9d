"""People who use the pages: what they type and click, without scripts, and what they read."""

from __future__ import annotations

import html
import re
from typing import Any

import httpx2
from tests.support.client import EMAIL, PASSWORD, Browser

ACCESS, REFRESH = "keyturn_access", "keyturn_refresh"
NAVIGATION = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-mode": "navigate"}


class Person(Browser):
    """Opens pages and sends forms, as a browser does; does not follow redirects."""

    def open(self, path: str = "/", *, site: str = "none", **more: Any) -> httpx2.Response:
        """Go to an address.

        Args:
            site: what the browser says of where the navigation comes from.
        """
        return self.get(path, headers={**NAVIGATION, "sec-fetch-site": site}, **more)

    def submit(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> httpx2.Response:
        """Send a form."""
        return self.post(path, data=fields, headers={**NAVIGATION, **(headers or {})})

    def sign_up(self, email: str = EMAIL, password: str = PASSWORD, **more: str) -> None:
        assert is_home(self.submit("/sign-up", email=email, password=password, **more))

    def sign_in(self, login: str = EMAIL, password: str = PASSWORD, **more: str) -> None:
        assert is_home(self.submit("/sign-in", login=login, password=password, **more))

    def forget(self, cookie: str) -> None:
        """Lose a cookie, as when it has expired."""
        self.cookies.delete(cookie)


def is_home(answer: httpx2.Response, saved: str | None = None) -> bool:
    """Whether a form was answered with the way to the first page.

    Args:
        saved: what that page is to say was changed.
    """
    first = f"/?saved={saved}" if saved else "/"
    return (answer.status_code, answer.headers.get("location")) == (303, first)


def kind_of(answer: httpx2.Response) -> str:
    """Which page it is: signed-in, signed-out, moment or plain."""
    found = re.search(r'<html lang="en-GB" data-page="([a-z-]+)"', answer.text)
    assert found, answer.text
    return found[1]


def words_of(answer: httpx2.Response) -> str:
    """What a person reads, in one line; what stands in boxes as well."""
    boxes = re.sub(r'<input[^>]* value="([^"]*)"[^>]*>', r" \1 ", answer.text)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", boxes)).split())
