"""A service of somebody's that verifies access tokens: Starlette with one protected route.

Run by uvicorn; SECRET, ISSUER and REMEMBERED (how many verified tokens it remembers) are in the environment.
"""

from __future__ import annotations

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from keyturn import AccessTokenInvalid, Verifier

verifier = Verifier(
    issuer=os.environ["ISSUER"], keys=os.environ["SECRET"], cache_size=int(os.environ.get("REMEMBERED", "10000"))
)


async def me(request: Request) -> JSONResponse:
    """Who is asking?"""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        claims = verifier.verify(token if scheme == "Bearer" else "")
    except AccessTokenInvalid:
        return JSONResponse({"code": "access_token_invalid"}, 401)
    return JSONResponse({"sub": claims.subject})


app = Starlette(routes=[Route("/me", me)])
