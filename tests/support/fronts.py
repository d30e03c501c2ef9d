"""nginx and Caddy in front of a server, with the configurations that the documents print; and an application behind them."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
from tests.support.server import HOST
from tests.support.tls import make_certificate
from tests.support.wire import free_port

_PATIENCE = 30.0

Address = tuple[str, int]


class _Mirror(BaseHTTPRequestHandler):
    """Answers every request with what it got."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        body = json.dumps({"headers": [[name.lower(), value] for name, value in self.headers.items()]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def mirror() -> Iterator[Address]:
    """An application that shows what reaches it; gives its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Mirror) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield ("127.0.0.1", server.server_port)
        server.shutdown()
        thread.join(10)


class Visitor(httpx2.Client):
    """A client of the public name, from an address of its own."""

    def __init__(self, port: int, certificate: Path, address: str = "127.0.0.9") -> None:
        trusted = ssl.create_default_context(cafile=str(certificate))
        super().__init__(
            transport=httpx2.HTTPTransport(verify=trusted, local_address=address),
            base_url=f"https://127.0.0.1:{port}",
            headers={"host": HOST},
            timeout=_PATIENCE,
        )

    def ask(self, method: str, path: str, cookies: str = "", **more: Any) -> httpx2.Response:
        self.cookies.clear()  # what it carries, its caller says
        headers = {**more.pop("headers", {}), **({"cookie": cookies} if cookies else {})}
        return self.request(method, path, headers=headers, extensions={"sni_hostname": HOST}, **more)


def _nginx(folder: Path, port: int, printed: str) -> list[str]:
    folder.chmod(0o755)
    pem = folder / "certificate.pem"
    server = f"listen 127.0.0.1:{port} ssl;"
    printed = printed.replace("listen 80;", f"listen 127.0.0.1:{free_port()};").replace("listen 443 ssl;", server)
    printed = printed.replace(f"/etc/ssl/{HOST}.pem", str(pem)).replace(f"/etc/ssl/{HOST}.key", str(pem))
    if "server {" not in printed:
        printed = (
            f"server {{ {server} server_name {HOST};\nssl_certificate {pem}; ssl_certificate_key {pem};\n{printed}}}"
        )
    kept = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    frame = f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors; events {{}}"
    text = f"{frame} http {{ access_log off; {kept}\n{printed}}}\n"
    (folder / "nginx.conf").write_text(text)
    return ["nginx", "-e", f"{folder}/errors", "-c", f"{folder}/nginx.conf"]


def _caddy(folder: Path, port: int, printed: str) -> list[str]:
    pem = folder / "certificate.pem"
    frame = f"{{\n  admin off\n  auto_https off\n  https_port {port}\n}}\n"
    text = frame + printed.replace(f"{HOST} {{", f"{HOST} {{\n  bind 127.0.0.1\n  tls {pem} {pem}", 1)
    (folder / "Caddyfile").write_text(text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", f"{folder}/Caddyfile"]


_COMMANDS: dict[str, Callable[[Path, int, str], list[str]]] = {"nginx": _nginx, "caddy": _caddy}


def _text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"


@contextmanager
def front(program: str, printed: str, folder: Path, keyturn: Address, application: Address) -> Iterator[Visitor]:
    """Run a proxy as printed, but for ports and certificates; gives a client of it.

    Args:
        program: `nginx` or `caddy`.
        printed: the configuration.
    """
    make_certificate(folder, HOST)
    port = free_port()
    moved = printed.replace("127.0.0.1:8000", _text(keyturn)).replace("127.0.0.1:3000", _text(application))
    command = _COMMANDS[program](folder, port, moved)
    environ = {**os.environ, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "HOME": str(folder)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=log, cwd=folder)
    try:
        with Visitor(port, folder / "certificate.pem") as visitor:
            _wait_for(visitor, process, folder)
            yield visitor
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _wait_for(visitor: Visitor, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            visitor.ask("GET", "/")
            return
        except httpx2.ConnectError:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until, (folder / "log").read_text()
            time.sleep(0.02)
