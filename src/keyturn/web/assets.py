"""The static files, and the address of each: it holds a version, so that a browser may keep the file for ever.
That of the browser client stays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

_MEDIA_TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file.

    Attributes:
        name: without any folder.
        path: where a page finds it; another content has another path.
    """

    name: str
    path: str
    content: str
    media_type: str


def load_assets() -> list[Asset]:
    """Every static file of the pages."""
    contents = {file.name: file.read_text(encoding="utf-8") for file in files(__package__).joinpath("static").iterdir()}
    return [
        Asset(name, f"/static/{_version(content)}/{name}", content, media_type(name))
        for name, content in sorted(contents.items())
    ]


def load_client() -> list[Asset]:
    """The modules of the browser client, at addresses that applications write down."""
    packaged = files(__package__).joinpath("client")
    # In a checkout they are where npm finds them as well.
    folder = packaged if packaged.is_dir() else Path(__file__).parents[3] / "js"
    contents = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in ("client.js", "axios.js")}
    return [Asset(name, f"/keyturn/{name}", content, media_type(name)) for name, content in contents.items()]


def media_type(name: str) -> str:
    """What a static file is, by its name."""
    return _MEDIA_TYPES[Path(name).suffix]


def _version(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:12]
