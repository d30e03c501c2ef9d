"""The documents name what exists, and everything that exists of what they claim to list."""

from __future__ import annotations

import ast
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest
from docs.draw import drawings
from tests.support.client import BASE, Browser
from tests.support.commands import keyturn
from tests.support.documents import DOCS, PAGES, README, blocks, names_in, rows_of, text_of
from tests.support.server import ROOT, LiveServer

from keyturn import Verifier
from keyturn.core.model import AccessClaims, EndReason
from keyturn.errors import SessionEnded
from keyturn.http.problems import STATUS, problem_of
from keyturn.server.settings import Settings
from keyturn.server.settings_sources import CONFIG, LEGACY, variable

SOURCE = ROOT / "src" / "keyturn"
ARCHITECTURE, CONTRIBUTING, SECURITY = (ROOT / f"{name}.md" for name in ("ARCHITECTURE", "CONTRIBUTING", "SECURITY"))

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


@each_page
def test_every_table_has_a_head(page: Path) -> None:
    """A blank line within one cuts it in two, and the second half is none any more, to readers and to these tests."""
    for table in re.findall(r"(?:^\|.*\n)+", text_of(page), flags=re.MULTILINE):
        assert re.search(r"\A.*\n\|[-:| ]+\|\n", table), table.partition("\n")[0]


@each_page
def test_every_file_of_the_project_that_is_named_exists(page: Path) -> None:
    """Those of the architecture are named from the package's folder, and have a test of their own."""
    for name in names_in(page):
        if page != ARCHITECTURE and re.match(
            r"(src|tests|docs|benchmarks|examples|deploy)/|requirements\.|pyproject\.", name
        ):
            assert (ROOT / name).exists(), name


@each_page
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"(?:^|[`=]\S* ?)make ([a-z]+)", text_of(page), flags=re.MULTILINE))
    assert named <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def test_every_make_target_is_explained() -> None:
    targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    explained = {*re.findall(r"^make (\w+)", "\n".join(blocks(CONTRIBUTING, "console")), flags=re.MULTILINE), "clean"}
    assert set(targets[0].split()) <= explained | {"serve"}


@each_page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    known = {variable(name) for name in Settings.model_fields} | {CONFIG, *LEGACY}
    for name in re.findall(r"\b(?:KEYTURN|JWT)_[A-Z_]*[A-Z]\b(?!…)", text_of(page)):
        assert name.removesuffix("_FILE") in known, name


@pytest.mark.parametrize("path", drawings(), ids=lambda path: path.name)
def test_the_drawings_are_those_of_the_table_that_runs(path: Path) -> None:
    assert text_of(path) == drawings()[path], "type: make docs"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.svg")), ids=lambda path: path.name)
def test_a_drawing_is_text_to_select_and_loads_nothing(path: Path) -> None:
    drawing = ET.fromstring(text_of(path))
    assert sum(1 for _ in drawing.iter("{http://www.w3.org/2000/svg}text")) > 20
    assert path in drawings()
    assert re.findall(r"https?://[^\"]*|@import|url\([^#]", text_of(path)) == ["http://www.w3.org/2000/svg"]


def test_every_module_has_a_line_in_the_architecture_and_every_line_a_module() -> None:
    lines = [file.strip("`") for file, _ in rows_of(ARCHITECTURE, "file")]
    assert len(lines) == len(set(lines))
    modules = set()
    for module in SOURCE.rglob("*.py"):
        path = module.relative_to(SOURCE)
        folder = next((f"{folder}/" for folder in path.parents if f"{folder}/" in lines), None)
        if path.name != "__init__.py" or len(path.parts) == 1 or folder:
            modules.add(folder or str(path))
    assert set(lines) == modules


def test_every_other_file_and_folder_that_the_architecture_names_exists() -> None:
    for name in names_in(ARCHITECTURE):
        if re.fullmatch(r"\w[\w./]*(/\w*|\.py|\.toml)", name):
            assert (ROOT / name).exists() or (SOURCE / name).exists(), name


def test_every_folder_of_tests_is_explained() -> None:
    explained = {name for name in names_in(CONTRIBUTING) if re.fullmatch(r"tests/\w+/", name)}
    folders = {f"tests/{path.parent.name}/" for path in (ROOT / "tests").glob("*/test_*.py")} | {"tests/unit/"}
    assert folders <= explained


def test_every_error_code_is_documented_with_its_status() -> None:
    documented = {
        (int(status), code)
        for status, codes, *_ in rows_of(DOCS / "errors.md", "status")
        for code in re.findall(r"`(\w+)`", codes)
    }
    assert documented == {(status, error.code) for error, status in STATUS.items()}


def test_every_reason_is_documented() -> None:
    documented = [reason.strip("`") for reason, *_ in rows_of(DOCS / "errors.md", "`reason`")]
    assert sorted(documented) == sorted(EndReason)
    explained = text_of(DOCS / "protocol.md").partition("## After the end")[2].partition("##")[0]
    assert set(EndReason) <= set(re.findall(r"`(\w+)`", explained))


def test_the_error_that_is_shown_is_the_one_that_is_sent() -> None:
    (shown,) = blocks(DOCS / "errors.md", "json")
    assert json.loads(shown) == problem_of(SessionEnded(EndReason.PASSWORD_CHANGED)).body


def test_every_call_is_documented_and_every_documented_one_exists(browser: Browser) -> None:
    paths = browser.get("/openapi.json").json()["paths"]
    calls = {f"{method.upper()} {path.removeprefix(BASE)}" for path, found in paths.items() for method in found}
    documented = {name for name in names_in(DOCS / "http-api.md") if re.match(r"(GET|POST|PATCH|DELETE) /", name)}
    assert documented == calls | {"GET /openapi.json", "GET /docs", "GET /metrics"}


def test_every_member_that_a_call_takes_is_documented(browser: Browser) -> None:
    description = browser.get("/openapi.json").json()
    documented = {
        name.strip("`"): set(re.findall(r"`(\w+)\??`", takes))
        for name, takes, _ in rows_of(DOCS / "http-api.md", "call")
    }
    for path, found in description["paths"].items():
        for method, call in found.items():
            for content in call.get("requestBody", {}).get("content", {}).values():
                schema = description["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
                call_name = f"{method.upper()} {path.removeprefix(BASE)}"
                # A token is told of in words, since it may come in a cookie just as well.
                assert set(schema["properties"]) - {"refresh_token"} <= documented[call_name], call_name


def test_every_member_of_a_user_and_a_session_is_documented(browser: Browser) -> None:
    signed_in = browser.register()
    page = text_of(DOCS / "http-api.md")
    for thing in ("user", "session"):
        listed = re.search(rf"^`{thing}`: (.*?)\.$|\. `{thing}`: (.*?)\.$", page, flags=re.MULTILINE | re.DOTALL)
        assert listed, thing
        named = set(re.findall(r"`(\w+)`", (listed[1] or listed[2]).partition(". ")[0]))
        assert named == set(signed_in[thing]), thing


def test_the_sign_in_that_is_shown_is_what_is_answered(browser: Browser) -> None:
    (shown,) = blocks(DOCS / "http-api.md", "json")
    answer = browser.register()
    answer["access_token"] = answer["access_token"][:3] + "…"
    example = json.loads(shown)
    for thing in ("user", "session"):
        answer[thing]["id"] = example[thing]["id"]
    assert example == answer


@pytest.mark.parametrize("page", [README, DOCS / "verifier.md"], ids=lambda page: page.name)
def test_the_code_that_is_shown_works(page: Path, server: LiveServer, browser: Browser) -> None:
    token = browser.register()["access_token"]
    (program,) = blocks(page, "python")
    room: dict[str, object] = {}
    exec(program.replace("http://127.0.0.1:8000", server.issuer), room)
    verifier, user_id_of = room["verifier"], room["user_id_of"]
    assert isinstance(verifier, Verifier)
    assert callable(user_id_of)
    verifier._now = server.clock.now
    assert user_id_of(token) == browser.me().json()["id"]
    assert user_id_of(token[:-4] + "AAAA") is None


def test_the_verifiers_page_names_every_argument_and_claim() -> None:
    named = names_in(DOCS / "verifier.md")
    arguments = set(Verifier.__init__.__annotations__) - {"return", "clock"}
    assert arguments | {field.name for field in fields(AccessClaims)} <= named


def test_taking_the_access_key_out_refuses_the_access_tokens_and_signs_nobody_out(tmp_path: Path) -> None:
    data_dir, issuer = tmp_path / "data", "http://localhost"
    with LiveServer(data_dir, issuer=issuer) as server, Browser(server.url) as browser:
        signed_in = browser.register(delivery="body")
    keys = data_dir / "keys.json"
    content = json.loads(text_of(keys))
    del content["access"]
    keys.write_text(json.dumps(content))
    assert keyturn("keys", "adopt", "--yes", "--data-dir", str(data_dir)).returncode == 0
    with LiveServer(data_dir, issuer=issuer) as server, Browser(server.url) as browser:
        assert browser.call("GET", "/me", bearer=signed_in["access_token"]).status_code == 401
        assert browser.refresh(signed_in["refresh_token"]).status_code == 200
        assert browser.me().status_code == 200


def test_every_event_of_the_log_is_named() -> None:
    recorded = set()
    for module in SOURCE.rglob("*.py"):
        for call in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "record":
                names = [node.value for node in ast.walk(call.args[0]) if isinstance(node, ast.Constant)]
                recorded |= {name for name in names if isinstance(name, str)}
    assert {"authn_login_success", "session_renewed"} <= recorded
    assert recorded <= names_in(DOCS / "operations.md")


@cache
def all_tests() -> set[str]:
    """The names of all tests."""
    return {
        test
        for folder in (ROOT / "tests", SOURCE / "testing")
        for path in folder.rglob("*.py")
        for test in re.findall(r"^ *def (test_\w+)\(", text_of(path), flags=re.MULTILINE)
    }


def test_every_promise_names_a_test_that_exists() -> None:
    promises = rows_of(SECURITY, "promise")
    assert promises
    for promise, shown_by in promises:
        named = re.findall(r"`(test_\w+)`", shown_by)
        assert named, promise
        assert set(named) <= all_tests(), promise
