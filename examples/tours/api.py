"""The application's API: who may do what stands in the dependencies."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

from examples.tours.store import Store, Tour
from fastapi import APIRouter, Depends, HTTPException
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from keyturn.adapters.fastapi import KeyturnAuth
from keyturn.core.model import AccessClaims, User
from keyturn.errors import RoleMissing

Id = Annotated[int, Field(ge=1, lt=2**63)]
"""As SQLite counts rows."""


def _is_a_moment(text: str) -> str:
    datetime.fromisoformat(text)
    return text


class NewBooking(BaseModel):
    model_config = ConfigDict(extra="forbid")
    tour: int
    seats: Annotated[int, Field(ge=1, le=20)] = 1


class NewTour(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: Annotated[str, Field(min_length=1, max_length=100)]
    place: Annotated[str, Field(min_length=1, max_length=100)]
    summary: Annotated[str, Field(max_length=500)] = ""
    starts_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"), AfterValidator(_is_a_moment)]
    capacity: Annotated[int, Field(ge=1, le=500)]


def may_see_bookings(session: AccessClaims, tour: Tour) -> bool:
    """A guide those of their own tours, an admin all."""
    return "admin" in session.roles or ("guide" in session.roles and tour.guide == session.subject)


def name_of(user: User) -> str:
    return user.full_name or user.username or user.email


def tours_api(auth: KeyturnAuth, store: Store) -> APIRouter:
    """The calls below `/api/v1`."""
    router = APIRouter(prefix="/api/v1")
    _add_tours(router, auth, store)
    _add_bookings(router, auth, store)
    return router


def _add_tours(router: APIRouter, auth: KeyturnAuth, store: Store) -> None:
    staff = Depends(auth.require(roles={"guide", "admin"}))
    admin = Depends(auth.require(roles={"admin"}))
    # What cannot be taken back wants a password that was entered lately.
    admin_just_now = Depends(auth.require(roles={"admin"}, max_age=timedelta(minutes=10)))

    @router.get("/tours")
    def list_tours() -> list[dict[str, Any]]:
        return [asdict(tour) for tour in store.tours()]

    @router.post("/tours", status_code=201)
    def add_tour(new: NewTour, session: AccessClaims = admin) -> dict[str, int]:
        return {"id": store.add_tour(**new.model_dump(), guide=session.subject)}

    @router.delete("/tours/{tour_id}", status_code=204, dependencies=[admin_just_now])
    def remove_tour(tour_id: Id) -> None:
        if not store.remove_tour(tour_id):
            raise HTTPException(404, "There is no such tour.")

    @router.get("/tours/{tour_id}/bookings")
    def bookings_of_tour(tour_id: Id, session: AccessClaims = staff) -> list[dict[str, Any]]:
        tour = store.tour(tour_id)
        if tour is None:
            raise HTTPException(404, "There is no such tour.")
        if not may_see_bookings(session, tour):
            raise RoleMissing
        return [asdict(booking) for booking in store.bookings_of_tour(tour_id)]


def _add_bookings(router: APIRouter, auth: KeyturnAuth, store: Store) -> None:
    signed_in = Depends(auth.current_session)
    account = Depends(auth.current_user)

    @router.get("/bookings")
    def my_bookings(session: AccessClaims = signed_in) -> list[dict[str, Any]]:
        return [asdict(booking) for booking in store.bookings_of_user(session.subject)]

    @router.post("/bookings", status_code=201)
    def book(new: NewBooking, user: User = account) -> dict[str, str]:
        if store.tour(new.tour) is None:
            raise HTTPException(404, "There is no such tour.")
        if not store.book(new.tour, user.id, name_of(user), new.seats):
            raise HTTPException(409, "There are not that many seats left.")
        return {"status": "booked"}

    @router.delete("/bookings/{booking_id}", status_code=204)
    def cancel(booking_id: Id, session: AccessClaims = signed_in) -> None:
        if not store.cancel(booking_id, session.subject):
            raise HTTPException(404, "You have no such booking.")
