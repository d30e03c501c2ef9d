"""What a sign-in costs beside its password hash: the two measured in turn, in one run."""

from __future__ import annotations

import statistics
import time

from benchmarks.figures import Figure
from benchmarks.running import BASE, SERVER_CORE, Connection, on_core, request, server
from keyturn.hashing import Argon2Hasher
from keyturn.system import SystemEntropy

ROUNDS = 150


def measure() -> list[Figure]:
    """The figures."""
    hasher = Argon2Hasher(SystemEntropy())
    stored = hasher.hash("correct horse")
    hashing, signing_in = [], []
    with server() as running:
        connection = Connection(running.address)
        body = {"email": "alice@example.com", "password": "correct horse", "delivery": "body"}
        assert connection.exchange(request("POST", f"{BASE}/register", body))[0] == 201
        login = request("POST", f"{BASE}/login", {"login": "alice@example.com", "password": "correct horse"})
        for _ in range(ROUNDS):
            # Both on the server's core: two cores need not be equally fast.
            with on_core(SERVER_CORE):
                began = time.perf_counter()
                assert hasher.verify(stored, "correct horse")
                hashing.append(time.perf_counter() - began)
            began = time.perf_counter()
            assert connection.exchange(login)[0] == 200
            signing_in.append(time.perf_counter() - began)
    ratio = statistics.median(s / h for s, h in zip(signing_in, hashing, strict=True))
    return [
        Figure("argon2id hash alone, median", statistics.median(hashing) * 1e3, "{:.1f} ms"),
        Figure("sign-in over HTTP, median", statistics.median(signing_in) * 1e3, "{:.1f} ms"),
        Figure("sign-in / hash, median of pairs", ratio, "{:.3f}", "at most", 1.10),
    ]
