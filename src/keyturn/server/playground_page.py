"""`/playground`: the protocol as a page to play with, and the calls that it makes. They show verdicts; no real answer does."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Annotated, cast

from pydantic import Field, SecretStr

from keyturn.core.model import SECOND, RefreshToken
from keyturn.errors import NotFound, Overloaded, RefreshTokenInvalid
from keyturn.http.security import SITE_POLICY
from keyturn.server.app import Page
from keyturn.server.calls import Call, Incoming, Reply
from keyturn.server.lanes import Lane
from keyturn.server.playground import (
    MAX_STEP_SECONDS,
    POLICY,
    Playground,
    Verdict,
    Visit,
    is_accepted,
    lose_writes,
    present,
)
from keyturn.server.schemas import JSON, Body
from keyturn.service.context import Grant
from keyturn.web.assets import load_assets, media_type
from keyturn.web.words import ENDED

_FILES = ("playground.html", "playground.css", "playground.js", "playground-graph.js", "playground-words.js")

Id = Annotated[str, Field(max_length=64)]
Token = Annotated[SecretStr, Field(max_length=4096)]


class RefreshInVisit(Body):
    visit: Id
    refresh_token: Token
    lose_answer: bool = False


class CallInVisit(Body):
    visit: Id
    access_token: Token


class InVisit(Body):
    visit: Id


class TimeInVisit(Body):
    visit: Id
    seconds: Annotated[int, Field(ge=0, le=MAX_STEP_SECONDS)]


@dataclass(frozen=True, slots=True)
class PlaygroundApi:
    """The handlers of the page's calls.

    Attributes:
        playground: the world.
        lane: where its flows run.
    """

    playground: Playground
    lane: Lane

    async def begin(self, incoming: Incoming) -> Reply:
        """A new visit, signed in."""
        visit, signed_in = self.playground.open()
        return Reply(201, {"visit": visit.id, "tokens": _tokens(signed_in), "session": _session(visit)})

    async def refresh(self, incoming: Incoming) -> Reply:
        """Present a refresh token. A refusal is a verdict like the others here, and no error."""
        body = cast(RefreshInVisit, incoming.body)
        visit, raw = self.playground.find(body.visit), body.refresh_token.get_secret_value()
        verdict = await self.lane.run(
            lambda: present(visit, raw, incoming.received_at, lose_answer=body.lose_answer),
        )
        return Reply(content={**_verdict(verdict), "session": _session(visit)})

    async def call(self, incoming: Incoming) -> Reply:
        """What a resource server would answer to an access token."""
        body = cast(CallInVisit, incoming.body)
        visit = self.playground.find(body.visit)
        return Reply(content={"accepted": is_accepted(visit, body.access_token.get_secret_value())})

    async def let_time_pass(self, incoming: Incoming) -> Reply:
        """Push the visit's clock."""
        body = cast(TimeInVisit, incoming.body)
        visit = self.playground.find(body.visit)
        visit.clock.push(body.seconds)
        return Reply(content={"session": _session(visit)})

    async def lose_writes(self, incoming: Incoming) -> Reply:
        """Let the visit's database lose what was written since the sign-in."""
        visit = self.playground.find(cast(InVisit, incoming.body).visit)
        await self.lane.run(lambda: lose_writes(visit))
        return Reply(content={"session": _session(visit)})


def playground_calls(api: PlaygroundApi) -> list[Call]:
    """What the page calls. None of it is in the description of the API: nobody is to build on it."""
    base = "/playground/api"
    refusals = (NotFound, RefreshTokenInvalid, Overloaded)
    return [
        Call("POST", f"{base}/visits", "Begin a visit", api.begin, status=201),
        Call("POST", f"{base}/refresh", "Present a refresh token", api.refresh, body=RefreshInVisit, errors=refusals),
        Call("POST", f"{base}/call", "Use an access token", api.call, body=CallInVisit, errors=(NotFound,)),
        Call("POST", f"{base}/time", "Let time pass", api.let_time_pass, body=TimeInVisit, errors=(NotFound,)),
        Call("POST", f"{base}/lost-writes", "Lose writes", api.lose_writes, body=InVisit, errors=(NotFound,)),
    ]


def playground_pages() -> list[Page]:
    """The page, its stylesheet and its scripts."""
    folder = files("keyturn.server").joinpath("templates")
    logo = next(asset for asset in load_assets() if asset.name == "logo.svg")
    return [
        Page("/playground.svg", logo.content, logo.media_type),
        *(
            Page(
                f"/{name.removesuffix('.html')}",
                folder.joinpath(name).read_text("utf-8"),
                media_type(name),
                SITE_POLICY,
            )
            for name in _FILES
        ),
    ]


def _tokens(grant: Grant) -> JSON:
    return {"access_token": grant.access_token, "refresh_token": grant.refresh_token}


def _verdict(verdict: Verdict) -> JSON:
    return {
        "verdict": verdict.verdict,
        "rule": verdict.rule,
        "when": verdict.when,
        "then": verdict.then,
        "presented": _token(verdict.presented),
        "given": _token(verdict.given) if verdict.given is not None else None,
        "tokens": _tokens(verdict.grant) if verdict.grant is not None else None,
    }


def _token(token: RefreshToken) -> JSON:
    return {"id": token.id, "parent_id": token.parent_id, "generation": token.generation}


def _session(visit: Visit) -> JSON:
    """The row, as only a playground shows it. Times are seconds since the epoch."""
    row, reason = visit.row(), visit.end()
    return {
        "now": visit.clock.now() / SECOND,
        "window": POLICY.window / SECOND,
        "idle_lifetime": POLICY.idle_lifetime / SECOND,
        "generation": row.generation,
        "root_id": row.root_id,
        "previous_id": row.previous_id,
        "child_id": row.child_id,
        "root_at": row.root_at / SECOND if row.root_at is not None else None,
        "child_at": row.child_at / SECOND,
        "idle_expires_at": row.idle_expires_at / SECOND,
        "ended": {"reason": reason, "words": ENDED[reason].why} if reason is not None else None,
    }
