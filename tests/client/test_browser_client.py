"""The browser client outside of browsers: its unit tests, its types, its size, and the package for npm."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
from pathlib import Path

import pytest
from benchmarks.installing import node, npm
from tests.support.documents import DOCS, blocks, names_in, rows_of
from tests.support.node import JS, run, tool
from tests.support.server import ROOT

KB = 1000


def test_the_clients_own_tests_pass() -> None:
    tool("tsc")  # axios is among the tools
    done = run(node(), "--test")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^ℹ pass [1-9]\d+$", done.stdout, flags=re.MULTILINE), done.stdout


def test_the_types_of_the_client_hold_and_are_those_that_are_kept(tmp_path: Path) -> None:
    """They are kept, so that a package that is installed from a checkout has them: nothing is built then."""
    done = run(tool("tsc"), "--declaration", "--emitDeclarationOnly", "--noEmit", "false", "--outDir", tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    for module in ("client.d.ts", "axios.d.ts"):
        assert (JS / module).read_text() == (tmp_path / module).read_text(), "type in js/: npm run types"


def test_a_wrong_type_would_be_noticed(tmp_path: Path) -> None:
    use = tmp_path / "use.js"
    use.write_text(
        f'import {{ createSession }} from "{JS / "client.js"}";\ncreateSession({{ baseUrl: 7 }}).signIn({{}});\n'
    )
    done = run(tool("tsc"), "--project", write_config(tmp_path))
    assert done.stdout.count("error TS") == 2, done.stdout


def write_config(folder: Path) -> Path:
    config = folder / "tsconfig.json"
    config.write_text(json.dumps({"extends": str(JS / "tsconfig.json"), "files": ["use.js"]}))
    return config


def test_the_client_is_under_five_kilobytes() -> None:
    done = run(tool("esbuild"), "client.js", "--minify", "--format=esm")
    assert done.returncode == 0, done.stderr
    size = len(gzip.compress(done.stdout.encode(), 9))
    assert 1 * KB < size < 5 * KB


@pytest.mark.parametrize("module", ["client.js", "axios.js"])
def test_the_client_needs_nothing_else_and_keeps_nothing(module: str) -> None:
    source = (JS / module).read_text()
    assert not re.search(r"^import |\bimport\(\s*[\"']http|require\(", source, flags=re.MULTILINE)
    assert not re.search(
        r"localStorage|sessionStorage|indexedDB|document\.cookie|\bcaches\b|Date\b|navigator\.locks", source
    )


def test_the_package_holds_the_modules_their_types_and_the_licence(tmp_path: Path) -> None:
    tool("tsc")
    npm(JS, "pack", "--pack-destination", str(tmp_path))
    (packed,) = tmp_path.glob("*.tgz")
    with tarfile.open(packed) as archive:
        content = {name.removeprefix("package/"): archive.extractfile(name) for name in archive.getnames()}
        held = {name: file.read().decode() for name, file in content.items() if file}
    modules = {"client.js", "axios.js", "client.d.ts", "axios.d.ts"}
    assert held.keys() == modules | {"package.json", "README.md", "LICENSE"}
    assert held["client.js"] == (JS / "client.js").read_text()
    assert held["LICENSE"] == (ROOT / "LICENSE").read_text()
    assert "export function createSession(options?: Options" in held["client.d.ts"]
    assert "withSession" in held["axios.d.ts"]
    described = json.loads(held["package.json"])
    assert "dependencies" not in described
    named = {path.removeprefix("./") for entry in described["exports"].values() for path in entry.values()}
    assert named == modules
    (version,) = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert described["version"] == version


STRICT = {
    "strict": True,
    "noEmit": True,
    "skipLibCheck": True,
    "types": [],
    "lib": ["es2024", "dom"],
    "target": "es2023",
}
BUNDLER = {"module": "esnext", "moduleResolution": "bundler"}
NODE = {"module": "nodenext"}

USE = """
import { createSession, KeyturnError, type Options, type Session, type State, type User } from "keyturn";
import { withSession } from "keyturn/axios";

const options: Options = { signInPage: null };
const session: Session = createSession(options);
session.addEventListener("signedout", ({ detail }) => console.log(detail.reason.length, detail.expected));
session.addEventListener("statechange", (event) => { const state: State = event.detail.state; console.log(state); });
for (const event of ["signedin", "refreshed"]) session.removeEventListener(event, () => {});
const user: User | null = session.user;
session.signIn({ login: "alice", password: "x" }).catch((error: KeyturnError) => console.log(error.code, user?.email));
export const plain = withSession({ defaults: {}, interceptors: { request: { use() {} } } }, session).defaults;
"""

MISUSE = """
import { createSession } from "keyturn";
createSession({ baseUrl: 7 }).addEventListener("refreshed", ({ detail }) => detail.reason);
"""


@pytest.mark.parametrize("resolution", [BUNDLER, NODE], ids=["bundler", "node"])
def test_a_strict_typescript_project_has_the_types_of_a_checkout(resolution: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    npm(tmp_path, "install", str(JS), "--offline", "--no-audit", "--no-fund")
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": {**STRICT, **resolution}}))
    (tmp_path / "use.ts").write_text(USE)
    (tmp_path / "misuse.ts").write_text(MISUSE)
    done = run(tool("tsc"), "--pretty", "false", cwd=tmp_path)
    assert re.findall(r"^(\S+)\(.*error (TS\d+)", done.stdout, flags=re.MULTILINE) == [
        ("misuse.ts", "TS2322"),
        ("misuse.ts", "TS2339"),
    ], done.stdout


@pytest.mark.parametrize("page", ["browser.md", "react.md", "vue.md"])
def test_the_code_in_the_documents_is_javascript(page: str, tmp_path: Path) -> None:
    scripts = blocks(DOCS / page, "js") + blocks(DOCS / page, "jsx")
    for component in blocks(DOCS / page, "vue"):
        scripts += re.findall(r"<script setup>\n(.*?)</script>", component, flags=re.DOTALL)
    assert len(scripts) >= 2
    for number, script in enumerate(scripts):
        (tmp_path / f"{number}.jsx").write_text(script)
        done = run(tool("esbuild"), tmp_path / f"{number}.jsx", "--format=esm", "--log-level=warning")
        assert (done.returncode, done.stderr) == (0, ""), script


@pytest.mark.parametrize("where", ["why.js of the documents", "words.js of the example"])
def test_people_are_told_every_reason_in_words_of_its_own(where: str) -> None:
    if where.startswith("why.js"):
        [script] = [block for block in blocks(DOCS / "browser.md", "js") if "function why" in block]
        script += "const told = (reason) => (globalThis.location = { search: `?reason=${reason}` }, why());"
    else:
        script = (ROOT / "examples/tours/static/words.js").read_text() + "const told = inWords;"
    reasons = [name.strip("`") for name, *_ in rows_of(DOCS / "errors.md", "`reason`")]
    unknown = ["constructor", "<b>"]
    script += f"console.log(JSON.stringify({[*reasons, *unknown]}.map(told)));"
    done = run(node(), "--input-type=module", "--eval", script)
    said = json.loads(done.stdout)
    assert said[-1] == said[-2]
    assert "not signed in any more" in said[-1]
    assert len(set(said)) == len(reasons) + 1, said


def test_everything_public_is_documented() -> None:
    script = """
      import * as client from "./client.js";
      const members = Object.getOwnPropertyNames(client.Session.prototype);
      console.log(JSON.stringify([...members, "ready", ...Object.keys(client)]));
    """
    done = run(node(), "--input-type=module", "--eval", script)
    public = set(json.loads(done.stdout)) - {"constructor", "Session"}
    named = {re.match(r"\w+", name)[0] for name in names_in(DOCS / "browser.md") if re.match(r"\w+", name)}  # type: ignore[index]
    shown = set(re.findall(r"\w+", "".join(blocks(DOCS / "browser.md", "js"))))
    assert public - shown <= named
    emitted = set(re.findall(r'#emit\("(\w+)"', (JS / "client.js").read_text()))
    assert emitted == {name.strip("`") for name, *_ in rows_of(DOCS / "browser.md", "event")}


def test_the_lock_of_the_tools_has_hashes_and_no_addresses() -> None:
    packages = json.loads((JS / "package-lock.json").read_text())["packages"]
    assert not any("resolved" in entry for entry in packages.values())
    assert all(entry["integrity"] for path, entry in packages.items() if path)
