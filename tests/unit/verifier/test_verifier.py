from __future__ import annotations

import base64
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OctKey
from tests.support.tokens import (
    ISSUER,
    NOW,
    OTHER_SECRET,
    SECRET,
    SESSION,
    access_claims,
    access_payload,
    b64,
    compact_json,
    forge,
    header,
    refresh_payload,
    signing_key,
    watched,
)

from keyturn.core.keyring import KeyRing, KeyState, from_secret
from keyturn.core.model import SECOND
from keyturn.errors import AccessTokenInvalid, SettingsError
from keyturn.testing.fakes import FakeClock
from keyturn.verifier import HostClock, TokenRefused, VerificationKey, Verifier

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

HS = signing_key("HS256")
ES = signing_key("ES256")
KEYS = [HS.verification, ES.verification]


@dataclass
class Count:
    """How often a signature was checked."""

    checks: int = 0


def counted() -> tuple[Count, VerificationKey]:
    count, key = Count(), HS.verification
    verifies = key.verifies

    def counting(message: bytes, signature: bytes) -> bool:
        count.checks += 1
        return verifies(message, signature)

    object.__setattr__(key, "verifies", counting)
    return count, key


def verifier(**arguments: Any) -> Verifier:
    return Verifier(**({"issuer": ISSUER, "keys": KEYS, "clock": FakeClock()} | arguments))


def good(key: Any = HS, **claims: Any) -> str:
    return forge(key, header(key), access_payload(**claims))


def refused(verifying: Verifier, token: Any) -> str:
    """Require a refusal that tells a client nothing; give the reason that is for us."""
    with pytest.raises(AccessTokenInvalid) as refusal:
        verifying.verify(token)
    assert str(refusal.value) == AccessTokenInvalid.message
    assert isinstance(refusal.value.__cause__, TokenRefused)
    return str(refusal.value.__cause__)


# What it accepts


@pytest.mark.parametrize("key", [HS, ES], ids=lambda key: key.algorithm)
def test_a_valid_token_says_who_it_is(key: Any) -> None:
    verifying = verifier()
    for _ in range(3):
        assert verifying.verify(good(key)) == access_claims()


def test_with_the_clock_of_the_host_a_token_of_now_is_valid() -> None:
    now = HostClock().now() // SECOND
    assert Verifier(issuer=ISSUER, keys=KEYS).verify(good(iat=now, exp=now + 60)).expires_at == now + 60
    assert HostClock().monotonic() <= HostClock().monotonic()


def test_keys_may_come_as_a_mapping_a_list_a_jwk_set_or_a_secret() -> None:
    ring = KeyRing([ES, signing_key("RS256", "next", KeyState.NEXT), signing_key("EdDSA", "old", KeyState.RETIRING)])
    for keys in (ring.verifying, list(ring.verifying.values()), iter(ring.verifying.values()), ring.jwks()):
        assert verifier(keys=keys).verify(good(ES)) == access_claims()
        assert refused(verifier(keys=[HS.verification]), good(ES)) == "the key is unknown"
    for key in ring.keys:
        assert verifier(keys=ring.jwks()).verify(good(key)) == access_claims()
    assert verifier(keys=SECRET).verify(good(from_secret(SECRET, purpose="access"))) == access_claims()


def test_a_jwk_set_with_keys_of_other_kinds_gives_those_that_we_use() -> None:
    (jwk,) = KeyRing([ES]).jwks()["keys"]
    strange = [
        {"kty": "AKP", "alg": "ML-DSA-44", "kid": "pq", "pub": "AAAA"},
        {**jwk, "kid": "other-alg", "alg": "ES384"},
        {**jwk, "kid": 7},
        {name: value for name, value in jwk.items() if name != "kid"},
        {"kty": ["EC"], "kid": "list"},
        {"kty": "oct", "kid": HS.kid, "k": b64(SECRET.encode())},
        "text",
        None,
    ]
    verifying = verifier(keys={"keys": [*strange, jwk]})
    assert verifying.verify(good(ES)) == access_claims()
    assert refused(verifying, good(HS)) == "the key is unknown"


@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.parametrize(
    "keys",
    [
        [],
        {},
        {"keys": []},
        {"keys": [None]},
        {"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": "AAAA", "y": "AAAA"}]},
        {"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": 1, "y": None}]},
        {"keys": [{"kty": "RSA", "kid": "k", "e": "AQAB", "n": b64(b"\xff" * 128)}]},
        {"keys": [{"kty": "RSA", "kid": "k", "e": "AQAC", "n": b64(b"\xff" * 256)}]},
        {"keys": [{"kty": "RSA", "kid": "k", "e": "Aw", "n": b64(b"\xff" * 256)}]},
        {"keys": KeyRing([ES]).jwks()["keys"] * 2},
        [HS.verification, HS.verification],
        "your-256-bit-secret",
        "",
    ],
    ids=[
        "no keys",
        "no set",
        "an empty set",
        "no key in the set",
        "a point off the curve",
        "coordinates that are no text",
        "a short modulus",
        "an even exponent",
        "a small exponent",
        "a key twice in a set",
        "a key twice",
        "a sample secret",
        "an empty secret",
    ],
)
def test_keys_that_cannot_be_trusted_stop_the_start(keys: Any) -> None:
    with pytest.raises(SettingsError):
        verifier(keys=keys)


def test_a_private_key_in_a_jwk_set_is_kept_as_a_public_one() -> None:
    verifying = verifier(keys={"keys": [{**ES.key.as_dict(private=True), "kid": ES.kid, "alg": "ES256"}]})
    assert verifying.verify(good(ES)) == access_claims()
    assert not any(key.key.is_private for key in verifying._trust.keys.values())


@pytest.mark.parametrize("arguments", [{"leeway": -1}, {"leeway": 31}, {"max_lifetime": 0}, {"cache_size": -1}])
def test_arguments_out_of_range_stop_the_start(arguments: dict[str, int]) -> None:
    with pytest.raises(SettingsError):
        verifier(**arguments)


# What it refuses


def test_the_audience_is_the_issuer_unless_one_is_given() -> None:
    api = "https://api.example.com"
    assert refused(verifier(), good(aud=api)) == "aud is not ours"
    assert refused(verifier(audience=api), good()) == "aud is not ours"
    assert verifier(audience=api).verify(good(aud=api))


def test_the_longest_lifetime_is_a_setting() -> None:
    assert refused(verifier(max_lifetime=599), good()) == "its lifetime is too long, or none"
    assert verifier(max_lifetime=600).verify(good())


def test_a_refresh_token_is_no_access_token() -> None:
    token = forge(HS, header(HS, "rt+jwt"), access_payload() | refresh_payload())
    assert refused(verifier(), token) == "the token is of another type"


@given(st.text() | st.binary() | st.none() | st.integers() | st.lists(st.text(), max_size=2) | st.just({"a": []}))
def test_whatever_is_presented_there_is_one_error(token: object) -> None:
    assert refused(verifier(), token)


def test_a_token_of_ten_megabytes_costs_nothing() -> None:
    token = good()[:-1] + "A" * 10_000_000
    tracemalloc.start()
    try:
        assert refused(verifier(), token) == "the token is too long, or not a string"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500_000


class CountedText(str):
    """A string that counts how often all of it is hashed."""

    __slots__ = ("hashed",)

    def __hash__(self) -> int:
        self.hashed = getattr(self, "hashed", 0) + 1
        return super().__hash__()


def test_a_long_token_is_not_even_hashed() -> None:
    usual, long = CountedText(good()), CountedText(good() + "A" * 4096)
    assert verifier().verify(usual)
    assert usual.hashed
    assert refused(verifier(), long) == "the token is too long, or not a string"
    assert not hasattr(long, "hashed")


def test_verifying_reads_no_file_and_asks_nobody() -> None:
    verifying = verifier()
    token, forged = good(), good(sub="mallory")[:-4] + "AAAA"
    with watched() as seen:
        verifying.verify(token)
        verifying.verify(token)
        refused(verifying, forged)
    assert seen == []


# The memory of good signatures


def test_a_signature_is_checked_once() -> None:
    key, verification = counted()
    verifying = verifier(keys=[verification])
    for _ in range(5):
        # A new string each time, as from the network.
        verifying.verify(good().encode().decode())
    assert key.checks == 1


def test_without_a_memory_it_is_checked_every_time() -> None:
    key, verification = counted()
    verifying = verifier(keys=[verification], cache_size=0)
    for _ in range(5):
        verifying.verify(good())
    assert key.checks == 5


@pytest.mark.parametrize("leeway", [0, 5, 30])
def test_a_known_token_expires_to_the_second(leeway: int) -> None:
    clock = FakeClock()
    verifying = verifier(clock=clock, leeway=leeway)
    token = good()
    verifying.verify(token)
    clock.set((NOW + 600 + leeway) * SECOND - 1)
    assert verifying.verify(token)
    clock.set((NOW + 600 + leeway) * SECOND)
    assert refused(verifying, token) == "it has expired"
    clock.set((NOW - 31) * SECOND)
    assert refused(verifying, token) == "it was issued in the future"
    clock.set(NOW * SECOND)
    assert verifying.verify(token)


def twin_of(token: str) -> str:
    """The other signature that ECDSA takes for the same: (r, n - s)."""
    signed, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    other = P256_ORDER - int.from_bytes(raw[32:], "big")
    return f"{signed}.{b64(raw[:32] + other.to_bytes(32, 'big'))}"


def test_a_revoked_session_is_refused_at_once_however_its_token_is_written() -> None:
    revoked: set[str] = set()
    verifying = verifier(revoked=revoked)
    token = good(ES)
    assert verifying.verify(token) == verifying.verify(twin_of(token)) == access_claims()
    revoked.add(SESSION)
    for spelling in (token, twin_of(token), forge(ES, header(ES), access_payload())):
        assert refused(verifying, spelling) == "its session has been revoked"
    for spelling in (token + "=", token + "==", token + "\n", " " + token, token + "."):
        assert refused(verifying, spelling)
    revoked.clear()
    assert verifying.verify(token)


def test_a_refused_token_is_not_remembered() -> None:
    key, verification = counted()
    clock = FakeClock()
    verifying = verifier(keys=[verification], clock=clock, revoked={SESSION})
    for token in (good(), good(sid="0" * 24, exp=NOW - 10, iat=NOW - 20), good(sub="a b")):
        before = key.checks
        refused(verifying, token)
        refused(verifying, token)
        assert key.checks == before + 2


def test_the_memory_is_bounded_and_the_oldest_goes_first() -> None:
    key, verification = counted()
    verifying = verifier(keys=[verification], cache_size=3)
    tokens = [good(jti=f"{n:024x}") for n in range(4)]
    for token in tokens:
        verifying.verify(token)
    assert key.checks == 4
    for token in tokens[1:]:
        verifying.verify(token)
    assert key.checks == 4
    verifying.verify(tokens[0])
    assert key.checks == 5


def test_when_keys_are_replaced_what_they_vouched_for_is_refused_at_once() -> None:
    verifying = verifier()
    token = good()
    verifying.verify(token)
    with pytest.raises(SettingsError):
        verifying.replace_keys([])
    assert verifying.verify(token)
    verifying.replace_keys([ES.verification])
    assert refused(verifying, token) == "the key is unknown"
    assert verifying.verify(good(ES))
    verifying.replace_keys([VerificationKey(HS.kid, "HS256", OctKey.import_key(OTHER_SECRET))])
    assert refused(verifying, token) == "the signature is wrong"


def test_nobody_changes_what_others_are_told() -> None:
    verifying = verifier()
    token = good(tenant={"ids": [1]})
    extra: Any = verifying.verify(token).extra
    with pytest.raises(TypeError):
        extra["tenant"]["ids"] = [2]
    assert verifying.verify(token).extra == {"tenant": {"ids": (1,)}}


def test_many_threads_share_one_verifier() -> None:
    verifying = verifier(cache_size=20)
    tokens = [good(jti=f"{n:024x}") for n in range(60)]
    wrong: list[object] = []

    def work(start: int) -> None:
        try:
            for step in range(600):
                number = (start * 7 + step * 11) % len(tokens)
                if verifying.verify(tokens[number]).id != f"{number:024x}":
                    wrong.append(number)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(verifying._trust.verified) == 20


# What it stands on


def test_it_is_imported_with_joserfc_alone_and_without_anything_that_signs() -> None:
    program = """
import sys
class OnlyJoserfc:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        allowed = {"keyturn", "joserfc", "cryptography", "cffi", "_cffi_backend", *sys.stdlib_module_names}
        if root not in allowed:
            raise ModuleNotFoundError(f"{name} is not installed here")
sys.meta_path.insert(0, OnlyJoserfc())
import keyturn.verifier
signing = {"keyring", "access_token", "refresh_token"}
print(sorted(name for name in sys.modules if name == "keyturn.system" or name.removeprefix("keyturn.core.") in signing))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.stderr) == ("[]\n", "")


def test_it_is_printed_without_its_keys() -> None:
    assert SECRET not in repr(verifier(keys=SECRET))
    assert compact_json(header(HS)).decode() not in repr(verifier())
