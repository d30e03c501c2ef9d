"""`/docs`: the description of the API as a page for people, without scripts."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def docs_page(description: dict[str, Any]) -> str:
    """The page, as HTML.

    Args:
        description: the OpenAPI document.
    """
    templates = Environment(loader=PackageLoader("keyturn.server"), autoescape=True, undefined=StrictUndefined)
    return templates.get_template("docs.html").render(api=description)
