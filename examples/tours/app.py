"""The application, put together: its API, its pages, and Keyturn within."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from examples.tours.api import tours_api
from examples.tours.site import plain_pages, static_pages
from examples.tours.store import Store, seed
from fastapi import FastAPI

from keyturn.adapters.fastapi import KeyturnAuth
from keyturn.errors import EmailTaken
from keyturn.service.administration import find_account
from keyturn.service.register import NewUser, create_user

PEOPLE = {
    "guide@example.com": ("Gil Duarte", ("guide",)),
    "admin@example.com": ("Ana Moreira", ("admin",)),
    "guest@example.com": ("Greta Holm", ()),
}
PASSWORD = "a walk along the cliffs"
"""Of everybody in PEOPLE: this is an example."""


def create_app(auth: KeyturnAuth, database: Path) -> FastAPI:
    """The application.

    Args:
        auth: Keyturn, opened.
        database: the file of tours and bookings; with people and some tours, if it is new.
    """
    store = Store(database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with auth.lifespan(app):
            yield
        store.close()

    seed(store, _people(auth)["guide@example.com"])
    app = FastAPI(title="Tours", lifespan=lifespan, openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    app.include_router(tours_api(auth, store))
    app.include_router(static_pages())
    app.include_router(plain_pages(auth, store))
    auth.mount(app)
    return app


def _people(auth: KeyturnAuth) -> dict[str, str]:
    """The ids of the people of the example, by e-mail address."""
    context = auth.keyturn.context
    for email, (name, roles) in PEOPLE.items():
        try:
            create_user(context, NewUser(email, PASSWORD, full_name=name, roles=roles))
        except EmailTaken:
            continue
    return {email: find_account(context, email).user.id for email in PEOPLE}
