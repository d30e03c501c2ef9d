"""Forgotten passwords, verified addresses, and what people are told by mail: from the call to the link and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.client import PASSWORD, Browser
from tests.support.mail import Post, rows
from tests.support.pages import Person
from tests.support.server import LiveServer
from tests.support.wire import Wire

from keyturn.core.model import Account
from keyturn.service import administration

NEW = "seven quiet lanterns drift"
HOUR, DAY = 3600, 86_400


@pytest.fixture(scope="module")
def post(shared_server: LiveServer) -> Post:
    return Post(shared_server)


@pytest.fixture
def reset_token(guest: Browser, email: str, post: Post) -> str:
    """Of somebody who has an account and has forgotten the password."""
    guest.register(email)
    assert guest.call("POST", "/password/forgot", {"email": email}).status_code == 202
    return post.newest(email, "/reset-password").token


@pytest.fixture(scope="module")
def limiting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that counts, and whose clients come through a proxy, so that each has an address."""
    folder = tmp_path_factory.mktemp("limiting") / "data"
    with LiveServer(folder, rate_limits=True, trusted_proxies="127.0.0.1") as live:
        yield live


@pytest.fixture
def far(limiting: LiveServer, email: str) -> Iterator[Browser]:
    """A client of that server, from an address of its own."""
    with Browser(limiting.url) as client:
        address = f"192.0.2.{email.partition('@')[0].removeprefix('user')}"
        client.headers |= {"x-forwarded-for": address, "x-forwarded-proto": "https"}
        yield client


def reset(browser: Browser, token: str, password: str = NEW) -> tuple[int, str | None]:
    answer = browser.call("POST", "/password/reset", {"token": token, "new_password": password})
    return answer.status_code, answer.json()["code"] if answer.content else None


STALE = (403, "one_time_token_invalid")


def test_a_forgotten_password_is_set_anew_and_signs_nobody_in(guest: Browser, email: str, reset_token: str) -> None:
    answer = guest.call("POST", "/password/reset", {"token": reset_token, "new_password": NEW})
    assert (answer.status_code, answer.content, answer.headers.get("set-cookie")) == (204, b"", None)
    assert guest.refresh().json()["reason"] == "password_changed"
    assert guest.me().status_code == 401
    assert guest.call("POST", "/login", {"login": email, "password": PASSWORD}).status_code == 401
    # The mail was received there.
    assert guest.login(email, NEW)["user"]["email_verified"] is True


def test_every_session_ends_with_a_forgotten_password(
    guest: Browser, visitor: Callable[[], Browser], email: str, reset_token: str
) -> None:
    elsewhere = visitor()
    elsewhere.login(email)
    assert reset(visitor(), reset_token) == (204, None)
    assert [browser.refresh().json()["reason"] for browser in (guest, elsewhere)] == ["password_changed"] * 2


def test_a_token_sets_one_password(guest: Browser, email: str, reset_token: str) -> None:
    assert [reset(guest, reset_token), reset(guest, reset_token, "another one of them")] == [(204, None), STALE]
    guest.login(email, NEW)


def test_of_many_who_use_a_token_at_once_one_succeeds(
    visitor: Callable[[], Browser], email: str, reset_token: str
) -> None:
    browsers = [visitor() for _ in range(6)]
    with ThreadPoolExecutor(len(browsers)) as threads:
        found = list(threads.map(lambda n: reset(browsers[n], reset_token, f"{NEW} {n}"), range(len(browsers))))
    assert sorted(found, key=str) == [(204, None), *[STALE] * 5]
    winner = found.index((204, None))
    browsers[0].login(email, f"{NEW} {winner}")


def test_a_password_that_will_not_do_leaves_the_token_good(guest: Browser, email: str, reset_token: str) -> None:
    answer = guest.call("POST", "/password/reset", {"token": reset_token, "new_password": "password"})
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == ["new_password"]
    assert reset(guest, reset_token, email)[0] == 422
    assert reset(guest, reset_token) == (204, None)


def test_a_token_is_worth_nothing_after_an_hour(server: LiveServer, browser: Browser) -> None:
    browser.register()
    for _ in range(2):
        browser.call("POST", "/password/forgot", {"email": "alice@example.com"})
    early, late = (letter.token for letter in Post(server).to("alice@example.com", "/reset-password"))
    server.clock.advance(HOUR - 1)
    assert reset(browser, early) == (204, None)
    browser.call("POST", "/password/forgot", {"email": "alice@example.com"})
    last = Post(server).newest("alice@example.com", "/reset-password").token
    server.clock.advance(HOUR)
    assert [reset(browser, token) for token in (early, late, last)] == [STALE] * 3


def change_password(server: LiveServer, browser: Browser, email: str) -> None:
    body = {"current_password": PASSWORD, "new_password": "it was changed meanwhile"}
    assert browser.call("POST", "/password", body, bearer=browser.access_token).status_code == 200


def change_address(server: LiveServer, browser: Browser, email: str) -> None:
    body = {"current_password": PASSWORD, "email": f"other.{email}"}
    assert browser.call("POST", "/email", body, bearer=browser.access_token).status_code == 200


def set_by_an_administrator(server: LiveServer, browser: Browser, email: str) -> None:
    administration.set_password(server.context, _id(server, email), "an administrator's choice")


def disable(server: LiveServer, browser: Browser, email: str) -> None:
    administration.set_disabled(server.context, _id(server, email), disabled=True)


def disable_and_enable(server: LiveServer, browser: Browser, email: str) -> None:
    disable(server, browser, email)
    administration.set_disabled(server.context, _id(server, email), disabled=False)


def close(server: LiveServer, browser: Browser, email: str) -> None:
    answer = browser.call("DELETE", "/me", {"current_password": PASSWORD}, bearer=browser.access_token)
    assert answer.status_code == 204


def _id(server: LiveServer, email: str) -> str:
    return administration.find_account(server.context, email).user.id


@pytest.mark.parametrize(
    "change", [change_password, change_address, set_by_an_administrator, disable, disable_and_enable, close]
)
def test_no_token_outlives_a_change_of_its_account(
    shared_server: LiveServer,
    guest: Browser,
    email: str,
    post: Post,
    reset_token: str,
    change: Callable[[LiveServer, Browser, str], None],
) -> None:
    """P15."""
    verification = post.newest(email, "/verify-email").token
    change(shared_server, guest, email)
    assert reset(guest, reset_token) == STALE
    assert guest.call("POST", f"/email/verification/{verification}").json()["code"] == "one_time_token_invalid"


@pytest.mark.parametrize("token", ["", "x", "x" * 43, "ü" * 43, "x" * 128, "../../etc/passwd"])
def test_what_is_no_token_is_refused_like_one_that_is_used(guest: Browser, token: str) -> None:
    assert reset(guest, token) == STALE


def test_a_token_beyond_any_length_is_not_looked_at(guest: Browser) -> None:
    assert reset(guest, "x" * 129)[0] == 422


def test_signing_up_sends_a_link_that_verifies_the_address(guest: Browser, email: str, post: Post) -> None:
    assert guest.register(email)["user"]["email_verified"] is False
    (letter,) = post.to(email)
    assert letter.subject == "Verify your e-mail address"
    answer = guest.call("POST", f"/email/verification/{letter.token}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert guest.me().json()["email_verified"] is True
    assert guest.call("POST", f"/email/verification/{letter.token}").status_code == 403


def test_a_link_is_sent_again_for_whoever_asks_and_never_for_nothing(guest: Browser, email: str, post: Post) -> None:
    guest.register(email)
    answer = guest.call("POST", "/email/verification", bearer=guest.access_token)
    assert (answer.status_code, answer.content) == (202, b"")
    _, second = post.to(email, "/verify-email")
    assert guest.call("POST", f"/email/verification/{second.token}").status_code == 204
    assert guest.call("POST", "/email/verification", bearer=guest.access_token).status_code == 202
    assert len(post.to(email, "/verify-email")) == 2
    assert guest.call("POST", "/email/verification").status_code == 401


def test_a_link_for_an_address_is_good_for_a_day(server: LiveServer, browser: Browser) -> None:
    browser.register()
    token = Post(server).newest("alice@example.com", "/verify-email").token
    server.clock.advance(DAY)
    assert browser.call("POST", f"/email/verification/{token}").status_code == 403


def test_of_a_changed_address_the_new_one_is_verified_and_the_old_one_is_told(
    guest: Browser, email: str, post: Post
) -> None:
    guest.register(email)
    guest.call("POST", f"/email/verification/{post.newest(email, '/verify-email').token}")
    body = {"current_password": PASSWORD, "email": f"new.{email}"}
    changed = guest.call("POST", "/email", body, bearer=guest.access_token)
    assert changed.json()["email_verified"] is False
    told = post.newest(email, "/was-it-you")
    assert told.subject == "Your e-mail address was changed"
    assert f"new.{email}" not in told.text + told.html
    guest.call("POST", f"/email/verification/{post.newest(f'new.{email}', '/verify-email').token}")
    assert guest.me().json()["email_verified"] is True
    with Person(guest.url) as owner:
        assert owner.submit("/was-it-you", token=told.token).status_code == 200
    assert guest.refresh().json()["reason"] == "signed_out_everywhere"


def by_the_owner(client: Browser, email: str, post: Post) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert client.call("POST", "/password", body, bearer=client.access_token).status_code == 200


def by_a_link(client: Browser, email: str, post: Post) -> None:
    client.call("POST", "/password/forgot", {"email": email})
    assert reset(client, post.newest(email, "/reset-password").token)[0] == 204


def by_the_page_of_a_link(client: Browser, email: str, post: Post) -> None:
    client.call("POST", "/password/forgot", {"email": email})
    with Person(client.url, headers=CHANGED_FROM) as person:
        token = post.newest(email, "/reset-password").token
        assert person.submit("/reset-password", token=token, new_password=NEW).status_code == 303


CHANGED_FROM = {"user-agent": "Mozilla/5.0 (iPhone) Version/18.0 Safari/605"}


@pytest.mark.parametrize("change", [by_the_owner, by_a_link, by_the_page_of_a_link])
def test_a_changed_password_is_told_of_with_what_to_do_against_it(
    guest: Browser, email: str, post: Post, change: Callable[[Browser, str, Post], None]
) -> None:
    guest.headers |= CHANGED_FROM
    guest.register(email)
    change(guest, email, post)
    (told,) = post.to(email, "/was-it-you")
    assert told.subject == "Your password was changed"
    for text in (told.text, told.html):
        assert "Safari on iPhone" in text
        assert "1 January 2026" in text
        assert "Forgot your password?" in text
        assert PASSWORD not in text
        assert NEW not in text
    # Whoever did it is signed in with the new password, and the link throws them out.
    guest.login(email, NEW)
    with Person(guest.url) as owner:
        assert owner.submit("/was-it-you", token=told.token).status_code == 200
    assert guest.refresh().json()["reason"] == "signed_out_everywhere"


def test_a_password_that_was_not_changed_is_not_told_of(guest: Browser, email: str, post: Post) -> None:
    guest.register(email)
    for body in (
        {"current_password": "wrong", "new_password": NEW},
        {"current_password": PASSWORD, "new_password": "short"},
    ):
        assert guest.call("POST", "/password", body, bearer=guest.access_token).status_code in {403, 422}
    assert reset(guest, "A" * 43) == STALE
    assert post.to(email, "/was-it-you") == []


def test_a_new_device_is_told_of_and_a_known_one_is_not(guest: Browser, email: str, post: Post) -> None:
    guest.register(email)
    guest.login(email)
    assert post.to(email, "/was-it-you") == []
    with Browser(guest.url, headers={"user-agent": "Mozilla/5.0 (iPhone) Version/18.0 Safari/605"}) as phone:
        phone.login(email)
        (letter,) = post.to(email, "/was-it-you")
        phone.login(email)
    assert "Safari on iPhone" in letter.text
    assert "Safari on iPhone" in letter.html
    assert "1 January 2026" in letter.text
    assert len(post.to(email, "/was-it-you")) == 1


def test_a_device_is_known_by_its_cookie_whatever_it_calls_itself(
    limiting: LiveServer, far: Browser, email: str
) -> None:
    far.register(email)
    far.call("POST", "/logout")
    far.headers["user-agent"] = "Mozilla/5.0 (iPhone) Version/18.0 Safari/605"
    far.login(email)
    assert Post(limiting).to(email, "/was-it-you") == []
    far.cookies.clear()
    far.headers["x-forwarded-for"] = "198.51.100.1"
    far.login(email)
    assert len(Post(limiting).to(email, "/was-it-you")) == 1


def test_whoever_had_a_token_used_twice_is_asked_and_ends_everything_with_a_button(
    server: LiveServer, browser: Browser
) -> None:
    first = browser.register(delivery="body")["refresh_token"]
    with Browser(server.url) as other:
        other.login()
        token = first
        for _ in range(3):
            server.clock.advance(60)
            token = browser.refresh(token).json()["refresh_token"]
        assert browser.refresh(first).json()["reason"] == "reuse_detected"
        (letter,) = Post(server).to("alice@example.com", "/was-it-you")
        assert letter.subject == "Was it you? A session was ended"
        with Person(server.url) as owner:
            page = owner.open(letter.link.removeprefix(server.issuer))
            assert page.status_code == 200
            assert other.refresh().status_code == 200, "opening a link does nothing: scanners do it"
            assert owner.submit("/was-it-you", token=letter.token).status_code == 200
            assert owner.submit("/was-it-you", token=letter.token).status_code == 403
        assert other.refresh().json()["reason"] == "signed_out_everywhere"


def test_a_token_used_twice_over_and_over_is_told_of_once(server: LiveServer, browser: Browser) -> None:
    first = browser.register(delivery="body")["refresh_token"]
    token = first
    for _ in range(3):
        server.clock.advance(60)
        token = browser.refresh(token).json()["refresh_token"]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: browser.refresh(first).json()["reason"], range(8)))
    assert set(answers) == {"reuse_detected"}
    assert len(Post(server).to("alice@example.com", "/was-it-you")) == 1


@pytest.fixture
def people(shared_server: LiveServer, guest: Browser, email: str) -> dict[str, str]:
    """Addresses of all kinds of people, and of nobody."""
    guest.register(email)
    disabled = f"disabled.{email}"
    guest.register(disabled)
    administration.set_disabled(shared_server.context, _id(shared_server, disabled), disabled=True)
    imported = f"imported.{email}"
    user = replace(administration.find_account(shared_server.context, email).user, id=imported, email=imported)
    account = Account(user, "pbkdf2_sha256$1000$salt$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g=")
    shared_server.context.database.transact(lambda tx: tx.users.insert(account))
    return {"known": email, "disabled": disabled, "imported": imported, "unknown": f"nobody.{email}"}


def test_nobody_learns_from_an_answer_whether_there_is_an_account(
    shared_server: LiveServer, people: dict[str, str], post: Post
) -> None:
    """P8, row 53: status, headers and body, of the call and of the page."""
    post.letters()
    before = len(rows(shared_server.data_dir / "keyturn.db", "mails"))
    answers, pages = set(), set()
    with Wire(shared_server.address) as wire:
        for address in people.values():
            answer = wire.call("POST", "/password/forgot", {"email": address})
            answers.add((answer.status, _stable(answer.headers), answer.body))
    for address in people.values():
        with Person(shared_server.url) as person:
            page = person.submit("/forgot-password", email=address)
            pages.add((page.status_code, _stable(tuple(page.headers.items())), page.content))
    assert len(answers) == len(pages) == 1
    assert before == 0
    assert {address: len(post.to(address, "/reset-password")) for address in people.values()} == {
        people["known"]: 2,
        people["disabled"]: 0,
        people["imported"]: 2,
        people["unknown"]: 0,
    }


def _stable(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(header for header in headers if header[0].lower() not in {"date", "x-request-id"}))


def test_the_same_is_written_for_everybody_who_forgot(server: LiveServer, browser: Browser) -> None:
    """P8: the same work, whoever it is for. The database is looked at before anything is sent."""
    browser.register()
    Post(server).letters()
    stored = []
    for address in ("alice@example.com", "mallory@example.com"):
        browser.call("POST", "/password/forgot", {"email": address})
        with_ids = server.context.database.read(lambda tx: tx.mails.due(9))
        stored += [(mail.kind, mail.user_id, mail.facts) for mail in with_ids if mail.recipient == address]
    assert len(set(map(str, stored))) == 1


def test_an_imported_user_comes_in_by_a_new_password(guest: Browser, people: dict[str, str], post: Post) -> None:
    guest.call("POST", "/password/forgot", {"email": people["imported"]})
    assert reset(guest, post.newest(people["imported"], "/reset-password").token) == (204, None)
    guest.login(people["imported"], NEW)


def test_whoever_asks_with_a_look_alike_gets_nothing_and_the_owner_does(guest: Browser, email: str, post: Post) -> None:
    guest.register(email)
    alike = email.replace("user", "ｕser", 1).upper()
    assert guest.call("POST", "/password/forgot", {"email": alike}).status_code == 202
    assert len(post.to(email, "/reset-password")) == 1
    assert {letter.to for letter in post.letters() if "user" not in letter.to} <= {"alice@example.com"}


def test_what_is_no_address_is_said_to_be_none(guest: Browser) -> None:
    for typed in ("nonsense", "a@b@c", "a\r\nBcc: b@example.com", ""):
        assert guest.call("POST", "/password/forgot", {"email": typed}).status_code == 422


def test_an_address_gets_five_mails_an_hour_and_the_answer_does_not_change(
    limiting: LiveServer, far: Browser, email: str
) -> None:
    far.register(email)
    answers = [far.call("POST", "/password/forgot", {"email": email}) for _ in range(7)]
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, b"")}
    post = Post(limiting)
    assert len(post.to(email, "/reset-password")) == 5
    again = far.call("POST", "/email/verification", bearer=far.access_token)
    assert (again.status_code, again.json()["code"]) == (429, "too_many_attempts")
    limiting.clock.advance(HOUR)
    far.call("POST", "/password/forgot", {"email": email.title()})
    assert len(post.to(email, "/reset-password")) == 6


def test_a_network_asks_for_twenty_mails_an_hour(far: Browser, email: str) -> None:
    asked = [far.call("POST", "/password/forgot", {"email": f"{number}.{email}"}).status_code for number in range(21)]
    assert asked == [202] * 20 + [429]


def test_a_new_password_ends_the_waiting_after_wrong_ones(limiting: LiveServer, far: Browser, email: str) -> None:
    far.register(email)
    far.cookies.clear()
    wrong = [far.call("POST", "/login", {"login": email, "password": "wrong it is"}).status_code for _ in range(12)]
    assert wrong[-1] == 429
    far.call("POST", "/password/forgot", {"email": email})
    assert reset(far, Post(limiting).newest(email, "/reset-password").token) == (204, None)
    far.login(email, NEW)


def test_no_token_is_in_the_database_or_in_a_log(
    server: LiveServer, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    """B1, L2: neither before its mail is sent nor after."""
    browser.register()
    browser.call("POST", "/password/forgot", {"email": "alice@example.com"})
    letters = Post(server).letters()
    tokens = [letter.token for letter in letters]
    assert len(tokens) == 2
    with Person(server.url) as person:
        for letter in letters:
            assert person.open(letter.link.removeprefix(server.issuer)).status_code == 200
        person.submit("/reset-password", token=tokens[1], new_password="short")
    browser.call("POST", f"/email/verification/{tokens[0]}")
    stored = b"".join(file.read_bytes() for file in server.data_dir.glob("keyturn.db*"))
    logged = "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "/verify-email/{token}" in logged
    assert [token for token in tokens if token.encode() in stored or token in logged] == []


def test_the_host_in_a_link_is_that_of_the_settings(shared_server: LiveServer, email: str, post: Post) -> None:
    """Row 59."""
    with Browser(shared_server.url) as browser:
        browser.register(email)
        headers = {"x-forwarded-host": "evil.example", "forwarded": "host=evil.example", "x-host": "evil.example"}
        assert browser.call("POST", "/password/forgot", {"email": email}, headers=headers).status_code == 202
    assert post.newest(email, "/reset-password").link.startswith(f"{shared_server.issuer}/reset-password/")
    with Wire(shared_server.address) as wire:
        forged = [("host", "evil.example")]
        assert wire.call("POST", "/password/forgot", {"email": email}, headers=forged).status in {400, 421}


def test_a_name_with_control_characters_harms_no_mail(
    shared_server: LiveServer, guest: Browser, email: str, post: Post
) -> None:
    guest.register(email)
    user = administration.find_account(shared_server.context, email).user
    forged = replace(user, full_name="A\r\nBcc: mallory@example.com\r\n\r\n<script>\x1b[31m\u2028\u202e")
    shared_server.context.database.transact(lambda tx: tx.users.update(forged))
    guest.call("POST", "/password/forgot", {"email": email})
    letter = post.newest(email, "/reset-password")
    assert letter.message["Bcc"] is None
    assert "mallory" not in letter.message.as_string()


@pytest.fixture
def production(tmp_path: Path) -> Iterator[LiveServer]:
    with LiveServer(
        tmp_path / "data", issuer="https://auth.example.com", developer_pages=True, trusted_proxies="127.0.0.1"
    ) as live:
        yield live


def test_the_outbox_is_shown_in_development_alone(server: LiveServer, production: LiveServer) -> None:
    with Person(server.url) as person:
        person.sign_up()
        assert Post(server).letters()
        assert "Verify your e-mail address" in person.open("/outbox").text
    with Person(production.url) as person:
        person.headers |= {"host": "auth.example.com", "x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}
        assert person.open("/sign-in").status_code == 200
        assert person.open("/outbox").status_code == 404


def test_the_outbox_is_for_its_user_alone(shared_server: LiveServer, guest: Browser, email: str, post: Post) -> None:
    guest.register(email)
    assert post.to(email)
    outbox = shared_server.data_dir / "outbox"
    assert {oct(path.stat().st_mode & 0o777) for path in outbox.iterdir()} == {"0o600"}
    assert oct(outbox.stat().st_mode & 0o777) == "0o700"


def test_a_deleted_account_leaves_no_mail_and_no_token(
    shared_server: LiveServer, guest: Browser, email: str, post: Post
) -> None:
    user_id = guest.register(email)["user"]["id"]
    post.letters()
    database = shared_server.data_dir / "keyturn.db"
    assert user_id in {row["user_id"] for row in rows(database, "one_time_tokens")}
    guest.call("POST", "/email/verification", bearer=guest.access_token)
    close(shared_server, guest, email)
    assert user_id not in {row["user_id"] for table in ("mails", "one_time_tokens") for row in rows(database, table)}
