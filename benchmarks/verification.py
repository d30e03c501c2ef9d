"""Verifying and minting tokens, beside PyJWT on the same machine in the same run.

    python -m benchmarks.verification

Each figure is the median of several rounds, and the rounds of all contestants are interleaved, so that a machine that is busy
for a while is so for everybody. PyJWT is called as its documentation says, and checks audience and issuer. Every token is a new
string in every round, as from the network.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial

import jwt

from benchmarks.figures import Figure, table
from keyturn.core import access_token, refresh_token
from keyturn.core.keyring import SigningKey
from keyturn.core.model import AccessClaims, RefreshToken
from keyturn.errors import AccessTokenInvalid
from keyturn.stores.keys import new_key
from keyturn.verifier import Verifier

ISSUER = "https://accounts.example.com"
TOKENS = 10_000
MINTED = 2000
ROUNDS = 7

Work = Callable[[str], object]


def claims(now: int, rng: random.Random) -> AccessClaims:
    ids = [rng.randbytes(12).hex() for _ in range(3)]
    return AccessClaims(*ids, issued_at=now, expires_at=now + 600, authenticated_at=now - 60, roles=("user",))


def microseconds(work: Work, tokens: Sequence[str]) -> float:
    """The mean time of one call over all the tokens."""
    gc.collect()
    started = time.perf_counter_ns()
    for token in tokens:
        work(token)
    return (time.perf_counter_ns() - started) / 1000 / len(tokens)


def fresh(tokens: Sequence[str], rng: random.Random) -> list[str]:
    """The tokens in random order as new strings, as they come from the network: their hashes are not known yet."""
    copies = [token.encode().decode() for token in tokens]
    rng.shuffle(copies)
    return copies


def medians(contestants: dict[str, tuple[Work, int]], tokens: Sequence[str], rng: random.Random) -> dict[str, float]:
    """Microseconds for one call of each; a contestant is its work and how many tokens a round of it takes."""
    times: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, (work, count) in contestants.items():
            times[name].append(microseconds(work, fresh(tokens, rng)[:count]))
    return {name: statistics.median(measured) for name, measured in times.items()}


def peer(key: SigningKey) -> Work:
    material = key.verification.key
    verifying = material.raw_value if key.algorithm == "HS256" else material.public_key

    def decode(token: str) -> object:
        return jwt.decode(token, verifying, algorithms=[key.algorithm], audience=ISSUER, issuer=ISSUER)

    return decode


def verification(algorithm: str, rng: random.Random) -> list[Figure]:
    key = new_key("access", algorithm, 0)
    now = int(time.time())
    tokens = [access_token.mint(claims(now, rng), issuer=ISSUER, audience=ISSUER, key=key) for _ in range(TOKENS)]
    cached = Verifier(issuer=ISSUER, keys=[key.verification], cache_size=TOKENS)
    cold = Verifier(issuer=ISSUER, keys=[key.verification], cache_size=0)
    for token in tokens:
        cached.verify(token)
    some = TOKENS if algorithm == "HS256" else TOKENS // 10
    measured = medians(
        {"PyJWT": (peer(key), some), "cold": (cold.verify, some), "cached": (cached.verify, TOKENS)}, tokens, rng
    )
    theirs = measured["PyJWT"]
    cold_wanted = ("at least", 1.0) if algorithm == "HS256" else ()
    return [
        Figure(f"PyJWT decode, {algorithm}", theirs, "{:.2f} us"),
        Figure(f"first verification, {algorithm}: times PyJWT", theirs / measured["cold"], "{:.2f}", *cold_wanted),
        Figure(f"cached verification, {algorithm}: times PyJWT", theirs / measured["cached"], "{:.1f}", "at least", 20),
    ]


def minting(rng: random.Random) -> list[Figure]:
    now = int(time.time())
    said = claims(now, rng)
    ids = [rng.randbytes(12).hex() for _ in range(4)]
    token = RefreshToken(ids[0], ids[1], 7, ids[2], ids[3])
    minters: dict[str, Callable[[], str]] = {
        f"minting an access token, {algorithm}": partial(
            access_token.mint, said, issuer=ISSUER, audience=ISSUER, key=new_key("access", algorithm, 0)
        )
        for algorithm in ("HS256", "ES256", "EdDSA")
    }
    minters["minting a refresh token"] = partial(
        refresh_token.mint,
        token,
        issuer=ISSUER,
        issued_at_seconds=now,
        expires_at_seconds=now + 600,
        key=new_key("refresh", "HS256", 0),
    )
    contestants = {name: ((lambda _, mint=mint: mint()), MINTED) for name, mint in minters.items()}
    measured = medians(contestants, [""] * MINTED, rng)
    return [Figure(name, time_each, "{:.2f} us") for name, time_each in measured.items()]


def refusal() -> Figure:
    key = new_key("access", "HS256", 0)
    verifier = Verifier(issuer=ISSUER, keys=[key.verification])
    huge = "a" * 5_000_000 + "." + "b" * 5_000_000 + ".c"

    def refuse(token: str) -> None:
        try:
            verifier.verify(token)
        except AccessTokenInvalid:
            return
        raise AssertionError("a token of 10 MB was accepted")

    first = statistics.median(microseconds(refuse, [huge.encode().decode()]) for _ in range(ROUNDS))
    return Figure("refusing a token of 10 MB", first / 1000, "{:.2f} ms", "at most", 5.0)


def measure() -> list[Figure]:
    """The figures."""
    rng = random.Random(1)
    figures = [figure for algorithm in ("HS256", "ES256", "EdDSA", "RS256") for figure in verification(algorithm, rng)]
    return [*figures, *minting(rng), refusal()]


if __name__ == "__main__":
    print(table(measure()))
