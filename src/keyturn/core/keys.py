"""What a key may be, and what a verifier needs of it.

Each key has exactly one algorithm, fixed when it is made or loaded (RFC 8725, 3.1): no header of a token ever chooses one. Keys
that cannot protect anything are refused where they are loaded, with a sentence that says what to do.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from joserfc.errors import JoseError
from joserfc.jwa import EdDSAAlgorithm, JWSAlgModel
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey
from joserfc.jws import default_registry
from joserfc.util import urlsafe_b64encode

from keyturn.errors import SettingsError

ES256 = "ES256"
EDDSA = "EdDSA"
RS256 = "RS256"
HS256 = "HS256"

ALGORITHMS: Mapping[str, JWSAlgModel] = MappingProxyType(
    {
        ES256: default_registry.get_alg(ES256),
        # With Ed25519 only. Under this name, not RFC 9864's "Ed25519": most verifiers in use do not know that one yet.
        EDDSA: EdDSAAlgorithm(),
        RS256: default_registry.get_alg(RS256),
        HS256: default_registry.get_alg(HS256),
    }
)
"""The algorithms there are, by their names in JOSE."""

KID = re.compile(r"[A-Za-z0-9_-]{1,64}")

MIN_SECRET_BYTES = 32
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 4096
MIN_RSA_EXPONENT, MAX_RSA_EXPONENT = 2**16 + 1, 2**256 - 1
"""The bounds of FIPS 186-5, appendix A.1.1."""

_SMALL_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
_POWERS = {prime: frozenset(pow(65537, power, prime) for power in range(prime)) for prime in _SMALL_PRIMES}
"""What 65537 to any power leaves modulo a prime, for the primes modulo which something else can be left."""

_MIN_DISTINCT_BYTES = 8
"""32 random hexadecimal digits have 14 different ones on average, and fewer than 8 in one case of many millions."""

_MAKE_ONE = """make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))\""""

# Letters and digits of phrases that people leave in place; a random secret meets one less than once in 10**9 times.
_SAMPLE_PHRASES = re.compile(
    r"changeme|changethis|changeit|replaceme|replacethis|placeholder|donotuse|notsecret|insecure|supersecret|topsecret|"
    r"secretsecret|secretkey|jwtsecret|tokensecret|yoursecret|stringsecret|bitsecret|bitslong|longrandom|randomstring|"
    r"mysecret|examplekey|testsecret|passwordpassword|abcdefghij|0123456789|1234567890|qwertyuiop",
    re.IGNORECASE,
)

# Keys printed in standards and in tutorials that are copied often.
_SAMPLE_SECRETS = frozenset(
    {
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        "hJtXIZ2uSN5kbQfbtTNWbpdmhkV8FJG-Onbc6mxCcYg",
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "404D635166546A576E5A7234753778217A25432A462D4A614E645267556B5870",
        "3cfa76ef14937c1c0ea519f8fc057a80fcd04a7420f8e8bcd0a7567c272e007b",
        "9a4f2c8d3b7a1e6f45c8a0b3f267d8b1d4e6f3c8a9d2b5f8e3a9c8b5f6v8a3d9",
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    }
)


Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], bool]


def _keyed(secret: bytes) -> Sign:
    """HMAC-SHA256 (RFC 2104) under a secret whose two blocks are hashed once, not again for every message."""
    # Not of the standard library: a copy of that costs half as much again.
    keyed = HMAC(secret, SHA256())

    def tag(message: bytes) -> bytes:
        mac = keyed.copy()
        mac.update(message)
        return mac.finalize()

    return tag


def signer(algorithm: str, key: Key) -> Sign:
    """What signs a message with a key: private, or a shared secret."""
    return _keyed(key.raw_value) if isinstance(key, OctKey) else partial(ALGORITHMS[algorithm].sign, key=key)


def verifier(algorithm: str, key: Key) -> Verify:
    """What says whether a signature (the second argument) is of a message (the first) and of a key."""
    if not isinstance(key, OctKey):
        return partial(ALGORITHMS[algorithm].verify, key=key)
    tag = _keyed(key.raw_value)
    return lambda message, signature: hmac.compare_digest(tag(message), signature)


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key that signatures are verified with.

    Attributes:
        kid: its name in the header of a token.
        algorithm: the one algorithm it is used with, of `ALGORITHMS`.
        key: the public key, or the shared secret.
        verifies: whether a signature (the second argument) is of a message (the first) and of this key.
    """

    kid: str
    algorithm: str
    key: Key = field(repr=False)
    verifies: Verify = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_key(self.kid, self.algorithm, self.key)
        object.__setattr__(self, "verifies", verifier(self.algorithm, self.key))


def _repeats_itself(secret: bytes) -> bool:
    """Few different bytes, or the first half occurs again, as it does in every repetition."""
    return len(set(secret)) < _MIN_DISTINCT_BYTES or secret.find(secret[: len(secret) // 2], 1) != -1


def secret_bytes(secret: str, name: str = "the secret") -> bytes:
    """The bytes that a configured secret stands for.

    Raises:
        SettingsError: it is not text (an environment may hold any bytes).
    """
    try:
        return secret.encode("utf-8")
    except UnicodeEncodeError:
        raise SettingsError(f"{name} is not UTF-8: {_MAKE_ONE}") from None


def check_secret_strength(secret: str | bytes, name: str = "the secret") -> None:
    """Refuse a shared secret that can be guessed.

    Args:
        secret: what HS256 would be keyed with; as text, its UTF-8.
        name: what the message calls it, such as the name of the setting.

    Raises:
        SettingsError: it is shorter than 32 bytes (RFC 7518, 3.2), a well-known sample, a repetition, or a public key.
    """
    data = secret_bytes(secret, name) if isinstance(secret, str) else secret
    text = data.decode("latin-1").strip()
    if len(data) < MIN_SECRET_BYTES:
        raise SettingsError(f"{name} has {len(data)} bytes; it needs at least {MIN_SECRET_BYTES}: {_MAKE_ONE}")
    if "-----BEGIN" in text or text.startswith(("ssh-", "ecdsa-")) or '"kty"' in text:
        raise SettingsError(f"{name} is a key of another kind, not a shared secret: {_MAKE_ONE}")
    if text in _SAMPLE_SECRETS or _SAMPLE_PHRASES.search(re.sub(r"[^A-Za-z0-9]", "", text)):
        raise SettingsError(f"{name} is a sample value that everybody can guess: {_MAKE_ONE}")
    if _repeats_itself(data):
        raise SettingsError(f"{name} repeats itself and can be guessed: {_MAKE_ONE}")


def _is_roca(modulus: int) -> bool:
    """Whether a modulus was made by the library of CVE-2017-15361, whose keys can be factored.

    Its primes, and so their product, are powers of 65537 modulo each small prime (Nemec et al., "The Return of
    Coppersmith's Attack", 2017). So is one random modulus in 200 million.
    """
    return all(modulus % prime in powers for prime, powers in _POWERS.items())


def _check_rsa(name: str, key: RSAKey) -> None:
    numbers = key.public_key.public_numbers()
    bits, exponent = numbers.n.bit_length(), numbers.e
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise SettingsError(f"{name} has {bits} bits; RS256 needs {MIN_RSA_BITS} to {MAX_RSA_BITS}: make a new key")
    if not MIN_RSA_EXPONENT <= exponent <= MAX_RSA_EXPONENT:
        raise SettingsError(f"{name} has an unsafe public exponent; 65537 is the usual one: make a new key")
    if _is_roca(numbers.n):
        raise SettingsError(f"{name} comes from a device whose keys can be broken (CVE-2017-15361): make a new key")


def check_key(kid: str, algorithm: str, key: Key) -> None:
    """Refuse a key that its algorithm cannot be safe with.

    Raises:
        SettingsError: an unknown algorithm, a key of another kind, on another curve or for another use, RSA below 2048 bits, with
            an unsafe exponent or from a device that makes weak keys, a shared secret that can be guessed, or a `kid` that a
            header cannot carry.
    """
    name = f"the {algorithm} key"
    if algorithm not in ALGORITHMS:
        raise SettingsError(f"{algorithm!r} is not an algorithm of Keyturn; use one of {', '.join(ALGORITHMS)}")
    if not KID.fullmatch(kid):
        raise SettingsError(f"{name} needs a kid of 1 to 64 letters, digits, - or _")
    try:
        ALGORITHMS[algorithm].check_key(key)
        key.check_key_op("verify")
    except JoseError:
        raise SettingsError(f"{name} is a key of another kind or for another use") from None
    if isinstance(key, OctKey):
        check_secret_strength(key.raw_value, name)
    elif isinstance(key, RSAKey):
        _check_rsa(name, key)
    elif isinstance(key, (ECKey, OKPKey)) and key.curve_name not in ("P-256", "Ed25519"):
        raise SettingsError(f"{name} is on the curve {key.curve_name}; use P-256 for ES256, Ed25519 for EdDSA")


def kid_of_secret(secret: bytes, purpose: str) -> str:
    """The name of a shared secret: the same for everybody who holds it, different for each purpose.

    It is public. Guesses can be tested with it, as they can with any token: one more reason to refuse weak secrets.
    """
    return urlsafe_b64encode(hmac.digest(secret, b"keyturn kid " + purpose.encode(), hashlib.sha256)[:16]).decode()


def shared_key(secret: str, *, purpose: str = "access", name: str = "the secret") -> VerificationKey:
    """The HS256 key of a shared secret.

    Args:
        secret: the secret; its UTF-8 is the key.
        purpose: what its tokens are for: "access" or "refresh".
        name: what an error calls it, such as the name of the setting.

    Raises:
        SettingsError: the secret can be guessed.
    """
    data = secret_bytes(secret, name)
    check_secret_strength(data, name)
    try:
        key = OctKey.import_key(data)
    except ValueError:
        raise SettingsError(f"{name} is a public key, not a shared secret: {_MAKE_ONE}") from None
    return VerificationKey(kid_of_secret(data, purpose), HS256, key)
