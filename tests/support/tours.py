"""The example of tours on a real socket, with a clock that is told the time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from examples.tours.app import create_app
from tests.support.server import LiveServer

from keyturn.adapters.fastapi import KeyturnAuth
from keyturn.server.embedded import Embedded


def serve_tours(folder: Path, **settings: Any) -> LiveServer:
    """The example application; its files are in a folder of its own."""
    return LiveServer(
        folder / "data",
        build=lambda loaded, context: create_app(KeyturnAuth(Embedded(loaded, context)), folder / "tours.db"),
        pages=False,
        developer_pages=False,
        **settings,
    )
