"""What sends mail, put together as the settings say."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.mail import parsed

from keyturn.server.mailing import send_test
from keyturn.server.settings import Settings
from keyturn.testing.fakes import FakeClock, SeededEntropy


@pytest.mark.parametrize(
    ("issuer", "domain"),
    [
        ("https://auth.example.com", "auth.example.com"),
        ("https://auth.corp.local", "keyturn.test"),
        ("https://10.0.0.5", "keyturn.test"),
        ("https://[2001:db8::5]", "keyturn.test"),
        ("http://localhost:8000", "keyturn.test"),
    ],
)
def test_without_a_mail_server_a_mail_is_kept_whatever_the_service_is_called(
    tmp_path: Path, issuer: str, domain: str
) -> None:
    outbox = send_test(
        Settings(issuer=issuer, data_dir=tmp_path), "you@example.com", clock=FakeClock(), entropy=SeededEntropy()
    )
    assert outbox is not None
    (file,) = outbox.glob("*.eml")
    assert parsed(file.read_bytes()).message["From"] == f"Keyturn <no-reply@{domain}>"
