"""`/docs`: the description of the API as a page for people, without scripts."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from keyturn.http.security import PAGE_POLICY


def docs_page(description: dict[str, Any]) -> ASGIApp:
    """An endpoint that answers the page.

    Args:
        description: the OpenAPI document.
    """
    templates = Environment(loader=PackageLoader("keyturn.server"), autoescape=True, undefined=StrictUndefined)
    page = templates.get_template("docs.html").render(api=description)

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"content-security-policy": PAGE_POLICY}
        await Response(page, headers=headers, media_type="text/html")(scope, receive, send)

    return endpoint
