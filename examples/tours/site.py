"""The pages: static ones with the browser client (delivery `split`), and a server-rendered twin (delivery `cookie`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from examples.tours.api import may_see_bookings, name_of
from examples.tours.store import Store
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool

from keyturn.adapters.fastapi import KeyturnAuth
from keyturn.core.model import AccessClaims, User
from keyturn.errors import AccessTokenInvalid, AccessTokenMissing, KeyturnError
from keyturn.http.headers import Headers
from keyturn.http.problems import problem_of
from keyturn.web.words import ELSEWHERE, ENDED

HERE = Path(__file__).parent
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    # A form's own origin is told to us, and nothing to anybody else.
    "referrer-policy": "same-origin",
}
PLAIN = "/plain"
DONE = {
    "booked": "Booked. You find it below, and cancel it there.",
    "cancelled": "Cancelled.",
    "again": "You are signed in. What you had chosen is still there: book it now.",
}
"""What the first page says, by the code in its address."""
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
    """Why somebody is to sign in, for people."""
    if reason == "elsewhere":
        return f"{ELSEWHERE.why} {ELSEWHERE.advice}"
    return ENDED[reason].why if reason in ENDED else "You are not signed in any more. Sign in to go on."


def kept_of(values: Mapping[str, str]) -> dict[str, str]:
    """What somebody typed into a form of the twin, to be shown to them again: numbers only."""
    return {name: values[name] for name in ("tour", "seats", "booking") if is_number(values.get(name, ""))}


class Plain:
    """The twin: every page is made here, no token ever reaches a script."""

    def __init__(self, auth: KeyturnAuth, store: Store) -> None:
        self.auth = auth
        self.store = store
        templates = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
        templates.filters["day"] = lambda time: datetime.fromisoformat(time).strftime("%A, %-d %B, %H:%M UTC")
        templates.filters["query"] = urlencode
        self._render = lambda name, values: templates.get_template(name).render(values)

    def page(self, template: str, /, status: int = 200, **values: Any) -> HTMLResponse:
        shared = {"error": None, "notice": None, "name": None, "action": None, "kept": {}, "typed": {}}
        html = self._render(template, {**shared, **values})
        return HTMLResponse(html, status, {**HEADERS, "cache-control": "no-store"})

    async def who(self, request: Request) -> tuple[AccessClaims, User] | None:
        """Whoever the access cookie names; none if there is no valid one at the moment."""
        try:
            session = self.auth.keyturn.guard.session(request.method, Headers(request.scope["headers"]))
            return session, await self.auth.keyturn.user(session)
        except (AccessTokenMissing, AccessTokenInvalid):
            return None

    def may_be_signed_in(self, request: Request) -> bool:
        """Whether only the access cookie may have run out. A refresh has a time limit: a script asks for it, never a redirect."""
        return self.auth.keyturn.cookies.refresh in request.cookies

    async def home(self, request: Request, error: str | None = None, status: int = 200, **more: Any) -> Response:
        found = await self.who(request)
        if found is None and self.may_be_signed_in(request):
            return self.page("moment.html", page="moment", kept=kept_of(request.query_params))
        tours = await run_in_threadpool(self.store.tours)
        if found is None:
            return self.page("tours.html", status, page="signed-out", tours=tours, bookings=[], guests={}, error=error)
        session, user = found
        bookings = await run_in_threadpool(self.store.bookings_of_user, user.id)
        guests = {
            tour.id: await run_in_threadpool(self.store.bookings_of_tour, tour.id)
            for tour in tours
            if may_see_bookings(session, tour)
        }
        values = {"tours": tours, "bookings": bookings, "guests": guests, "name": name_of(user), "error": error, **more}
        return self.page("tours.html", status, page="signed-in", **values)

    async def show(self, request: Request) -> Response:
        """The first page, which says what was done, or shows again what was typed before a sign-in."""
        kept = kept_of(request.query_params)
        notice = DONE.get(request.query_params.get("done", "again" if "tour" in kept else ""))
        return await self.home(request, notice=notice, kept=kept)

    async def later(self, request: Request, form: dict[str, str]) -> Response:
        """For a form that came without a valid cookie: nothing that was typed is lost, and nothing is done yet."""
        # The script sends it again from a page of ours, so it must have come from one.
        self.auth.keyturn.guard.origins.check(request.method, Headers(request.scope["headers"]))
        kept = kept_of(form)
        if self.may_be_signed_in(request):
            return self.page("moment.html", page="moment", action=request.url.path, kept=kept)
        return RedirectResponse(f"{PLAIN}/sign-in?{urlencode({'reason': 'ended', **kept})}", 303, HEADERS)

    async def opened(self, template: str, open_session: Callable[[Response], Any], typed: dict[str, str]) -> Response:
        """The way home with the cookies of a new session, or the form again with what was typed but the password."""
        kept = kept_of(typed)
        answer = back(kept)
        try:
            await open_session(answer)
        except KeyturnError as error:
            status = problem_of(error).status
            return self.page(template, status, page="form", error=str(error), typed=typed, kept=kept)
        return answer

    async def sign_in_form(self, request: Request) -> Response:
        reason = request.query_params.get("reason")
        notice = in_words(reason) if reason else None
        return self.page("sign-in.html", page="form", notice=notice, kept=kept_of(request.query_params))

    async def sign_up_form(self, request: Request) -> Response:
        return self.page("sign-up.html", page="form", kept=kept_of(request.query_params))

    async def sign_in(self, request: Request) -> Response:
        form = await fields(request)
        login, password = form.get("login", ""), form.get("password", "")
        return await self.opened(
            "sign-in.html", lambda answer: self.auth.sign_in(request, answer, login, password), form
        )

    async def sign_up(self, request: Request) -> Response:
        form = await fields(request)
        email, password, name = form.get("email", ""), form.get("password", ""), form.get("full_name") or None
        return await self.opened(
            "sign-up.html", lambda answer: self.auth.sign_up(request, answer, email, password, name), form
        )

    async def sign_out(self, request: Request) -> Response:
        answer = back()
        await self.auth.sign_out(request, answer)
        return answer

    async def book(self, request: Request) -> Response:
        form = await fields(request)
        found = await self.who(request)
        if found is None:
            return await self.later(request, form)
        _, user = found
        tour, seats = number(form, "tour"), number(form, "seats")
        if not await run_in_threadpool(self.store.book, tour, user.id, name_of(user), seats):
            return await self.home(request, "There are not that many seats left.", 409, kept=kept_of(form))
        return back({"done": "booked"})

    async def cancel(self, request: Request) -> Response:
        form = await fields(request)
        found = await self.who(request)
        if found is None:
            return await self.later(request, form)
        _, user = found
        await run_in_threadpool(self.store.cancel, number(form, "booking"), user.id)
        return back({"done": "cancelled"})


def plain_pages(auth: KeyturnAuth, store: Store) -> APIRouter:
    """The twin's addresses."""
    router = APIRouter(prefix=PLAIN, include_in_schema=False)
    plain = Plain(auth, store)
    router.add_api_route("", plain.show, methods=["GET"])
    router.add_api_route("/sign-in", plain.sign_in_form, methods=["GET"])
    router.add_api_route("/sign-up", plain.sign_up_form, methods=["GET"])
    for form in (plain.sign_in, plain.sign_up, plain.sign_out, plain.book, plain.cancel):
        router.add_api_route(f"/{form.__name__.replace('_', '-')}", form, methods=["POST"])
    for left_behind in ("/sign-out", "/book", "/cancel"):
        router.add_api_route(left_behind, lambda: back(), methods=["GET"])
    return router


def back(query: Mapping[str, str] | None = None) -> Response:
    """The way to the first page, after a form."""
    return RedirectResponse(f"{PLAIN}?{urlencode(query)}" if query else PLAIN, 303, HEADERS)


async def fields(request: Request) -> dict[str, str]:
    """What a form says (application/x-www-form-urlencoded)."""
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_FORM_BYTES:
            raise HTTPException(413, "This is too much for a form.")
    return dict(parse_qsl(data.decode(errors="replace")))


def is_number(text: str) -> bool:
    """Whether a text is a number from 1 on."""
    return text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0


def number(form: Mapping[str, str], name: str) -> int:
    """A number from 1 on that a form says."""
    value = form.get(name, "")
    if not is_number(value):
        raise HTTPException(422, f"{name} must be a number.")
    return int(value)
