"""`/docs`: the description of the API as a page for people, without scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.types import Receive, Scope, Send

from keyturn.http.security import PAGE_POLICY
from keyturn.server.app import Located, Page


@dataclass(frozen=True)
class _Written:
    """A page that is written when somebody reads it first: a server starts sooner without.

    Attributes:
        page: writes it, once.
    """

    path: str
    page: Callable[[], Page]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.page()(scope, receive, send)


def docs_pages(description: dict[str, Any]) -> list[Located]:
    """The page and its stylesheet.

    Args:
        description: the OpenAPI document.
    """

    @cache
    def docs() -> Page:
        return Page("/docs", _rendered("docs.html", api=description), "text/html", PAGE_POLICY)

    @cache
    def style() -> Page:
        return Page("/docs.css", _rendered("docs.css"), "text/css")

    return [_Written("/docs", docs), _Written("/docs.css", style)]


def _rendered(template: str, **values: object) -> str:
    return _templates().get_template(template).render(values)


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("keyturn.server"), autoescape=True, undefined=StrictUndefined)
