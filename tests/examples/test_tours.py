"""The example of tours: who may do what, and that no seat is sold twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from examples.tours.app import PASSWORD
from tests.support.client import Browser
from tests.support.server import ROOT, LiveServer
from tests.support.tours import serve_tours
from tests.support.wire import free_port

EXPIRED = 601  # seconds after which no access token is good
TOUR = {"title": "By night", "place": "Porto", "summary": "", "starts_at": "2026-02-01T20:00:00Z", "capacity": 3}


@pytest.fixture
def tours(tmp_path: Path) -> Iterator[LiveServer]:
    with serve_tours(tmp_path) as server:
        yield server


class Caller(Browser):
    """Somebody who is signed in and calls the application."""

    def ask(self, method: str, path: str, json: Any = None) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        return self.request(method, f"/api/v1{path}", json=json, headers=headers)


@contextmanager
def caller(tours: LiveServer, who: str | None = None) -> Iterator[Caller]:
    with Caller(tours.url) as found:
        if who is not None:
            found.login(f"{who}@example.com", PASSWORD)
        yield found


def new_tour(tours: LiveServer, **changes: Any) -> int:
    """A tour of the admin's."""
    with caller(tours, "admin") as admin:
        return int(admin.ask("POST", "/tours", TOUR | changes).json()["id"])


@pytest.mark.parametrize("path", ["/tours/{}", "/bookings/{}"])
@pytest.mark.parametrize("number", [0, 2**63, 10**30, "x"], ids=str)
def test_a_number_that_no_row_can_have_is_refused(tours: LiveServer, path: str, number: object) -> None:
    with caller(tours, "admin") as admin:
        assert admin.ask("DELETE", path.format(number)).status_code == 422


def test_a_tour_on_a_day_that_does_not_exist_is_refused(tours: LiveServer) -> None:
    with caller(tours, "admin") as admin:
        assert admin.ask("POST", "/tours", TOUR | {"starts_at": "2026-02-31T20:00:00Z"}).status_code == 422
        assert admin.get("/plain").status_code == 200


def test_anybody_sees_the_tours_and_only_who_is_signed_in_books(tours: LiveServer) -> None:
    with caller(tours) as stranger, caller(tours, "guest") as guest:
        first, *_ = stranger.ask("GET", "/tours").json()
        refused = stranger.ask("POST", "/bookings", {"tour": first["id"]})
        assert (refused.status_code, refused.json()["code"]) == (401, "access_token_missing")
        assert guest.ask("POST", "/bookings", {"tour": first["id"], "seats": 2}).status_code == 201
        after, *_ = stranger.ask("GET", "/tours").json()
        assert after["left"] == first["left"] - 2
        assert [one["seats"] for one in guest.ask("GET", "/bookings").json()] == [2]


def test_a_guest_sees_and_cancels_only_their_own_bookings(tours: LiveServer) -> None:
    tour = new_tour(tours)
    with caller(tours, "guest") as guest, caller(tours) as other:
        other.register("other@example.com")
        guest.ask("POST", "/bookings", {"tour": tour})
        (booking,) = guest.ask("GET", "/bookings").json()
        assert other.ask("GET", "/bookings").json() == []
        assert other.ask("DELETE", f"/bookings/{booking['id']}").status_code == 404
        assert len(guest.ask("GET", "/bookings").json()) == 1
        assert guest.ask("DELETE", f"/bookings/{booking['id']}").status_code == 204
        assert guest.ask("GET", "/bookings").json() == []


def test_a_guide_sees_the_bookings_of_their_own_tours_an_admin_of_all_and_a_guest_of_none(tours: LiveServer) -> None:
    of_admin = new_tour(tours)
    with caller(tours, "guest") as guest, caller(tours, "guide") as guide, caller(tours, "admin") as admin:
        of_guide = next(one["id"] for one in guide.ask("GET", "/tours").json() if one["id"] != of_admin)
        for tour in (of_guide, of_admin):
            guest.ask("POST", "/bookings", {"tour": tour})
        assert [one["name"] for one in guide.ask("GET", f"/tours/{of_guide}/bookings").json()] == ["Greta Holm"]
        assert guide.ask("GET", f"/tours/{of_admin}/bookings").json()["code"] == "role_missing"
        assert [len(admin.ask("GET", f"/tours/{tour}/bookings").json()) for tour in (of_guide, of_admin)] == [1, 1]
        assert guest.ask("GET", f"/tours/{of_guide}/bookings").json()["code"] == "role_missing"


@pytest.mark.parametrize("who", ["guest", "guide"])
def test_only_an_admin_adds_and_deletes_tours(tours: LiveServer, who: str) -> None:
    tour = new_tour(tours)
    with caller(tours, who) as somebody, caller(tours, "admin") as admin:
        assert somebody.ask("POST", "/tours", TOUR).json()["code"] == "role_missing"
        assert somebody.ask("DELETE", f"/tours/{tour}").json()["code"] == "role_missing"
        assert admin.ask("DELETE", f"/tours/{tour}").status_code == 204
        assert tour not in [one["id"] for one in admin.ask("GET", "/tours").json()]


def test_deleting_a_tour_wants_a_password_that_was_entered_lately(tours: LiveServer) -> None:
    tour = new_tour(tours)
    with caller(tours, "admin") as admin:
        tours.clock.advance(601)
        admin.refresh()
        refused = admin.ask("DELETE", f"/tours/{tour}")
        assert (refused.status_code, refused.json()["code"]) == (403, "reauthentication_required")
        admin.login("admin@example.com", PASSWORD)
        assert admin.ask("DELETE", f"/tours/{tour}").status_code == 204


def test_twenty_people_at_once_get_the_three_seats_that_there_are(tours: LiveServer) -> None:
    tour = new_tour(tours, capacity=3)
    with caller(tours, "guest") as guest, ThreadPoolExecutor(20) as people:
        answers = people.map(lambda _: guest.ask("POST", "/bookings", {"tour": tour}).status_code, range(20))
        assert sorted(answers) == [201] * 3 + [409] * 17
        (left,) = [one["left"] for one in guest.ask("GET", "/tours").json() if one["id"] == tour]
        assert left == 0


def test_a_party_larger_than_what_is_left_gets_nothing(tours: LiveServer) -> None:
    tour = new_tour(tours, capacity=3)
    with caller(tours, "guest") as guest:
        assert guest.ask("POST", "/bookings", {"tour": tour, "seats": 4}).status_code == 409
        assert guest.ask("GET", "/bookings").json() == []
        assert guest.ask("POST", "/bookings", {"tour": tour, "seats": 0}).status_code == 422


def test_the_twin_answers_no_form_from_another_site(tours: LiveServer) -> None:
    with caller(tours) as guest:
        signed_in = guest.post("/plain/sign-in", data={"login": "guest@example.com", "password": PASSWORD})
        assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/plain")
        assert set(guest.cookies) >= {"keyturn_access", "keyturn_refresh"}
        elsewhere = {"sec-fetch-site": "cross-site", "origin": "https://elsewhere.example"}
        refused = guest.post("/plain/book", data={"tour": "1", "seats": "1"}, headers=elsewhere)
        assert (refused.status_code, refused.json()["code"]) == (403, "cross_origin")
        assert guest.post("/plain/book", data={"tour": "1", "seats": "1"}).status_code == 303
        assert "Your bookings" in guest.get("/plain").text
        assert guest.post("/plain/sign-out").status_code == 303
        assert "Your bookings" not in guest.get("/plain").text


def test_a_late_form_of_the_twin_is_kept_for_its_own_pages_only(tours: LiveServer) -> None:
    with caller(tours) as guest:
        guest.post("/plain/sign-in", data={"login": "guest@example.com", "password": PASSWORD})
        tours.clock.advance(EXPIRED)
        form = {"tour": "2", "seats": "3", "note": "<b>"}
        kept = guest.post("/plain/book", data=form)
        assert re.findall(r'name="(\w+)" value="(\w+)"', kept.text) == [("tour", "2"), ("seats", "3")]
        assert "<b>" not in kept.text
        sibling = {"sec-fetch-site": "same-site", "origin": "http://other.example.com"}
        refused = guest.post("/plain/book", data=form, headers=sibling)
        assert (refused.status_code, refused.json()["code"]) == (403, "cross_origin")
        guest.cookies.clear()
        again = guest.post("/plain/book", data=form)
        assert (again.status_code, again.headers["location"]) == (303, "/plain/sign-in?reason=ended&tour=2&seats=3")


def test_the_command_starts_it_with_people_to_sign_in_as(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "examples.tours", "--port", str(port), "--data-dir", str(tmp_path / "data")]
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "JWT_"))}
    with subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = re.findall(r"answers at (\S+)", process.stdout.readline())[0]
        assert PASSWORD in process.stdout.readline()
        try:
            transport = httpx2.HTTPTransport(retries=10)
            with httpx2.Client(transport=transport, base_url=url) as client:
                login = {"login": "guest@example.com", "password": PASSWORD}
                assert client.post("/api/v1/auth/login", json=login).json()["expires_in"] == 30
                assert client.get("/").headers["content-security-policy"].startswith("default-src 'none'")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
