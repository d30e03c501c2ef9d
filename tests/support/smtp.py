"""Mail servers: a real one, whose answers can be chosen, and one that does whatever a script says."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.support.mail import Letter, parsed
from tests.support.wire import free_port

HANG = "hang"
USER, PASSWORD = "keyturn", "a password for mails"


@dataclass
class Handler:
    """Takes messages.

    Attributes:
        letters: what was taken.
        answers: what the next recipients are answered instead, or `HANG`: nothing; after that all are welcome.
        refusing: what every message is answered, if anything.
        arrived: set when somebody waits for an answer.
    """

    letters: list[Letter] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refusing: str | None = None
    arrived: threading.Event = field(default_factory=threading.Event)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.answers[:1] == [HANG]:
            self.answers.clear()
            self.arrived.set()
            await asyncio.sleep(3600)
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.arrived.set()
        if self.refusing is not None:
            return self.refusing
        self.letters.append(parsed(envelope.content))
        return "250 OK"


class MailServer:
    """A real mail server on loopback.

    Args:
        certificate: for STARTTLS, or for TLS from the start; none: it has no TLS.
        smtps: whether it speaks TLS from the start.
        signing_in: whether it takes messages of its user only.
    """

    def __init__(self, certificate: Path | None = None, *, smtps: bool = False, signing_in: bool = False) -> None:
        self.handler = Handler()
        self.tried: list[str] = []
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
        tls: dict[str, Any] = {"ssl_context": context} if smtps else {"tls_context": context}
        if context is not None and not smtps:
            tls["require_starttls"] = True
        if signing_in:
            tls |= {"authenticator": self._check, "auth_required": True, "auth_require_tls": not smtps}
        self.port = free_port()
        self._controller = Controller(
            self.handler, hostname="127.0.0.1", port=self.port, ready_timeout=20, enable_SMTPUTF8=True, **tls
        )
        self.url = f"{'smtps' if smtps else 'smtp'}://{f'{USER}@' if signing_in else ''}127.0.0.1:{self.port}"

    @property
    def letters(self) -> list[Letter]:
        return self.handler.letters

    def _check(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        good = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        self.tried.append(data.login.decode())
        return AuthResult(success=good, handled=good)


@contextmanager
def running(*args: Any, **more: Any) -> Iterator[MailServer]:
    """A mail server, as `MailServer`."""
    server = MailServer(*args, **more)
    server._controller.start()
    try:
        yield server
    finally:
        server._controller.stop()


@contextmanager
def scripted(script: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that runs a script with each connection, and then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopped = threading.Event()

        def serve() -> None:
            while not stopped.is_set():
                with suppress(OSError):
                    connection, _ = listener.accept()
                    with connection:
                        connection.settimeout(20)
                        script(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            stopped.set()
            with suppress(OSError), socket.create_connection(listener.getsockname(), 1):
                pass
            thread.join(20)


def made_certificate(file: Path, name: str = "127.0.0.1") -> Path:
    """A certificate for a name, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    try:
        alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        alternative = x509.DNSName(name)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(private + certificate.public_bytes(pem))
    return file
