"""The playground in a real browser: what each button does, and that the page says what the server decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect
from tests.e2e.conftest import OpenBrowser
from tests.support.programs import needs
from tests.support.server import LiveServer

pytestmark = needs("chromium")

PHONE = {"viewport": {"width": 390, "height": 844}}
THEFT = ["rotated", "rotated", "recovered", "rotated", "reused"]


@dataclass
class Player:
    """Somebody at the page, and what the server answers to it, noted before the page has it."""

    page: Page
    verdicts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.route("**/playground/api/refresh", self._note)

    def _note(self, route: Route) -> None:
        answer = route.fetch()
        self.verdicts.append(answer.json()["verdict"])
        route.fulfill(response=answer)

    def press(self, *names: str) -> str:
        """Press buttons, each once the one before has done its work; gives what the page says at last."""
        said = self.page.locator("#said")
        for name in names:
            lines = self.page.locator("#log > li")
            count = 0 if name == "Start again" else lines.count()
            self.page.get_by_role("button", name=name, exact=True).click()
            expect(lines).to_have_count(count + 1)
        return said.inner_text()

    def shown(self) -> list[str]:
        """The verdicts in the log, in the server's words."""
        return [word.lower().replace(" ", "_") for word in self.page.locator("#log b").all_inner_texts()]

    def drawn(self) -> list[str]:
        """The verdicts on the arrows, each as often as its arrow counts."""
        found = []
        for label in self.page.locator("svg .edge text").all_text_contents():
            words, _, count = label.replace(" ✕", "").partition(" ×")
            found += [words.lower().replace(" ", "_")] * int(count or 1)
        return found

    def check(self, *verdicts: str) -> None:
        """The server decided this, the log says so, and the graph shows it."""
        expect(self.page.locator("#log b")).to_have_count(len(verdicts))
        assert sorted(self.verdicts) == sorted(self.shown()) == sorted(self.drawn()) == sorted(verdicts)


Play = Callable[..., Player]


@pytest.fixture
def play(server: LiveServer, open_browser: OpenBrowser) -> Play:
    def opened(**options: Any) -> Player:
        page = open_browser(**options)
        player = Player(page)
        page.goto(f"{server.url}/playground")
        expect(page.locator("#log > li")).to_have_count(1)
        return player

    return opened


def test_a_visit_begins_signed_in_with_both_tokens_decoded(play: Play) -> None:
    page = play().page
    expect(page.locator("#said")).to_contain_text("You are signed in, and hold token 1.")
    expect(page.locator("#access-claims")).to_contain_text("at+jwt")
    expect(page.locator("#refresh-claims")).to_contain_text("rt+jwt")
    expect(page.get_by_text("no script ever sees it")).to_be_visible()
    expect(page.locator("svg .node")).to_have_count(1)


def test_the_bars_run_down_while_one_looks(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.clock.install()
    page.goto(f"{server.url}/playground")
    expect(page.locator("#access-left")).to_have_text("30 of 30 s")
    page.clock.run_for(12_000)
    expect(page.locator("#access-left")).to_have_text("18 of 30 s")
    page.clock.run_for(20_000)
    expect(page.locator("#access-left")).to_have_text("expired")
    expect(page.locator("#refresh-left")).to_have_text("30 of 30 days")


def test_the_api_takes_an_access_token_and_nothing_is_refreshed(play: Play) -> None:
    player = play()
    assert "no database was asked" in player.press("Call the API")
    player.check()


def test_an_expired_access_token_costs_the_user_nothing(play: Play) -> None:
    player = play()
    player.press("Expire the access token")
    expect(player.page.locator("#access-left")).to_have_text("expired")
    assert "The user noticed nothing" in player.press("Call the API")
    player.check("rotated")
    expect(player.page.locator("#access-left")).to_have_text("30 of 30 s")


def test_refreshing_rotates_and_within_the_window_converges(play: Play) -> None:
    player = play()
    assert "it is the root now" in player.press("Refresh")
    assert "byte for byte the same" in player.press("Refresh")
    player.check("rotated", "converged")
    assert "token 3" in player.press("Let a minute pass", "Refresh")
    player.check("rotated", "converged", "rotated")


def test_five_tabs_get_the_same_token(play: Play) -> None:
    player = play()
    said = player.press("Refresh in five tabs at once")
    assert "one rotated, four converged" in said
    assert "All hold token 2, byte for byte the same" in said
    player.check("rotated", *["converged"] * 4)
    expect(player.page.locator("svg .node")).to_have_count(2)


def test_a_lost_answer_converges_at_once(play: Play) -> None:
    player = play()
    assert "You still hold token 1" in player.press("Refresh, and lose the next response")
    expect(player.page.locator("svg .node.lost")).to_have_count(1)
    assert "the same child once more, token 2" in player.press("Refresh")
    expect(player.page.locator("svg .node.lost")).to_have_count(0)
    player.check("rotated", "converged")


def test_a_lost_answer_is_recovered_three_days_later(play: Play) -> None:
    player = play()
    player.press("Refresh, and lose the next response", "Let three days pass")
    expect(player.page.locator("#refresh-left")).to_have_text("27 of 30 days")
    said = player.press("Refresh")
    assert "a sibling, token 3" in said
    assert "Nobody was signed out" in said
    player.check("rotated", "recovered")
    expect(player.page.locator("svg .node.lost")).to_have_count(1)


def test_a_database_that_lost_its_writes_catches_up(play: Play) -> None:
    player = play()
    player.press("Refresh", "Let a minute pass", "Refresh", "The database loses its writes")
    assert "newer than what the database remembers" in player.press("Refresh")
    player.check("rotated", "rotated", "caught_up")


def test_a_thief_is_found_out_and_the_page_says_why(play: Play) -> None:
    player = play()
    page = player.page
    again = page.get_by_role("button", name="The thief refreshes", exact=True)
    expect(again).to_be_disabled()
    player.press("Refresh", "Let a minute pass", "A thief copies my refresh token and uses it")
    expect(page.locator("svg .tag.thief")).to_have_count(1)
    expect(page.locator("svg .edge.thief.rotated path.line")).to_have_count(1)
    player.press("Let a minute pass", "Refresh", "Let a minute pass", "The thief refreshes", "Let a minute pass")
    said = player.press("Refresh")
    assert "two hold this session" in said
    assert "somebody may have copied it" in said
    player.check(*THEFT)
    expect(page.locator("svg .bar")).to_have_text("ended: reuse detected")
    assert "The session has ended" in player.press("The thief refreshes")
    assert "The API refused the access token" in player.press("Call the API")
    player.check(*THEFT, "ended", "ended")
    player.press("Start again")
    expect(page.locator("svg .bar")).to_have_count(0)
    assert "hold token 1" in page.locator("#said").inner_text()


@pytest.mark.parametrize(
    ("story", "verdicts"),
    [
        ("A lost answer", ["rotated", "rotated", "recovered"]),
        ("Five tabs", ["rotated", "rotated", *["converged"] * 4]),
        ("A theft", THEFT),
    ],
    ids=["lost", "tabs", "theft"],
)
def test_a_story_presses_the_buttons_by_itself(
    server: LiveServer, open_browser: OpenBrowser, story: str, verdicts: list[str]
) -> None:
    page = open_browser()
    player = Player(page)
    page.clock.install()
    page.goto(f"{server.url}/playground")
    expect(page.locator("#log > li")).to_have_count(1)
    page.get_by_role("button", name=story, exact=True).click()
    while page.locator("html").get_attribute("data-busy") is not None:
        page.clock.run_for(500)
    player.check(*verdicts)


def test_whoever_presses_a_button_ends_the_story(server: LiveServer, open_browser: OpenBrowser) -> None:
    page = open_browser()
    page.clock.install()
    page.goto(f"{server.url}/playground")
    player = Player(page)
    page.get_by_role("button", name="A theft", exact=True).click()
    expect(page.locator("#said")).to_contain_text("You are signed in")
    player.press("Call the API")
    page.clock.run_for(30_000)
    player.press("Call the API")
    player.check()


def test_a_session_that_nobody_uses_for_a_month_has_ended_and_the_page_says_why(play: Play) -> None:
    player = play()
    said = player.press(*["Let three days pass"] * 10)
    assert "you had not been here for a long time" in said
    expect(player.page.locator("svg .bar")).to_have_text("ended: idle")
    player.press("Refresh")
    player.check("ended")


def test_a_visit_that_the_server_has_forgotten_is_begun_again(play: Play, server: LiveServer) -> None:
    player = play()
    player.page.route("**/playground/api/refresh", lambda route: route.fulfill(status=404, json={"code": "not_found"}))
    player.page.get_by_role("button", name="Refresh", exact=True).click()
    expect(player.page.locator("#said")).to_contain_text("The server has forgotten this visit")
    player.press("Start again")
    expect(player.page.locator("#said")).to_contain_text("You are signed in")


def test_everything_can_be_done_with_the_keyboard(play: Play) -> None:
    player = play()
    page = player.page
    page.get_by_role("button", name="Call the API", exact=True).focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    player.check("rotated")
    expect(page.get_by_role("button", name="Refresh", exact=True)).to_be_focused()


def test_a_screen_reader_is_told_each_sentence_once(play: Play) -> None:
    player = play()
    said = player.press("Refresh")
    log = player.page.get_by_role("log", name="What the server decided")
    expect(log.get_by_role("listitem").last).to_contain_text(said)
    expect(player.page.locator("[aria-live]")).to_have_count(1)
    drawing = player.page.get_by_role("img", name="The session’s lineage")
    expect(drawing).to_be_visible()


def test_on_a_phone_only_the_drawing_scrolls_sideways(play: Play) -> None:
    player = play(**PHONE)
    player.press(*["Refresh", "Let a minute pass"] * 4)
    page = player.page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(
        "(({scrollWidth, clientWidth}) => scrollWidth > clientWidth)(document.getElementById('scroll'))"
    )


def test_without_scripts_the_page_says_what_it_needs(server: LiveServer, open_scriptless_browser: OpenBrowser) -> None:
    page = open_scriptless_browser()
    page.goto(f"{server.url}/playground")
    # Playwright finds nothing by its text within <noscript>.
    expect(page.locator("noscript .said")).to_be_visible()
