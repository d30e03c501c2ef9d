"""What is counted, in the form that Prometheus reads.

Nothing here is counted for each refresh but by adding to a number in memory; what costs more is done once a batch, or once a
second. With several workers the numbers lie in files that all of them read, so any of them tells of all
(`keyturn.server.metrics_files`); what another worker counted is up to a second old then.
"""

from __future__ import annotations

import hmac
import os
from collections import Counter as Tally
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast, get_args

import anyio.to_thread
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from keyturn.core.model import EndReason
from keyturn.core.rotation import Verdict
from keyturn.http.forwarded import was_forwarded
from keyturn.http.headers import Headers
from keyturn.ports import Announcing, Database, Metrics, PasswordHasher, SignInResult, Transaction
from keyturn.server.api import Api
from keyturn.server.app import Located
from keyturn.server.metrics_files import DIRECTORY
from keyturn.server.watch import Watch
from keyturn.service.context import Context

PATH = "/metrics"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")

disable_created_metrics()  # type: ignore[no-untyped-call]


class PrometheusMetrics(Watch, Metrics):
    """Counts for `keyturn.ports.Metrics`, and what the server itself does.

    Args:
        token: whoever has it may read the numbers.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        self._registry = registry = CollectorRegistry()
        self._tally: Tally[tuple[str | None, int | None]] = Tally()
        self._requests = Counter(
            "keyturn_requests", "Requests, by route and class of status.", ["route", "status"], registry=registry
        )
        refreshes = Counter("keyturn_refreshes", "Refreshes, by what they came to.", ["verdict"], registry=registry)
        ends = Counter("keyturn_sessions_ended", "Sessions that this ended, by reason.", ["reason"], registry=registry)
        sign_ins = Counter(
            "keyturn_sign_ins", "Sign-ins, with a password or a provider.", ["result"], registry=registry
        )
        mails = Counter(
            "keyturn_mails", "Mails, by what became of an attempt to send one.", ["result"], registry=registry
        )
        # Each is there from the start, at 0: the first theft is a rise, and not a series that begins at 1.
        self._refreshes: dict[str, Counter] = {verdict: refreshes.labels(verdict) for verdict in Verdict}
        self._ends: dict[str, Counter] = {reason: ends.labels(reason) for reason in EndReason}
        self._sign_ins: dict[str, Counter] = {result: sign_ins.labels(result) for result in get_args(SignInResult)}
        self._mails: dict[str, Counter] = {result: mails.labels(result) for result in ("sent", "put_off", "given_up")}
        self._batches = Histogram(
            "keyturn_refresh_batch_size", "Refreshes decided in one transaction.", buckets=_SIZES, registry=registry
        )
        self._hashing = Histogram(
            "keyturn_hash_seconds",
            "Hashing or checking one password, the wait for a turn included.",
            buckets=_SECONDS,
            registry=registry,
        )
        store = Histogram(
            "keyturn_store_seconds", "A transaction, to its commit.", ["kind"], buckets=_SECONDS, registry=registry
        )
        self._stores = {kind: store.labels(kind) for kind in ("read", "write")}
        self._refresh_queue = self._gauge("keyturn_refresh_queue", "Refreshes that wait for a batch.")
        self._hash_threads = self._gauge("keyturn_hash_threads", "Passwords that may be hashed at a time.")
        self._hash_busy = self._gauge("keyturn_hash_threads_busy", "Passwords that are being hashed.")
        self._hash_queue = self._gauge("keyturn_hash_queue", "Requests that wait for their password to be hashed.")

    def _gauge(self, name: str, what: str) -> Gauge:
        return Gauge(name, f"{what} As of the last second.", registry=self._registry, multiprocess_mode="livesum")

    def refreshed(self, verdicts: Collection[str]) -> None:
        for verdict, count in Tally(verdicts).items():
            self._refreshes[verdict].inc(count)

    def ended(self, reason: str, count: int) -> None:
        self._ends[reason].inc(count)

    def signed_in(self, result: SignInResult) -> None:
        self._sign_ins[result].inc()

    def mailed(self, result: str) -> None:
        self._mails[result].inc()

    def answered(self, route: str | None, status: int | None) -> None:
        self._tally[route, status] += 1

    def sample(self, api: Api) -> None:
        tally, self._tally = self._tally, Tally()
        for (route, status), count in tally.items():
            self._requests.labels(route or "other", f"{status // 100}xx" if status else "none").inc(count)
        self._refresh_queue.set(api.refreshes.waiting)
        self._hash_threads.set(api.hashing.threads)
        self._hash_busy.set(api.hashing.busy)
        self._hash_queue.set(api.hashing.waiting)

    def counting(self, decide: Callable[[Sequence[Q]], Sequence[A]]) -> Callable[[Sequence[Q]], Sequence[A]]:
        def counted(batch: Sequence[Q]) -> Sequence[A]:
            self._batches.observe(len(batch))
            return decide(batch)

        return counted

    def watching(self, context: Context) -> Context:
        watched = _WatchedAnnouncer if isinstance(context.database, Announcing) else _WatchedDatabase
        database = watched(context.database, reads=self._stores["read"], writes=self._stores["write"])
        return replace(context, metrics=self, database=database, hasher=_WatchedHasher(context.hasher, self._hashing))

    def pages(self, api: Api) -> list[Located]:
        return [_MetricsPage(self, api, self._token)]

    def exposition(self) -> bytes:
        """All numbers, those of the other workers included, in the text format that Prometheus reads."""
        registry = self._registry
        if DIRECTORY in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


@dataclass(frozen=True, slots=True)
class _WatchedDatabase(Database):
    database: Database
    reads: Histogram
    writes: Histogram

    def transact(self, work: Callable[[Transaction], T]) -> T:
        with self.writes.time():
            return self.database.transact(work)

    def read(self, work: Callable[[Transaction], T]) -> T:
        with self.reads.time():
            return self.database.read(work)

    def ping(self) -> None:
        self.database.ping()

    def close(self) -> None:
        self.database.close()


class _WatchedAnnouncer(_WatchedDatabase, Announcing):
    def wait_for_news(self) -> None:
        cast(Announcing, self.database).wait_for_news()


@dataclass(frozen=True, slots=True)
class _WatchedHasher(PasswordHasher):
    hasher: PasswordHasher
    seconds: Histogram

    def hash(self, password: str) -> str:
        with self.seconds.time():
            return self.hasher.hash(password)

    def verify(self, password_hash: str | None, password: str) -> bool:
        with self.seconds.time():
            return self.hasher.verify(password_hash, password)

    def is_outdated(self, password_hash: str) -> bool:
        return self.hasher.is_outdated(password_hash)

    def can_verify(self, password_hash: str) -> bool:
        return self.hasher.can_verify(password_hash)


@dataclass(frozen=True, slots=True)
class _MetricsPage:
    """`/metrics`, for whoever has the token and asks this server itself. To everybody else there is nothing at that path.

    A proxy says of what it passes on that it does so. So what comes from outside is refused even with the token.

    Attributes:
        token: the secret that a request must bear (RFC 6750).
    """

    metrics: PrometheusMetrics
    api: Api
    token: bytes
    path: str = PATH

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: Headers = scope["keyturn.headers"]
        kind, _, presented = (headers.single(b"authorization") or "").partition(" ")
        known = hmac.compare_digest(presented.strip().encode("latin-1"), self.token)
        if kind.lower() != "bearer" or not known or was_forwarded(headers):
            raise HTTPException(404)
        scope["keyturn.route"] = self.path
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        self.metrics.sample(self.api)
        body = await anyio.to_thread.run_sync(self.metrics.exposition)
        fields = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await send(
            {"type": "http.response.start", "status": 200, "headers": [*fields, (b"cache-control", b"no-store")]}
        )
        await send({"type": "http.response.body", "body": body if scope["method"] == "GET" else b""})
