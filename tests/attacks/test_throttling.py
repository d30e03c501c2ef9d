"""Guessing passwords: of any number at once no more are evaluated than the limit, and nobody is locked out by it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from tests.support.client import EMAIL, PASSWORD
from tests.support.counted import CountedHasher, counted
from tests.support.faults import FailingDatabase, failing
from tests.support.load import CHEAP_HASHES
from tests.support.processes import address_of
from tests.support.programs import needs
from tests.support.redis import RedisServer
from tests.support.server import LiveServer, ServerProcess
from tests.support.wire import Answer, Wire, bearer, cookie
from tests.support.witness import WITNESS

from keyturn.errors import Overloaded, TooManyAttempts
from keyturn.ports import Attempt
from keyturn.service.administration import find_account, unblock
from keyturn.testing.fakes import FakeClock

WRONG = "this is not the password"
CLIENT, ACCOUNT, ADDRESS, EVERYBODY, REGISTRATIONS = 5, 20, 100, 1000, 20
"""The defaults."""

HERE, ELSEWHERE = "203.0.113.7", "198.51.100.9"


class Place:
    """A server behind a proxy that names its clients' addresses.

    Args:
        data_dir: of its own.
        redis: where failures are counted; none: in the database.
    """

    def __init__(self, data_dir: Path, redis: RedisServer | None) -> None:
        self._settings: dict[str, Any] = {}
        self.data_dir = data_dir
        self.redis = redis
        self.clock = FakeClock()
        self._stack = ExitStack()
        self.start()

    def start(self, **settings: Any) -> None:
        """Start the server; once more, if it runs; with these settings from now on."""
        self._stack.close()
        self._settings |= settings
        url = {"rate_limit_url": self.redis.url} if self.redis else {}
        self.server = self._stack.enter_context(
            LiveServer(
                self.data_dir,
                clock=self.clock,
                wrap=lambda context: failing(counted(context)),
                rate_limits=True,
                trusted_proxies=("127.0.0.1",),
                **url,
                **self._settings,
            )
        )
        self.wire = self._stack.enter_context(Wire(self.server.address, timeout=60))

    def close(self) -> None:
        self._stack.close()

    @property
    def rounding(self) -> set[int]:
        """By how many seconds a Retry-After may be too long: time goes by in Redis while it is asked."""
        return {0} if self.redis is None else {0, 1}

    @property
    def evaluated(self) -> int:
        """How many passwords the server has looked at since it was started."""
        hasher = self.server.context.hasher
        assert isinstance(hasher, CountedHasher)
        return hasher.verified

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        if self.redis is not None:
            self.redis.advance(seconds)

    def call(
        self, method: str, path: str, json: Any = None, *, address: str = HERE, headers: Sequence[tuple[str, str]] = ()
    ) -> Answer:
        return self.wire.call(method, path, json, headers=[("x-forwarded-for", address), *headers])

    def register(self, email: str = EMAIL, *, address: str = HERE, **more: str) -> Answer:
        answer = self.call("POST", "/register", {"email": email, "password": PASSWORD, **more}, address=address)
        assert answer.status == 201, answer
        return answer

    def login(self, name: str = EMAIL, password: str = WRONG, **more: Any) -> Answer:
        return self.call("POST", "/login", {"login": name, "password": password}, **more)

    def fail(self, times: int, name: str = EMAIL, **more: Any) -> None:
        """So many wrong passwords, each of which is evaluated."""
        for _ in range(times):
            answer = self.login(name, **more)
            assert (answer.status, answer.code) == (401, "invalid_credentials"), answer

    def block(self, name: str = EMAIL) -> None:
        """Fail at an account from everywhere, until every stranger has to wait."""
        for number in range(ACCOUNT // CLIENT):
            self.fail(CLIENT, name, address=f"192.0.2.{number}")
        assert refused(self.login(name, PASSWORD, address="192.0.2.99"))


def refused(answer: Answer) -> bool:
    """Whether an attempt was not evaluated; it says when to try again."""
    if answer.status != 429:
        return False
    assert answer.code == "too_many_attempts"
    assert int(answer.values("retry-after")[0]) > 0
    return True


def known(answer: Answer) -> tuple[str, str]:
    """The header by which the device that got an answer is known."""
    return cookie(keyturn_device=answer.cookies["keyturn_device"])


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as running:
        yield running


@pytest.fixture(params=["database", pytest.param("redis", marks=needs("redis-server"))])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """The same server twice: counting in its database, and in Redis."""
    found = Place(tmp_path / "data", request.getfixturevalue("redis") if request.param == "redis" else None)
    yield found
    found.close()


@pytest.fixture
def in_database(tmp_path: Path) -> Iterator[Place]:
    found = Place(tmp_path / "data", None)
    yield found
    found.close()


@pytest.mark.parametrize(
    "storage",
    [
        "sqlite",
        pytest.param("read committed", marks=needs("postgres")),
        pytest.param("serializable", marks=needs("postgres")),
        pytest.param("redis", marks=needs("redis-server")),
    ],
)
def test_of_two_hundred_wrong_passwords_at_once_no_more_are_evaluated_than_the_limit(
    request: pytest.FixtureRequest, tmp_path: Path, storage: str
) -> None:
    """Row 54, P10: over two processes."""
    settings = {**CHEAP_HASHES, "KEYTURN_RATE_LIMITS": "true", "KEYTURN_HASH_QUEUE": "1000"}
    if storage == "redis":
        settings["KEYTURN_RATE_LIMIT_URL"] = request.getfixturevalue("redis").url
    elif storage != "sqlite":
        cluster = request.getfixturevalue("postgres")
        url = settings["KEYTURN_DATABASE_URL"] = cluster.database()
        cluster.execute(f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_isolation = '{storage}'")
    with ServerProcess(tmp_path / "data", settings) as one, ServerProcess(tmp_path / "data", settings) as two:
        addresses = [address_of(server.url) for server in (one, two)]

        def guess(number: int) -> Answer:
            with Wire(addresses[number % 2], timeout=60) as wire:
                return wire.call("POST", "/login", {"login": EMAIL, "password": f"{WRONG} {number}"})

        with Wire(addresses[0]) as wire:
            assert wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD}).status == 201
        with ThreadPoolExecutor(50) as threads:
            statuses = [answer.status for answer in threads.map(guess, range(200))]
        logged = one.log.read_text() + ("" if one.log == two.log else two.log.read_text())
    assert set(statuses) == {401, 429}
    # Redis has no transactions: those who come at the same moment see what the others have not given back yet.
    assert statuses.count(401) == ACCOUNT if storage != "redis" else statuses.count(401) <= ACCOUNT
    assert logged.count("authn_login_fail") == statuses.count(401)


def test_two_hundred_guesses_at_once_from_one_address_are_its_limit(place: Place) -> None:
    """P10: counted where passwords are verified."""
    place.register()

    def guess(number: int) -> int:
        with Wire(place.server.address, timeout=60) as wire:
            body = {"login": EMAIL, "password": f"{WRONG} {number}"}
            return wire.call("POST", "/login", body, headers=[("x-forwarded-for", ELSEWHERE)]).status

    with ThreadPoolExecutor(20) as threads:
        statuses = list(threads.map(guess, range(200)))
    assert set(statuses) <= {401, 429, 503}
    assert place.evaluated == statuses.count(401) <= CLIENT


SPOOFED = [f"10.0.0.{number}, {ELSEWHERE}" for number in range(1, 4)]
SAME_CLIENT: dict[str, list[str]] = {
    "X-Forwarded-For": [*SPOOFED, f"unknown,{ELSEWHERE}", f" , {ELSEWHERE} ", f"{ELSEWHERE}, 127.0.0.1"],
    "IPv6 /64": [f"2001:db8:1:2:{number:x}::{number:x}" for number in range(1, 7)],
    "IPv4 in IPv6": [ELSEWHERE, f"::ffff:{ELSEWHERE}", f"::FFFF:{ELSEWHERE}", "::ffff:c633:6409", *SPOOFED[:2]],
}


@pytest.mark.parametrize("trick", SAME_CLIENT)
def test_no_way_to_write_an_address_is_another_client(place: Place, trick: str) -> None:
    """Row 55, P11."""
    place.register()
    for address in SAME_CLIENT[trick][:CLIENT]:
        place.fail(1, address=address)
    for address in SAME_CLIENT[trick]:
        assert refused(place.login(address=address)), address
    assert place.evaluated == CLIENT


def test_the_case_of_a_header_and_headers_that_mean_nothing_reset_nothing(place: Place) -> None:
    """Row 55."""
    place.register()
    place.fail(CLIENT, address=ELSEWHERE)
    for headers in (
        [("X-FORWARDED-FOR", ELSEWHERE)],
        [("x-Forwarded-For", "10.1.1.1"), ("X-forwarded-for", ELSEWHERE)],
        [("x-forwarded-for", ELSEWHERE), ("X-Real-IP", "10.1.1.1"), ("Forwarded", "for=10.1.1.1")],
        [("x-forwarded-for", ELSEWHERE), ("CF-Connecting-IP", "10.1.1.1"), ("True-Client-IP", "10.1.1.1")],
        [("x-forwarded-for", ELSEWHERE), ("user-agent", "another")],
    ):
        body = {"login": EMAIL, "password": WRONG}
        assert refused(place.wire.call("POST", "/login", body, headers=headers)), headers


SAME_NAME: dict[str, list[str]] = {
    "e-mail": [
        "alice.k@example.com",
        "ALICE.K@EXAMPLE.COM",
        " alice.k@example.com\t",
        "alice.\u212a@example.com",
        "\uff41lice.k@example.com",
        "alice.k\uff20example.com",
        "alice.k@example.com.",
        "alice.k@example\u3002com",
        "alice\u2024k@example.com",
        "alice.k@EXAMPLE.com..",
    ],
    "username": ["Alice-K", "ALICE-K", " alice-k", "alice-\u212a", "\uff41lice-k", "\u24d0lice-k", "alice\uff0dk"],
    "nobody": ["nobody@example.com", "NOBODY@example.com", "\uff4eobody@example.com", " nobody@example.com."],
}


@pytest.mark.parametrize("name", SAME_NAME)
def test_no_way_to_write_a_name_is_another_account(place: Place, name: str) -> None:
    """Row 55, P11: whether or not anybody has the name."""
    place.register("alice.k@example.com", username="alice-k")
    variants = SAME_NAME[name]
    for number in range(CLIENT):
        place.fail(1, variants[number % len(variants)], address=ELSEWHERE)
    for variant in variants:
        assert refused(place.login(variant, address=ELSEWHERE)), variant
    assert place.evaluated == CLIENT


def spray(place: Place, accounts: int, limit: int) -> None:
    """One guess at each of so many accounts, each from an address of its own, so that no other limit stops it."""
    device = known(place.register())
    statuses = []
    for number in range(accounts):
        address = f"10.{number // 250}.{number % 250}.1"
        statuses.append(place.login(f"user{number}@example.com", address=address).status)
    assert statuses == [401] * limit + [429] * (accounts - limit)
    assert place.evaluated == limit
    warned = [record for record in WITNESS.records if record.getMessage() == "excess_rate_limit_exceeded"]
    assert len(warned) == accounts - limit
    assert {(record.levelname, vars(record)["facts"]["limit"]) for record in warned} == {("WARNING", "everybody")}
    assert place.login(password=PASSWORD, address=ELSEWHERE, headers=[device]).status == 200
    place.pass_time(601)
    assert place.login(password=PASSWORD, address=ELSEWHERE).status == 200


@pytest.mark.parametrize("limit", [50])
def test_one_guess_at_each_of_many_accounts_meets_the_limit_of_everybody(place: Place, limit: int) -> None:
    """Row 56, P13: the log says so, and a known device signs in meanwhile."""
    place.start(rate_limit_everybody=limit)
    spray(place, 5 * limit, limit)


@pytest.mark.soak
def test_one_guess_at_each_of_five_thousand_accounts_meets_the_limit_of_everybody(place: Place) -> None:
    """Row 56, P13: with the default."""
    spray(place, 5000, EVERYBODY)


def test_one_address_has_a_limit_over_all_accounts(place: Place) -> None:
    """P11: and the next address has not."""
    place.register()
    for number in range(ADDRESS):
        place.fail(1, f"user{number}@example.com", address=ELSEWHERE)
    assert refused(place.login("another@example.com", address=ELSEWHERE))
    place.fail(1, "another@example.com", address="198.51.100.10")
    place.pass_time(3601)
    place.fail(1, "another@example.com", address=ELSEWHERE)


def test_a_victim_keeps_the_sessions_and_the_known_device_signs_in(place: Place) -> None:
    """Row 57, P12: refreshes, the access token, another sign-in from where the device is now; only strangers wait."""
    joined = place.register(username="alice")
    refresh, access = cookie(keyturn_refresh=joined.cookies["keyturn_refresh"]), joined.json["access_token"]
    place.block()
    place.block("alice")
    refreshed = place.call("POST", "/refresh-token", headers=[refresh])
    assert refreshed.status == 200
    assert place.call("GET", "/me", headers=[bearer(access)]).status == 200
    for name in (EMAIL, "alice"):
        again = place.login(name, PASSWORD, address=ELSEWHERE, headers=[known(joined)])
        assert again.status == 200, name
    assert refused(place.login(password=PASSWORD, address="198.51.100.10"))
    change = {"current_password": PASSWORD, "new_password": "another long password"}
    changed = place.call("POST", "/password", change, headers=[bearer(again.json["access_token"])])
    assert changed.status == 200
    new = place.login(password="another long password", address="198.51.100.10", headers=[known(changed)])
    assert new.status == 200


def test_a_client_without_cookies_is_known_where_a_live_session_of_the_account_began(place: Place) -> None:
    """P12: a native application signs in again at home, during the attack."""
    place.register(delivery="body", address="2001:db8:5:6::1")
    place.block()
    assert place.login(password=PASSWORD, address="2001:db8:5:6:7::8").status == 200
    assert refused(place.login(password=PASSWORD, address="2001:db8:5:7::1"))


def test_a_known_device_has_a_limit_of_its_own(place: Place) -> None:
    """A thief of the cookie gains five guesses, and takes nothing from anybody else."""
    device = known(place.register())
    place.fail(CLIENT, address=ELSEWHERE, headers=[device])
    assert refused(place.login(password=PASSWORD, address=ELSEWHERE, headers=[device]))
    assert place.login(password=PASSWORD, address=ELSEWHERE).status == 200


def test_no_cookie_but_a_devices_own_makes_it_known(place: Place, tmp_path: Path) -> None:
    """Garbage, the cookie of another account, that of another server, one with a tag that was changed, two at once."""
    own, other = place.register(), place.register("bob@example.com")
    stranger = Place(tmp_path / "another", None)
    foreign = stranger.register()
    stranger.close()
    device, _, tag = own.cookies["keyturn_device"].partition(".")
    flipped = f"{device}.{'B' if tag[0] == 'A' else 'A'}{tag[1:]}"
    place.block()
    for header in (
        known(other),
        known(foreign),
        cookie(keyturn_device="x"),
        cookie(keyturn_device=""),
        cookie(keyturn_device=flipped),
        cookie(keyturn_device=f"{device}.{other.cookies['keyturn_device'].partition('.')[2]}"),
        cookie(keyturn_device=f"{'0' * 24}.{tag}"),
        ("cookie", f"{known(own)[1]}; {known(own)[1]}"),
    ):
        assert refused(place.login(password=PASSWORD, address=ELSEWHERE, headers=[header])), header
    assert place.login(password=PASSWORD, address=ELSEWHERE, headers=[known(own)]).status == 200


def test_a_right_password_resets_what_stood_against_an_account(place: Place) -> None:
    """P9: consecutive failures alone count."""
    place.register()
    for _ in range(3):
        place.fail(CLIENT - 1, address=ELSEWHERE)
        assert place.login(password=PASSWORD, address=ELSEWHERE).status == 200
        # From now on the client is known by its network; the next round is another client's.
        place.call("POST", "/logout-all", headers=[bearer(place.login(password=PASSWORD).json["access_token"])])
    place.fail(CLIENT, address=ELSEWHERE)
    assert refused(place.login(address=ELSEWHERE))


def test_delays_grow_from_half_a_minute_to_an_hour_and_no_further(place: Place) -> None:
    """P9: after a hundred failures too there is an hour from one attempt to the next, and the right password ends it."""
    place.register()
    place.fail(CLIENT, address=ELSEWHERE)
    delays = []
    for _ in range(100 if place.redis is None else 12):
        answer = place.login(address=ELSEWHERE)
        assert refused(answer)
        delays.append(int(answer.values("retry-after")[0]))
        place.pass_time(delays[-1] - 2)
        assert refused(place.login(address=ELSEWHERE))
        place.pass_time(3)
        place.fail(1, address=ELSEWHERE)
    growing = [30, 60, 120, 240, 480, 960, 1920] + [3600] * (len(delays) - 7)
    assert {delay - least for delay, least in zip(delays, growing, strict=True)} <= place.rounding
    place.pass_time(3601)
    assert place.login(password=PASSWORD, address=ELSEWHERE).status == 200
    place.call("POST", "/logout-all", headers=[bearer(place.login(password=PASSWORD).json["access_token"])])
    place.fail(CLIENT, address=ELSEWHERE)


def test_the_account_as_a_whole_delays_strangers_from_everywhere(place: Place) -> None:
    """P9: a botnet with an address for every guess."""
    place.register()
    for number in range(ACCOUNT):
        place.fail(1, address=f"192.0.2.{number}")
    answer = place.login(address="192.0.2.200")
    assert int(answer.values("retry-after")[0]) - 30 in place.rounding
    place.pass_time(31)
    place.fail(1, address="192.0.2.201")
    assert int(place.login(address="192.0.2.202").values("retry-after")[0]) - 60 in place.rounding


def test_a_restart_resets_nothing(place: Place) -> None:
    """P9."""
    place.register()
    place.block()
    place.start()
    assert refused(place.login(password=PASSWORD, address=ELSEWHERE))
    assert place.evaluated == 0


def test_a_name_that_nobody_has_gets_the_same_answers(in_database: Place) -> None:
    """P7: by the limits nobody finds out who has an account."""
    in_database.register()
    seen: dict[str, list[tuple[int, list[str], bytes]]] = {EMAIL: [], "nobody@example.com": []}
    for _ in range(4):
        for name, answers in seen.items():
            for number in range(CLIENT + 1):
                answer = in_database.login(name, address=f"198.51.100.{9 + number // 3}")
                answers.append((answer.status, answer.values("retry-after"), answer.body))
        in_database.pass_time(31)
    assert seen[EMAIL] == seen["nobody@example.com"]


def test_the_answer_says_when_to_try_again(in_database: Place) -> None:
    in_database.register()
    in_database.fail(CLIENT, address=ELSEWHERE)
    in_database.pass_time(12)
    answer = in_database.login(address=ELSEWHERE)
    assert answer.values("retry-after") == ["18"]
    assert answer.values("content-type") == ["application/problem+json"]
    assert answer.json == {
        "type": "urn:keyturn:error:too_many_attempts",
        "title": "Too Many Requests",
        "status": 429,
        "code": "too_many_attempts",
        "detail": "There were too many attempts. Wait 18 seconds, then try again.",
    }
    assert answer.cookies == {}


def test_the_page_says_how_long_to_wait(in_database: Place) -> None:
    in_database.register()
    in_database.block()
    headers = [
        ("x-forwarded-for", ELSEWHERE),
        ("origin", in_database.server.issuer),
        ("content-type", "application/x-www-form-urlencoded"),
    ]
    body = f"login={EMAIL}&password={PASSWORD}".replace(" ", "+").replace("@", "%40").encode()
    answer = in_database.wire.call("POST", "//sign-in", headers=headers, body=body)
    assert answer.status == 429
    assert "There were too many attempts. Wait 30 seconds, then try again." in answer.body.decode()


CONFIRMED: dict[str, tuple[str, str, dict[str, str]]] = {
    "password": ("POST", "/password", {"new_password": "another long password"}),
    "email": ("POST", "/email", {"email": "carol@example.com"}),
    "closing": ("DELETE", "/me", {}),
}


@pytest.mark.parametrize("call", CONFIRMED)
def test_whoever_holds_a_stolen_access_token_cannot_guess_the_current_password(place: Place, call: str) -> None:
    """P9, P14: over all calls together; the owner's other session goes on, and so does the sign-in."""
    stolen = bearer(place.register().json["access_token"])
    own = bearer(place.login(password=PASSWORD).json["access_token"])
    before = place.evaluated
    for number in range(CLIENT):
        method, path, body = list(CONFIRMED.values())[number % 3]
        answer = place.call(method, path, {**body, "current_password": WRONG}, headers=[stolen])
        assert answer.code == "current_password_wrong"
    method, path, body = CONFIRMED[call]
    assert refused(place.call(method, path, {**body, "current_password": PASSWORD}, headers=[stolen]))
    assert place.evaluated == before + CLIENT
    assert place.call("GET", "/me", headers=[stolen]).status == 200
    assert place.login(password=PASSWORD, address=ELSEWHERE).status == 200
    assert place.call(method, path, {**body, "current_password": PASSWORD}, headers=[own]).status in {200, 204}


def test_what_was_never_evaluated_is_given_back(place: Place) -> None:
    """A sign-in that finds the hashing queue full, or the database away, is no failure."""
    place.register()
    hasher = place.server.context.hasher
    assert isinstance(hasher, CountedHasher)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hasher, "verify", overloaded)
        for _ in range(2 * ACCOUNT):
            assert place.login(address=ELSEWHERE).code == "overloaded"
    place.fail(CLIENT, address=ELSEWHERE)


def overloaded(password_hash: str | None, password: str) -> bool:
    raise Overloaded


def test_an_address_makes_so_many_accounts_an_hour(place: Place) -> None:
    """Those that exist already count too: that is how addresses are tried."""
    for number in range(REGISTRATIONS // 2):
        place.register(f"user{number}@example.com", address=ELSEWHERE)
        taken = {"email": f"user{number}@example.com", "password": PASSWORD}
        assert place.call("POST", "/register", taken, address=ELSEWHERE).code == "email_taken"
    body = {"email": "last@example.com", "password": PASSWORD}
    assert refused(place.call("POST", "/register", body, address=ELSEWHERE))
    place.register("somebody@example.com")
    place.pass_time(3601)
    assert place.call("POST", "/register", body, address=ELSEWHERE).status == 201


def test_a_client_that_refreshes_in_a_loop_is_told_to_wait_and_stays_signed_in(in_database: Place) -> None:
    """And no other session notices."""
    in_database.start(rate_limit_refresh=60)
    signed_in = in_database.register(delivery="body").json
    other = in_database.register("bob@example.com", delivery="body").json
    body = {"refresh_token": signed_in["refresh_token"]}
    answers = [in_database.call("POST", "/refresh-token", body) for _ in range(61)]
    assert [answer.status for answer in answers] == [200] * 60 + [429]
    assert answers[-1].values("retry-after") == ["60"]
    assert in_database.call("POST", "/refresh-token", {"refresh_token": other["refresh_token"]}).status == 200
    body = {"refresh_token": answers[-2].json["refresh_token"]}
    in_database.pass_time(60)
    assert in_database.call("POST", "/refresh-token", body).status == 200


def test_two_hundred_refreshes_at_once_are_no_loop(in_database: Place) -> None:
    """Tabs, and a page that was opened again and again: with the default limit nobody honest ever meets it."""
    body = {"refresh_token": in_database.register(delivery="body").json["refresh_token"]}
    assert {in_database.call("POST", "/refresh-token", body).status for _ in range(500)} == {200}


def test_nobody_signs_in_unless_it_can_be_counted_and_who_is_signed_in_stays_so(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Fails closed: 503; refreshes and access tokens go on."""
    if needs("redis-server").args[0]:
        pytest.skip(needs("redis-server").kwargs["reason"])
    redis = request.getfixturevalue("redis")
    place = Place(tmp_path / "data", redis)
    try:
        signed_in = place.register(delivery="body").json
        redis.stop()
        before = place.evaluated
        for password in (WRONG, PASSWORD):
            answer = place.login(password=password, address=ELSEWHERE)
            assert (answer.status, answer.code) == (503, "store_unavailable")
        assert place.evaluated == before
        assert place.call("POST", "/refresh-token", {"refresh_token": signed_in["refresh_token"]}).status == 200
        assert place.call("GET", "/me", headers=[bearer(signed_in["access_token"])]).status == 200
    finally:
        place.close()


def test_a_database_that_cannot_write_lets_nobody_guess(in_database: Place) -> None:
    in_database.register()
    database = in_database.server.context.database
    assert isinstance(database, FailingDatabase)
    in_database.server.context.throttle._counters._database = database
    with database.failing():
        assert in_database.login(password=PASSWORD, address=ELSEWHERE).code == "store_unavailable"
    assert in_database.evaluated == 0
    assert in_database.login(password=PASSWORD, address=ELSEWHERE).status == 200


def test_what_is_counted_names_nobody(place: Place) -> None:
    """B5: keyed hashes alone, in the table and in Redis."""
    place.register(username="alice")
    place.fail(CLIENT, address=ELSEWHERE)
    place.fail(CLIENT, "alice", address=ELSEWHERE)
    place.fail(1, "stranger@example.com", address="2001:db8::1")
    dump = dumped(place).lower()
    assert dump.count("/pair/") > 5
    for word in ("alice", "stranger", "example", ELSEWHERE, HERE, "2001:db8", "@"):
        assert word not in dump, word


def dumped(place: Place) -> str:
    """Every key that is counted by."""
    if place.redis is not None:
        return " ".join(key.decode() for key in place.redis.client.scan_iter())
    with closing(sqlite3.connect(place.data_dir / "keyturn.db")) as connection:
        return " ".join(key for (key,) in connection.execute("SELECT key FROM counters"))


def test_an_account_that_is_closed_leaves_nothing_counted(place: Place) -> None:
    """B5."""
    access = place.register(username="alice").json["access_token"]
    before = len(dumped(place).split())
    place.fail(2, address=ELSEWHERE)
    place.fail(2, "alice", address=ELSEWHERE)
    assert sum("/all/" in key or "/pair/" in key for key in dumped(place).split()) == 4
    assert place.call("DELETE", "/me", {"current_password": PASSWORD}, headers=[bearer(access)]).status == 204
    left = dumped(place)
    assert "/all/" not in left
    assert "/pair/" not in left
    assert len(left.split()) <= before + 2


def random_names(place: Place, count: int) -> None:
    """A guess at each of so many names that nobody has, from an address of its own each."""
    throttle = place.server.context.throttle
    for number in range(count):
        network = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        try:
            throttle.attempt(Attempt(f"{number}@example.com", network))
        except TooManyAttempts:
            continue


def test_random_names_leave_no_more_than_the_limit_of_everybody_lets_through(in_database: Place) -> None:
    """D9."""
    in_database.start(rate_limit_everybody=50)
    random_names(in_database, 500)
    assert len(dumped(in_database).split()) == 3 * 50 + 1


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_million_random_names_leave_no_more_either(in_database: Place) -> None:
    """D9: with the default."""
    random_names(in_database, 1_000_000)
    assert len(dumped(in_database).split()) == 3 * EVERYBODY + 1


def test_the_purge_deletes_what_has_expired_and_what_is_too_much(in_database: Place) -> None:
    """D9: of a table that is too long, what would go first."""
    random_names(in_database, 20)
    database = in_database.server.context.database
    in_database.pass_time(3600)

    def purge(keep: int) -> int:
        return database.transact(lambda tx: tx.counters.purge(1000, keep=keep))

    assert purge(keep=1000) == 21  # the addresses, and everybody
    assert purge(keep=1000) == 0
    assert purge(keep=30) == 10
    assert len(dumped(in_database).split()) == 30


def test_an_unblocked_user_need_not_wait(place: Place) -> None:
    device = known(place.register(username="alice"))
    place.block()
    place.block("alice")
    place.fail(CLIENT, address=ELSEWHERE, headers=[device])
    unblock(place.server.context, find_account(place.server.context, "alice").user)
    place.fail(1, address=ELSEWHERE, headers=[device])
    for name in (EMAIL, "alice"):
        place.fail(1, name, address="192.0.2.0")


def test_with_throttling_turned_off_no_cookie_is_set(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data") as server, Wire(server.address) as wire:
        answer = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD})
        assert json.loads(answer.body)["access_token"]
        assert set(answer.cookies) == {"keyturn_refresh"}
        for _ in range(2 * ACCOUNT):
            assert wire.call("POST", "/login", {"login": EMAIL, "password": WRONG}).status == 401
