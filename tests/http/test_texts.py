"""Every sentence of the templates comes from one table, in the language that the page says."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from tests.support.client import Browser
from tests.support.server import LiveServer

from keyturn.web.texts import LANGUAGE, TEXTS

TEMPLATES = {
    file.name: file.read_text()
    for folder in ("templates", "templates/mail")
    for file in files("keyturn.web").joinpath(folder).iterdir()
    if file.is_file()
}
NAME = {"Keyturn"}


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_no_template_holds_a_word_of_its_own(name: str) -> None:
    shown = re.sub(r"\{% block (page|data) %\}.*?\{% endblock %\}", "", TEMPLATES[name])  # within a tag
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", shown, flags=re.DOTALL)
    assert set(re.findall(r"[^\W\d_]{2,}", re.sub(r"<[^>]*>", " ", text))) <= NAME


def test_every_text_is_used_and_none_is_missing() -> None:
    used = set(re.findall(r"\bt\.(\w+)", "".join(TEMPLATES.values())))
    assert used == TEXTS.keys()


def test_a_page_says_its_language(shared_server: LiveServer) -> None:
    with Browser(shared_server.url) as stranger:
        assert f'<html lang="{LANGUAGE}"' in stranger.get("/").text
