"""`/metrics`: what it counts, and who may read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.client import EMAIL, PASSWORD, Browser
from tests.support.postgres import Cluster
from tests.support.programs import needs
from tests.support.server import LiveServer
from tests.support.wire import Wire, bearer, refresh, register

from keyturn.ports import Announcing
from keyturn.server.metrics import PrometheusMetrics

TOKEN = "Vq8LxT3nRw6ZbK9cHs2MdY5gJf7PaE4u"

Samples = dict[tuple[str, str], float]


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[LiveServer]:
    """A server that counts."""
    with LiveServer(tmp_path / "data", metrics_token=TOKEN) as live:
        yield live


@pytest.fixture
def wire(counted: LiveServer) -> Iterator[Wire]:
    """To a server that has done what it does at its start: the two writes of a purge."""
    with Wire(counted.address) as wire:
        while scrape(wire)["keyturn_store_seconds_count", "write"] < 2:
            pass
        yield wire


def samples(text: str) -> Samples:
    """The value of each sample, by its name and the values of its labels."""
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(wire: Wire) -> Samples:
    answer = wire.call("GET", "//metrics", headers=[bearer(TOKEN)])
    assert answer.status == 200
    return samples(answer.body.decode())


def rose(before: Samples, after: Samples, name: str) -> dict[str, float]:
    """What rose since, by the values of the labels."""
    changed = {key[1]: value - before.get(key, 0) for key, value in after.items() if key[0] == name}
    return {labels: change for labels, change in changed.items() if change}


def test_each_verdict_is_counted(counted: LiveServer, wire: Wire) -> None:
    token = register(wire)["refresh_token"]
    before = scrape(wire)
    first = refresh(wire, token).json["refresh_token"]  # rotated
    refresh(wire, token)  # converged
    counted.clock.advance(31)
    refresh(wire, token)  # recovered
    second = refresh(wire, first)  # the lost sibling of what was recovered
    assert second.status == 200
    counted.clock.advance(31)
    refresh(wire, second.json["refresh_token"])
    counted.clock.advance(31)
    assert refresh(wire, token).status == 403  # reused
    assert refresh(wire, token).status == 403  # ended
    after = scrape(wire)
    verdicts = rose(before, after, "keyturn_refreshes_total")
    assert verdicts == {"rotated": 3, "converged": 1, "recovered": 1, "reused": 1, "ended": 1}
    assert rose(before, after, "keyturn_sessions_ended_total") == {"reuse_detected": 1}
    assert rose(before, after, "keyturn_refresh_batch_size_sum") == {"": 7}


def test_every_verdict_and_reason_is_there_before_it_happens(wire: Wire) -> None:
    found = scrape(wire)
    for verdict in ("rotated", "converged", "recovered", "caught_up", "reused", "ended"):
        assert found["keyturn_refreshes_total", verdict] == 0
    assert found["keyturn_sessions_ended_total", "reuse_detected"] == 0
    assert found["keyturn_sign_ins_total", "refused"] == 0


def test_sign_ins_and_ends_are_counted(wire: Wire) -> None:
    register(wire)
    before = scrape(wire)
    login = {"login": EMAIL, "delivery": "body"}
    opened = wire.call("POST", "/login", {**login, "password": PASSWORD}).json
    assert wire.call("POST", "/login", {**login, "password": "not the password"}).status == 401
    assert wire.call("POST", "/logout-all", {}, headers=[bearer(opened["access_token"])]).status == 204
    after = scrape(wire)
    assert rose(before, after, "keyturn_sign_ins_total") == {"ok": 1, "failed": 1}
    assert rose(before, after, "keyturn_sessions_ended_total") == {"signed_out_everywhere": 2}
    assert rose(before, after, "keyturn_hash_seconds_count") == {"": 2}
    assert rose(before, after, "keyturn_store_seconds_count")["write"] == 2


def test_a_sign_in_that_a_limit_refuses_is_counted_as_that(tmp_path: Path) -> None:
    limits = {"rate_limits": True, "rate_limit_client": 1, "trusted_proxies": ["127.0.0.1"]}
    with LiveServer(tmp_path / "data", metrics_token=TOKEN, **limits) as live, Wire(live.address) as wire:
        login = {"login": EMAIL, "password": "not the password"}
        by_proxy = [("X-Forwarded-For", "203.0.113.7")]
        assert [wire.call("POST", "/login", login, headers=by_proxy).status for _ in range(3)] == [401, 429, 429]
        found = scrape(wire)
        assert [found["keyturn_sign_ins_total", result] for result in ("ok", "failed", "refused")] == [0, 1, 2]


def test_requests_are_counted_by_route_and_class_of_status(wire: Wire) -> None:
    before = scrape(wire)
    wire.call("GET", "//healthz")
    wire.call("GET", "/me")
    wire.call("GET", "//nothing/here")
    wire.call("DELETE", "/sessions/0123456789abcdef01234567")
    assert rose(before, scrape(wire), "keyturn_requests_total") == {
        "/healthz,2xx": 1,
        "/api/v1/auth/me,4xx": 1,
        "other,4xx": 1,
        "/api/v1/auth/sessions/{id},4xx": 1,
        "/metrics,2xx": 1,
    }


def test_what_waits_is_shown(wire: Wire, counted: LiveServer) -> None:
    found = scrape(wire)
    assert found["keyturn_hash_threads", ""] == counted.settings.hash_concurrency
    assert [found[f"keyturn_{name}", ""] for name in ("refresh_queue", "hash_queue", "hash_threads_busy")] == [0, 0, 0]


def test_no_number_is_about_anybody(wire: Wire) -> None:
    """No label holds an id, an address or a name: what is counted has few values, all known beforehand."""
    opened = register(wire, "nobody.else@example.com")
    refresh(wire, opened["refresh_token"])
    text = wire.call("GET", "//metrics", headers=[bearer(TOKEN)]).body.decode()
    for secret in (opened["user"]["id"], opened["session"]["id"], "example.com", "127.0.0.1", "Firefox"):
        assert secret not in text


STRANGERS = [
    [],
    [bearer("")],
    [bearer(TOKEN[:-1])],
    [bearer(TOKEN + "x")],
    [bearer(TOKEN.lower())],
    [bearer("Vq8LxT3nRw6ZbK9cHs2MdY5gJf7Pa\xe9")],
    [("authorization", TOKEN)],
    [("authorization", f"Basic {TOKEN}")],
    [("cookie", f"token={TOKEN}")],
    [("x-forwarded-for", "127.0.0.1")],
]
FORWARDED = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via"]


@pytest.mark.parametrize("number", range(len(STRANGERS)))
def test_a_stranger_finds_nothing_there(wire: Wire, number: int) -> None:
    """Row 88."""
    nothing = wire.call("GET", "//nothing/here", headers=STRANGERS[number])
    found = wire.call("GET", "//metrics", headers=STRANGERS[number])
    assert (found.status, found.code) == (404, "not_found")
    assert [name for name, _ in found.headers] == [name for name, _ in nothing.headers]
    assert wire.call("POST", "//metrics", headers=STRANGERS[number]).status == 404


def test_two_authorizations_are_none(wire: Wire) -> None:
    assert wire.call("GET", "//metrics", headers=[bearer(TOKEN), bearer(TOKEN)]).status == 404


@pytest.mark.parametrize("header", FORWARDED)
def test_what_a_proxy_passes_on_is_refused_even_with_the_token(tmp_path: Path, header: str) -> None:
    """Row 88: a path that a proxy lets through by mistake shows nothing."""
    behind = LiveServer(tmp_path / "data", metrics_token=TOKEN, trusted_proxies="127.0.0.0/8")
    with behind, Wire(behind.address) as wire:
        passed_on = [bearer(TOKEN), (header, "203.0.113.9")]
        assert wire.call("GET", "//metrics", headers=passed_on).status == 404
        assert wire.call("GET", "//metrics", headers=[bearer(TOKEN)]).status == 200


def test_without_the_setting_there_is_nothing(server: LiveServer, browser: Browser) -> None:
    with Wire(server.address) as wire:
        for token in ("", "None", TOKEN):
            assert wire.call("GET", "//metrics", headers=[bearer(token)]).status == 404


def test_a_scraper_knows_the_machine_by_its_address(tmp_path: Path) -> None:
    """Directly, under any host name and without TLS, as the probes do."""
    public = LiveServer(tmp_path / "data", metrics_token=TOKEN, issuer="https://auth.example.com")
    with public, Wire(public.address, host="10.0.0.3:8000") as wire:
        assert wire.call("GET", "//metrics", headers=[bearer(TOKEN)]).status == 200
        assert wire.call("GET", "//metrics").status == 404


def test_it_is_only_read(wire: Wire) -> None:
    answer = wire.call("POST", "//metrics", headers=[bearer(TOKEN)])
    assert (answer.status, answer.values("allow")) == (405, ["GET, HEAD"])
    head = wire.call("HEAD", "//metrics", headers=[bearer(TOKEN)])
    assert (head.status, head.body) == (200, b"")
    assert head.values("content-type") == ["text/plain; version=0.0.4; charset=utf-8"]


@needs("postgres")
def test_a_database_that_is_watched_still_tells_its_news(tmp_path: Path, postgres: Cluster) -> None:
    with LiveServer(tmp_path / "data", metrics_token=TOKEN, database_url=postgres.database()) as live:
        watched = PrometheusMetrics(TOKEN).watching(live.context)
        assert isinstance(live.context.database, Announcing)
        assert isinstance(watched.database, Announcing)
