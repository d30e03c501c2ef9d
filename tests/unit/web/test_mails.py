"""Mails as they are written: ours, and those of an operator."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from keyturn.core.model import MailKind
from keyturn.errors import SettingsError
from keyturn.web.mails import Mails, MailView
from keyturn.web.texts import MAILS

VIEW = MailView(
    "new_device",
    site="auth.example.com",
    link="https://auth.example.com/was-it-you/token",
    token="token",
    expires_in=14 * 86_400,
    name="Ada <b>\r\nBcc: mallory@example.com",
    device="curl/8 <script>alert(1)</script>",
    address="192.0.2.1",
    when=datetime(2026, 1, 1, 12, 30, tzinfo=UTC),
)


def test_every_kind_of_mail_has_its_texts() -> None:
    assert {kind.value for kind in MailKind} == MAILS.keys() - {"test"}


@pytest.mark.parametrize("kind", sorted(MAILS))
def test_a_mail_is_the_same_as_text_and_as_html(kind: str) -> None:
    view = MailView(kind, site="auth.example.com", link="https://auth.example.com/x", token="x", expires_in=3600)
    mail = Mails().render(view)
    assert mail.subject
    assert "\n" not in mail.subject
    for body in (mail.text, mail.html):
        assert "https://auth.example.com/x" in body
        assert MAILS[kind].button in body
        assert not {"{", "}"} & set(body.replace("{margin", ""))


def test_what_a_device_calls_itself_is_escaped_in_html() -> None:
    mail = Mails().render(VIEW)
    assert "<script>" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert "1 January 2026, 12:30 UTC" in mail.text
    assert "14 days" in mail.text


def test_no_mail_of_ours_says_what_somebody_has_typed_as_their_name() -> None:
    mail = Mails().render(VIEW)
    assert "Ada" not in mail.subject + mail.text + mail.html


def test_an_operators_templates_come_first_and_ours_fill_in(tmp_path: Path) -> None:
    (tmp_path / "new_device.subject.txt").write_text("Hello {{ mail.name }}\nand welcome\n")
    (tmp_path / "mail.html").write_text("<p>{{ mail.name }} {{ mail.token }}</p>")
    mail = Mails(tmp_path).render(VIEW)
    assert mail.subject == "Hello Ada <b> Bcc: mallory@example.com and welcome"
    assert mail.html == "<p>Ada &lt;b&gt; Bcc: mallory@example.com token</p>"
    assert "192.0.2.1" in mail.text


@pytest.mark.parametrize("broken", ["{{ mail.nonsense }}", "{% if %}", "{{ nonsense }}"])
def test_a_template_that_cannot_be_used_is_found_at_the_start(tmp_path: Path, broken: str) -> None:
    (tmp_path / "reset.txt").write_text(broken)
    with pytest.raises(SettingsError, match="A template of the mail reset"):
        Mails(tmp_path)
