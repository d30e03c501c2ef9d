"""HTTPS in front of a server, under names of its own: that of the server, and those of sites that belong to others."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.proxy import LossyProxy, hang_up, read_message


@dataclass(frozen=True)
class Certificate:
    """A certificate that nobody vouches for.

    Attributes:
        server: what a server needs of it.
        spki: the hash of its public key, as `--ignore-certificate-errors-spki-list` takes it.
    """

    server: ssl.SSLContext
    spki: str


def make_certificate(folder: Path, *names: str) -> Certificate:
    """A certificate for these names, with a key of its own; valid for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    unencrypted = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    both = folder / "certificate.pem"
    both.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(both)
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Certificate(server, base64.b64encode(hashlib.sha256(public).digest()).decode())


class TlsFront(LossyProxy):
    """Ends TLS. Requests for a page of somebody else are answered with it, all others passed on as over https.

    Args:
        certificate: for all names.

    Attributes:
        port: where it listens.
        upstream: host and port of the server.
        pages: HTML and Set-Cookie values of the pages of others, by host (without port) and path.
        passed_on: the requests that the server got, and what it answered.
    """

    def __init__(self, certificate: Certificate) -> None:
        super().__init__(("", 0))
        self.port = self.address[1]
        self.pages: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {}
        self.passed_on: list[tuple[bytes, bytes]] = []
        self._tls = certificate.server

    @property
    def upstream(self) -> tuple[str, int]:
        return self._upstream

    @upstream.setter
    def upstream(self, address: tuple[str, int]) -> None:
        self._upstream = address

    def at(self, host: str, path: str = "") -> str:
        return f"https://{host}:{self.port}{path}"

    def show(self, host: str, path: str, html: str, *cookies: str) -> str:
        """Put up a page of somebody else; gives its address.

        Args:
            cookies: the Set-Cookie values that come with it.
        """
        self.pages[host, path] = (html, cookies)
        return self.at(host, path)

    def _serve(self, client: socket.socket) -> None:
        # A browser opens connections that it never uses, and closes them when it likes.
        with contextlib.suppress(OSError), self._tls.wrap_socket(client, server_side=True) as secure:
            while request := read_message(secure):
                secure.sendall(self._page(request) or self._pass_on_whole(request))
        hang_up(client)

    def _page(self, request: bytes) -> bytes | None:
        host = re.search(rb"(?i)\r\nhost: ([^:\r]+)", request)
        path = request.split(b" ", 2)[1].partition(b"?")[0]
        found = self.pages.get((host[1].decode(), path.decode())) if host else None
        return None if found is None else _answer(*found)

    def _pass_on_whole(self, request: bytes) -> bytes:
        forwarded = b"\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.7\r\n"
        with socket.create_connection(self._upstream) as server:
            server.sendall(request.replace(b"\r\n", forwarded, 1))
            answer = read_message(server)
        self.passed_on.append((request, answer))
        return answer


def _answer(html: str, cookies: tuple[str, ...]) -> bytes:
    body = html.encode()
    lines = ["HTTP/1.1 200 OK", "Content-Type: text/html; charset=utf-8", f"Content-Length: {len(body)}"]
    lines += [f"Set-Cookie: {cookie}" for cookie in cookies]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
