"""The playground: what it decides is what the table decides, and nothing of it is good for anything else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import Browser
from tests.support.server import PUBLIC, LiveServer
from tests.support.wire import Wire

from keyturn.server.playground import MAX_VISITS

ADDRESSES = [
    ("GET", "/playground"),
    ("GET", "/playground.js"),
    ("GET", "/playground-graph.js"),
    ("POST", "/playground/api/visits"),
]


class Visitor:
    """Plays, as the page does."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        begun = browser.call("POST", "//playground/api/visits")
        assert begun.status_code == 201
        self.visit, self.tokens = begun.json()["visit"], begun.json()["tokens"]

    def ask(self, call: str, **body: Any) -> Any:
        answer = self.browser.call("POST", f"//playground/api/{call}", {"visit": self.visit, **body})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refresh(self, token: str | None = None, **more: Any) -> Any:
        """Present a token, by default the newest, and keep what comes."""
        answer = self.ask("refresh", refresh_token=token or self.tokens["refresh_token"], **more)
        self.tokens = answer["tokens"] or self.tokens if token is None else self.tokens
        return answer

    def is_accepted(self, token: str | None = None) -> bool:
        return bool(self.ask("call", access_token=token or self.tokens["access_token"])["accepted"])

    def wait(self, seconds: int) -> None:
        self.ask("time", seconds=seconds)


@pytest.fixture
def player(guest: Browser) -> Visitor:
    return Visitor(guest)


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_in_production_there_is_no_playground(public: Wire, method: str, path: str) -> None:
    answer = public.call(method, f"/{path}")
    assert (answer.status, answer.code) == (404, "not_found")


def test_a_setting_turns_it_off_and_several_workers_have_none(tmp_path: Path) -> None:
    for name, setting in (("off", {"developer_pages": False}), ("many", {"workers": 2})):
        with LiveServer(tmp_path / name, **setting) as live, Wire(live.address) as wire:
            assert wire.call("GET", "//playground").status == 404
            assert wire.call("POST", "//playground/api/visits").status == 404


def test_a_setting_turns_it_on_in_production(tmp_path: Path) -> None:
    with (
        LiveServer(tmp_path / "data", issuer=PUBLIC, developer_pages=True) as live,
        Wire(live.address, host="auth.example.com") as wire,
    ):
        assert wire.call("GET", "//playground").status == 200


def test_the_page_holds_no_script_and_no_style_of_its_own_and_everything_it_names_is_there(guest: Browser) -> None:
    page = guest.get("/playground")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|<script>|\sstyle=|\son\w+=|javascript:", page.text)
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    script = guest.get("/playground.js").text
    named += re.findall(r'from "([^"]+)"', script)
    assert len(set(named)) == 5
    for path in named:
        assert guest.get(path).status_code == 200, path


def test_the_first_refresh_rotates_and_the_next_converges_until_the_window_is_over(player: Visitor) -> None:
    assert [player.refresh()["verdict"] for _ in range(3)] == ["rotated", "converged", "converged"]
    player.wait(11)
    assert player.refresh()["verdict"] == "rotated"


def test_a_lost_answer_never_arrives_and_is_recovered_three_days_later(player: Visitor) -> None:
    lost = player.refresh(lose_answer=True)
    assert (lost["verdict"], lost["tokens"]) == ("rotated", None)
    player.wait(3 * 86_400)
    found = player.refresh()
    assert found["verdict"] == "recovered"
    assert found["given"]["parent_id"] == lost["given"]["parent_id"]
    assert found["given"]["id"] != lost["given"]["id"]
    assert player.is_accepted()


def test_a_thief_and_the_owner_end_the_session_for_both_and_the_answer_says_why(player: Visitor) -> None:
    stolen = player.tokens["refresh_token"]
    thief = player.refresh(stolen)["tokens"]
    player.wait(60)
    assert player.refresh()["verdict"] == "recovered"
    player.wait(60)
    thief = player.refresh(thief["refresh_token"])["tokens"]
    player.wait(60)
    caught = player.refresh()
    assert (caught["verdict"], caught["rule"], caught["tokens"], caught["given"]) == ("reused", 8, None, None)
    assert caught["session"]["ended"]["reason"] == "reuse_detected"
    assert "used twice" in caught["session"]["ended"]["words"]
    assert player.refresh(thief["refresh_token"])["verdict"] == "ended"
    assert not player.is_accepted(thief["access_token"])


def test_a_database_that_lost_its_writes_catches_up(player: Visitor) -> None:
    for _ in range(2):
        player.refresh()
        player.wait(11)
    player.ask("lost-writes")
    assert player.refresh()["verdict"] == "caught_up"


def test_lost_writes_revive_no_session_that_has_ended(player: Visitor) -> None:
    oldest = player.tokens["refresh_token"]
    for _ in range(3):
        player.refresh()
        player.wait(11)
    assert player.refresh(oldest)["verdict"] == "reused"
    player.ask("lost-writes")
    answer = player.refresh()
    assert (answer["verdict"], answer["session"]["ended"]["reason"]) == ("ended", "reuse_detected")


def test_an_access_token_expires_by_the_clock_of_the_visit(player: Visitor) -> None:
    player.wait(29)
    assert player.is_accepted()
    player.wait(1)
    assert not player.is_accepted()


def test_a_verdict_comes_with_the_rule_in_the_words_of_the_table(player: Visitor) -> None:
    answer = player.refresh()
    assert answer["rule"] == 2
    assert answer["when"].startswith("it is a child of the root")
    assert answer["then"].startswith("it becomes the root")


def test_time_that_passes_in_one_visit_passes_in_no_other(guest: Browser) -> None:
    here, there = Visitor(guest), Visitor(guest)
    here.wait(3600)
    assert not here.is_accepted()
    assert there.is_accepted()


def test_a_token_of_the_playground_is_good_for_nothing_else(player: Visitor, guest: Browser) -> None:
    refused = guest.call("POST", "/refresh-token", {"refresh_token": player.tokens["refresh_token"]})
    assert (refused.status_code, refused.json()["code"]) == (403, "refresh_token_invalid")
    assert guest.call("GET", "/me", bearer=player.tokens["access_token"]).status_code == 401


def test_no_other_token_is_good_in_the_playground(player: Visitor, guest: Browser, email: str) -> None:
    real = guest.register(email, delivery="body")
    body = {"visit": player.visit, "refresh_token": real["refresh_token"]}
    refused = guest.call("POST", "//playground/api/refresh", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "refresh_token_invalid")
    assert not player.is_accepted(real["access_token"])
    assert guest.refresh(real["refresh_token"]).status_code == 200


def test_a_token_of_one_visit_presented_in_another_is_of_a_session_that_is_not_there(guest: Browser) -> None:
    here, there = Visitor(guest), Visitor(guest)
    body = {"visit": here.visit, "refresh_token": there.tokens["refresh_token"]}
    refused = guest.call("POST", "//playground/api/refresh", body)
    assert (refused.status_code, refused.json()["code"]) == (403, "session_ended")
    assert there.refresh()["verdict"] == "rotated"


def test_the_visit_that_rested_longest_makes_room(guest: Browser) -> None:
    kept, left = Visitor(guest), Visitor(guest)
    for number in range(MAX_VISITS - 1):
        if number == MAX_VISITS // 2:
            assert kept.is_accepted()
        Visitor(guest)
    assert kept.is_accepted()
    gone = guest.call(
        "POST", "//playground/api/refresh", {"visit": left.visit, "refresh_token": left.tokens["refresh_token"]}
    )
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")


def test_time_is_bounded(player: Visitor, guest: Browser) -> None:
    for seconds in (-1, 366 * 86_400, 1.5):
        answer = guest.call("POST", "//playground/api/time", {"visit": player.visit, "seconds": seconds})
        assert answer.status_code == 422
    for _ in range(12):
        now = player.ask("time", seconds=365 * 86_400)["session"]["now"]
    assert now < 1_767_225_600 + 11 * 366 * 86_400


def test_another_site_cannot_play(guest: Browser) -> None:
    foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
    assert guest.call("POST", "//playground/api/visits", headers=foreign).json()["code"] == "cross_origin"
