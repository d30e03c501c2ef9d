"""The contract's application, made with the FastAPI adapter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import Depends, FastAPI
from tests.contract.adapters.cases import METHODS

from keyturn.adapters.fastapi import KeyturnAuth
from keyturn.core.model import AccessClaims, User
from keyturn.server.embedded import Embedded
from keyturn.server.settings import Settings
from keyturn.service.context import Context


def fastapi_app(settings: Settings, context: Context) -> FastAPI:
    auth = KeyturnAuth(Embedded(settings, context))
    # Where Keyturn describes itself, the tests would hold every answer against that.
    app = FastAPI(lifespan=auth.lifespan, openapi_url="/app/openapi.json")

    def guarded(path: str, dependency: Any) -> None:
        async def answer(who: AccessClaims | User | None = Depends(dependency)) -> dict[str, Any]:
            if isinstance(who, User):
                return {"subject": who.id, "roles": who.roles}
            return {"subject": who.subject, "roles": who.roles} if who is not None else {"subject": None, "roles": []}

        for method in METHODS:
            app.add_api_route(path, answer, methods=[method], name=f"{method} {path}", operation_id=f"{method}{path}")

    guarded("/guarded", auth.current_session)
    guarded("/guide", auth.require(roles={"guide", "admin"}))
    guarded("/both", auth.require(all_of={"guide", "admin"}))
    guarded("/recent", auth.require(max_age=timedelta(minutes=10)))
    guarded("/optional", auth.optional_session)
    guarded("/user", auth.current_user)
    auth.mount(app)
    return app
