"""The pictures of the README: what renews them still finds its way through the pages."""

from __future__ import annotations

from pathlib import Path

from docs.film import END, LOOK, LOOKS, PAGE_SIZE, PERSON, film, photograph
from PIL import Image
from playwright.sync_api import Browser
from tests.support.programs import needs
from tests.support.server import LiveServer

from keyturn.service.administration import find_account

pytestmark = needs("chromium")


def test_a_story_of_the_playground_is_filmed_step_by_step(
    server: LiveServer, chromium: Browser, tmp_path: Path
) -> None:
    target = tmp_path / "film.webp"
    context = chromium.new_context(**LOOKS)
    film(context.new_page(), server.url, target, ("minute", "refresh"), ("thief",))
    context.close()
    with Image.open(target) as picture:
        shown = []
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            picture.load()
            shown.append(picture.info["duration"])
    assert shown == [LOOK, END, END]


def test_the_account_page_is_photographed_with_three_devices(
    server: LiveServer, chromium: Browser, tmp_path: Path
) -> None:
    target = tmp_path / "page.png"
    photograph(chromium, server.url, target)
    with Image.open(target) as picture:
        assert picture.size == (PAGE_SIZE["width"], PAGE_SIZE["height"])
    user = find_account(server.context, PERSON["email"]).user
    assert len(server.context.database.read(lambda reading: reading.sessions.live_of_user(user.id))) == 3
