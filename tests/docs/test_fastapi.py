"""The quickstart of the FastAPI page, as printed, on a real socket."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx2
from tests.support.documents import DOCS, blocks
from tests.support.wire import free_port

ACCOUNT = {"email": "alice@example.com", "password": "correct horse battery staple", "delivery": "body"}


def test_the_quickstart_of_the_fastapi_page_works_as_printed(tmp_path: Path) -> None:
    (code,) = blocks(DOCS / "fastapi.md", "python")
    (tmp_path / "quickstart.py").write_text(code)
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "quickstart:app", "--no-proxy-headers", "--port", str(port)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("KEYTURN_", "JWT_"))}
    with subprocess.Popen(
        command, cwd=tmp_path, env={**inherited, "KEYTURN_PORT": str(port)}, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr
            assert any("running on" in line for line in process.stderr), "uvicorn did not start"
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
                assert client.get("/hello").json()["code"] == "access_token_missing"
                signed_in = client.post("/api/v1/auth/register", json=ACCOUNT).json()
                bearer = {"authorization": f"Bearer {signed_in['access_token']}"}
                assert client.get("/hello", headers=bearer).json() == {"subject": signed_in["user"]["id"]}
                assert client.get("/guests", headers=bearer).json()["code"] == "role_missing"
                assert client.delete("/everything", headers=bearer).status_code == 200
        finally:
            process.terminate()
            process.wait(20)
