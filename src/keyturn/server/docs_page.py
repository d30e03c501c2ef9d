"""The description of the API: as JSON, and at `/docs` as a page for people, without scripts."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from keyturn.http.security import PAGE_POLICY
from keyturn.server.app import Page


def docs_pages(describe: Callable[[], dict[str, Any]]) -> list[Page]:
    """The document, its page and the page's stylesheet; each is made once, when somebody first asks for it.

    Args:
        describe: makes the OpenAPI document.
    """
    description = cache(describe)

    return [
        Page("/openapi.json", cache(lambda: json.dumps(description())), "application/json"),
        Page("/docs", cache(lambda: _rendered("docs.html", api=description())), "text/html", PAGE_POLICY),
        Page("/docs.css", cache(lambda: _rendered("docs.css")), "text/css"),
    ]


def _rendered(template: str, **values: object) -> str:
    return _templates().get_template(template).render(values)


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("keyturn.server"), autoescape=True, undefined=StrictUndefined)
