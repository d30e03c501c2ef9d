"""`/docs`: the description of the API as a page for people, without scripts."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from keyturn.http.security import PAGE_POLICY
from keyturn.server.app import Page


def docs_pages(description: dict[str, Any]) -> list[Page]:
    """The page and its stylesheet.

    Args:
        description: the OpenAPI document.
    """
    templates = _templates()
    return [
        Page("/docs", templates.get_template("docs.html").render(api=description), "text/html", PAGE_POLICY),
        Page("/docs.css", templates.get_template("docs.css").render(), "text/css"),
    ]


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("keyturn.server"), autoescape=True, undefined=StrictUndefined)
