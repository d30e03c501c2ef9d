"""Static files and their addresses."""

from __future__ import annotations

import hashlib

from keyturn.web.assets import load_assets


def test_the_address_of_a_file_changes_with_its_content_and_with_nothing_else() -> None:
    for asset in load_assets():
        version = hashlib.sha256(asset.content.encode()).hexdigest()[:12]
        assert asset.path == f"/static/{version}/{asset.name}"


def test_every_file_is_text_that_a_browser_may_be_given() -> None:
    media_types = {asset.name.rpartition(".")[2]: asset.media_type for asset in load_assets()}
    assert media_types == {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
