"""What a request is once it was read."""

from __future__ import annotations

from keyturn.http.forwarded import Client
from keyturn.server.calls import Document, Incoming


def test_what_was_typed_is_not_printed_with_a_request_or_a_page() -> None:
    incoming = Incoming("POST", [], Client("", trusted=True), 0, lambda: False, form={"password": "hunter2 hunter2"})
    assert "hunter2" not in repr(incoming)
    assert "alice" not in repr(Document("<p>alice@example.com"))
