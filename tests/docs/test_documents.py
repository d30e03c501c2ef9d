"""The documents say what is, and all of it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from docs.draw import drawings
from tests.docs.test_quickstart import blocks
from tests.support.client import BASE, Browser
from tests.support.server import ROOT, LiveServer

from keyturn import Verifier
from keyturn.core.model import AccessClaims, EndReason
from keyturn.http.problems import STATUS
from keyturn.server.calls import Call

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])


def names_in(page: str) -> set[str]:
    """What stands in code marks."""
    return set(re.findall(r"`([^`\n]+)`", (ROOT / page).read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


@pytest.mark.parametrize("path", drawings(), ids=lambda path: path.name)
def test_the_drawings_are_those_of_the_table_that_runs(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == drawings()[path], "type: make docs"


def test_every_module_is_named_in_the_architecture_and_every_named_one_exists() -> None:
    source = ROOT / "src" / "keyturn"
    named = names_in("ARCHITECTURE.md")
    for module in source.rglob("*.py"):
        path = module.relative_to(source)
        wanted = {str(path), path.name, *(f"{parent}/" for parent in path.parents if str(parent) != ".")}
        assert named & (wanted if module.name == "__init__.py" or len(path.parts) > 2 else {str(path), path.name}), path
    for name in named:
        if re.fullmatch(r"[\w/]+\.py", name):
            assert list(source.rglob(name.rpartition("/")[2])), name


def test_every_error_code_is_documented_with_its_status() -> None:
    table = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    documented = {
        (int(status), code)
        for status, codes in re.findall(r"^\| (\d{3}) \| ([^|]+) \|", table, flags=re.MULTILINE)
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert documented == {(status, error.code) for error, status in STATUS.items()}


def test_every_reason_is_documented() -> None:
    table = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8").partition("| `reason` |")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE)) == {reason.value for reason in EndReason}


def test_every_call_is_documented_and_every_documented_one_exists(server: LiveServer, browser: Browser) -> None:
    paths = browser.get("/openapi.json").json()["paths"]
    calls = {f"{method.upper()} {path.removeprefix(BASE)}" for path, found in paths.items() for method in found}
    documented = {name for name in names_in("docs/http-api.md") if re.match(r"(GET|POST|PATCH|DELETE) /", name)}
    assert documented == calls | {"GET /openapi.json", "GET /docs"}
    assert Call.__doc__


def test_the_verifiers_page_and_the_readme_show_code_that_works(server: LiveServer, browser: Browser) -> None:
    token = browser.register()["access_token"]
    jwks = browser.get("/.well-known/jwks.json").json()
    for page in (ROOT / "README.md", ROOT / "docs" / "verifier.md"):
        (program,) = blocks(page, "python")
        room: dict[str, object] = {"jwks": jwks}
        exec(program.replace("https://accounts.example.com", server.issuer), room)
        verifier, who = room["verifier"], room["who"]
        assert isinstance(verifier, Verifier)
        verifier._now = server.clock.now
        assert callable(who)
        assert who(token) == browser.me().json()["id"]
        assert who(token[:-4] + "AAAA") is None


def test_the_verifiers_page_names_every_argument_and_claim() -> None:
    named = names_in("docs/verifier.md")
    arguments = set(Verifier.__init__.__annotations__) - {"return", "keys", "clock"}
    shown = {name for name in AccessClaims.__dataclass_fields__ if name != "id"}
    assert arguments | shown <= named


def test_the_command_that_ends_every_session_after_a_restore_does_so(server: LiveServer, browser: Browser) -> None:
    token = browser.register(delivery="body")["refresh_token"]
    (command,) = [block for block in blocks(ROOT / "docs" / "operations.md", "console") if "sqlite3" in block]
    statement = re.search(r'"(UPDATE .*)"', command)
    assert statement
    with closing(sqlite3.connect(server.data_dir / "keyturn.db")) as database, database:
        assert database.execute(statement[1]).rowcount == 1
    answer = browser.refresh(token)
    assert (answer.status_code, answer.json()["reason"]) == (403, "revoked")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    documented = set(re.findall(r"KEYTURN_[A-Z_]+", (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")))
    named = {
        name.removesuffix("_FILE").rstrip("_")
        for name in re.findall(r"KEYTURN_[A-Z_]+", page.read_text(encoding="utf-8"))
    }
    assert named <= {*documented, "KEYTURN", "KEYTURN_CONFIG"}


def test_every_promise_names_a_test_that_exists() -> None:
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    promised = {name for name in names_in("SECURITY.md") if name.startswith("test_")}
    assert promised
    missing = [name for name in promised if f"def {name}(" not in tests]
    assert not missing
