"""The pages: static ones with the browser client (delivery `split`), and a server-rendered twin (delivery `cookie`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from examples.tours.api import may_see_bookings, name_of
from examples.tours.store import Store
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from keyturn.adapters.fastapi import KeyturnAuth
from keyturn.core.model import AccessClaims
from keyturn.errors import AccessTokenInvalid, AccessTokenMissing, KeyturnError
from keyturn.web.words import ENDED

HERE = Path(__file__).parent
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    # A form's own origin is told to us, and nothing to anybody else.
    "referrer-policy": "same-origin",
}
PLAIN = "/plain"
MAX_FORM_BYTES = 16 * 1024
FILES = {"index.html": "/", "sign-in.html": "/sign-in"} | {
    name: f"/assets/{name}" for name in ("icon.svg", "tours.css", "tours.js", "sign-in.js", "words.js", "plain.js")
}


def static_pages() -> APIRouter:
    """The pages that use the browser client, and what they load."""
    router = APIRouter(include_in_schema=False)

    def served(name: str) -> Callable[[], FileResponse]:
        return lambda: FileResponse(HERE / "static" / name, headers={**HEADERS, "cache-control": "no-cache"})

    for name, path in FILES.items():
        router.add_api_route(path, served(name), methods=["GET"], name=name)
    return router


def in_words(reason: str) -> str:
    """Why a session ended, for people."""
    return ENDED[reason].why if reason in ENDED else "You are not signed in any more. Sign in to go on."


class Plain:
    """The twin: every page is made here, no token ever reaches a script."""

    def __init__(self, auth: KeyturnAuth, store: Store) -> None:
        self.auth = auth
        self.store = store
        templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
        templates.filters["day"] = lambda time: datetime.fromisoformat(time).strftime("%A, %d %B, %H:%M")
        self._render = lambda name, values: templates.get_template(name).render(values)

    def page(self, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
        html = self._render(template, {"error": None, "reason": None, "name": None, **values})
        return HTMLResponse(html, status, {**HEADERS, "cache-control": "no-store"})

    def session(self, request: Request) -> AccessClaims | None:
        """Whoever the access cookie names; none if there is no valid one at the moment."""
        try:
            return self.auth.keyturn.guard.session(request.method, request.scope["headers"])
        except (AccessTokenMissing, AccessTokenInvalid):
            return None

    async def home(self, request: Request, error: str | None = None, status: int = 200) -> Response:
        session = self.session(request)
        if session is None and self.auth.keyturn.cookies.refresh in request.cookies:
            # The access cookie has run out. A refresh has a time limit, so a script asks for it and never a redirect.
            return self.page("moment.html", page="moment")
        tours = await run_in_threadpool(self.store.tours)
        if session is None:
            return self.page("tours.html", status, page="signed-out", tours=tours, bookings=[], guests={}, error=error)
        user = await self.auth.keyturn.user(session)
        bookings = await run_in_threadpool(self.store.bookings_of_user, user.id)
        guests = {
            tour.id: await run_in_threadpool(self.store.bookings_of_tour, tour.id)
            for tour in tours
            if may_see_bookings(session, tour)
        }
        values = {"tours": tours, "bookings": bookings, "guests": guests, "name": name_of(user), "error": error}
        return self.page("tours.html", status, page="signed-in", **values)

    async def opened(self, template: str, open_session: Callable[[Response], Any]) -> Response:
        """The way home with the cookies of a new session, or the form again."""
        answer = back()
        try:
            await open_session(answer)
        except KeyturnError as error:
            return self.page(template, 422, page="form", error=str(error))
        return answer

    async def sign_in_form(self, reason: str | None = None) -> Response:
        return self.page("sign-in.html", page="form", reason=in_words(reason) if reason else None)

    async def sign_up_form(self) -> Response:
        return self.page("sign-up.html", page="form")

    async def sign_in(self, request: Request) -> Response:
        form = await fields(request)
        login, password = form.get("login", ""), form.get("password", "")
        return await self.opened("sign-in.html", lambda answer: self.auth.sign_in(request, answer, login, password))

    async def sign_up(self, request: Request) -> Response:
        form = await fields(request)
        email, password, name = form.get("email", ""), form.get("password", ""), form.get("full_name") or None
        return await self.opened(
            "sign-up.html", lambda answer: self.auth.sign_up(request, answer, email, password, name)
        )

    async def sign_out(self, request: Request) -> Response:
        answer = back()
        await self.auth.sign_out(request, answer)
        return answer

    async def book(self, request: Request) -> Response:
        session = self.session(request)
        if session is not None:
            form = await fields(request)
            name = name_of(await self.auth.keyturn.user(session))
            tour, seats = number(form, "tour"), number(form, "seats")
            if not await run_in_threadpool(self.store.book, tour, session.subject, name, seats):
                return await self.home(request, "There are not that many seats left.", 409)
        return back()

    async def cancel(self, request: Request) -> Response:
        session = self.session(request)
        if session is not None:
            await run_in_threadpool(self.store.cancel, number(await fields(request), "booking"), session.subject)
        return back()


def plain_pages(auth: KeyturnAuth, store: Store) -> APIRouter:
    """The twin's addresses."""
    router = APIRouter(prefix=PLAIN, include_in_schema=False)
    plain = Plain(auth, store)

    @router.get("")
    async def home(request: Request) -> Response:
        return await plain.home(request)

    router.add_api_route("/sign-in", plain.sign_in_form, methods=["GET"])
    router.add_api_route("/sign-up", plain.sign_up_form, methods=["GET"])
    for form in (plain.sign_in, plain.sign_up, plain.sign_out, plain.book, plain.cancel):
        router.add_api_route(f"/{form.__name__.replace('_', '-')}", form, methods=["POST"])
    return router


def back() -> Response:
    """The way to the first page, after a form."""
    return RedirectResponse(PLAIN, 303, HEADERS)


async def fields(request: Request) -> dict[str, str]:
    """What a form says (application/x-www-form-urlencoded)."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_FORM_BYTES:
            raise HTTPException(413, "This is too much for a form.")
    return dict(parse_qsl(data.decode(errors="replace")))


def number(form: dict[str, str], name: str) -> int:
    """A number from 1 on that a form says."""
    value = form.get(name, "")
    if not (value.isascii() and value.isdigit() and 0 < len(value) < 10 and int(value) > 0):
        raise HTTPException(422, f"{name} must be a number.")
    return int(value)
