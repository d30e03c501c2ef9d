"""What a request is once it was read."""

from __future__ import annotations

from keyturn.http.forwarded import Client
from keyturn.http.headers import Headers
from keyturn.server.calls import Document, Incoming, Reply


def test_what_was_typed_is_not_printed_with_a_request_or_a_page() -> None:
    incoming = Incoming(
        "POST",
        Headers([(b"cookie", b"hunter2")]),
        Client("", trusted=True),
        0,
        lambda: False,
        form={"password": "hunter2 hunter2"},
    )
    assert "hunter2" not in repr(incoming)
    assert "alice" not in repr(Document("<p>alice@example.com"))


def test_no_token_is_printed_with_an_answer() -> None:
    assert "hunter2" not in repr(Reply(content={"access_token": "hunter2"}, cookies=("keyturn_refresh=hunter2",)))
