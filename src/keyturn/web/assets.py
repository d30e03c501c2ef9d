"""The static files, and the address of each: it holds a version, so that a browser may keep the file for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files

_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


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
        Asset(name, f"/static/{_version(content)}/{name}", content, _MEDIA_TYPES[name[name.rindex(".") :]])
        for name, content in sorted(contents.items())
    ]


def _version(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()[:12]
