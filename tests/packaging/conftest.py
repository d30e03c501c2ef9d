"""What every test of a package begins with, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.packages import build, fetch
from tests.support.server import ROOT


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the source distribution."""
    return build(ROOT, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Settings by which pip finds the parts of a server in a folder: each environment would fetch and read them again."""
    return fetch(tmp_path_factory.mktemp("wheels"))
