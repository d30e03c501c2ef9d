from __future__ import annotations

import traceback
from collections.abc import Callable
from math import prod
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from tests.support.tokens import SECRET, b64, signing_key

from keyturn.core.keys import VerificationKey, check_secret_strength, kid_of_secret, secret_bytes, shared_key
from keyturn.errors import SettingsError
from keyturn.system import generate_key
from keyturn.testing.fakes import SeededEntropy

EC_JWK = signing_key("ES256").key.as_dict(private=False)


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "HS256"])
def test_a_key_made_here_is_accepted(algorithm: str) -> None:
    assert VerificationKey("a-kid", algorithm, generate_key(algorithm)).algorithm == algorithm


def test_random_secrets_are_accepted_in_every_usual_spelling() -> None:
    entropy = SeededEntropy()
    for _ in range(2000):
        for size in (32, 48, 64):
            data = entropy.random_bytes(size)
            check_secret_strength(data)
            check_secret_strength(data.hex())
        check_secret_strength(entropy.random_bytes(16).hex())


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "secret",
        "changeme",
        "your-256-bit-secret",
        "your-384-bit-secret",
        "your-512-bit-secret",
        SECRET[:31],
        "a-string-secret-at-least-256-bits-long",
        "a-valid-string-secret-that-is-at-least-512-bits-long-which-is-very-long",
        "your-256-bit-secret-your-256-bit-secret",
        "super-secret-key-change-me-in-production-please",
        "CHANGE_THIS_TO_A_LONG_RANDOM_STRING_IN_PRODUCTION",
        "my_super_secret_jwt_key_for_development_only_1",
        "replace-me-with-something-that-is-long-enough",
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970",
        "404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970\n",
        "a" * 64,
        "\0" * 64,
        "ab" * 32,
        "01234567" * 8,
        "correct-horse-battery" * 3,
        "12345678901234567890123456789012",
        "abcdefghijklmnopqrstuvwxyz012345",
        "aaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbcccccccccccccccc",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGj3WnqLz0 me@host",
        "\n ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGj3WnqLz0 me@host",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlz me@host",
        '{"kty":"oct","k":"' + SECRET + '"}',
        SECRET + "\udc80",
    ],
)
def test_a_secret_that_can_be_guessed_is_refused_with_advice_and_without_a_word_of_it(secret: str) -> None:
    with pytest.raises(SettingsError, match=r"KEYTURN_SECRET .*secrets\.token_urlsafe\(48\)") as refusal:
        shared_key(secret, name="KEYTURN_SECRET")
    printed = "".join(traceback.format_exception(refusal.value))
    assert len(secret) < 20 or secret not in printed


@pytest.mark.parametrize("spelling", ["as_pem", "as_der"])
@pytest.mark.parametrize(
    "key", [ECKey.generate_key("P-256"), OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2048)]
)
def test_a_public_key_is_refused_as_a_secret(key: Any, spelling: str) -> None:
    data = getattr(key, spelling)(private=False)
    with pytest.raises((SettingsError, ValueError)):
        VerificationKey("kid", "HS256", OctKey.import_key(data))


ODD_PRIMES = [number for number in range(3, 168, 2) if all(number % odd for odd in range(3, number, 2))]


def like_roca(but_for: int = 1) -> int:
    """A modulus of 2048 bits that is a power of 65537 modulo every odd prime up to 167, but for one."""
    product = prod(ODD_PRIMES) // but_for
    number = 2**2047 + -(2**2047) % product + pow(65537, 12345, product)
    powers = {pow(65537, power, but_for) for power in range(but_for)}
    while number % 2 == 0 or (but_for > 1 and number % but_for in powers):
        number += product
    return number


def rsa_with_modulus(modulus: int) -> RSAKey:
    return RSAKey.import_key({"kty": "RSA", "e": "AQAB", "n": b64(modulus.to_bytes(256, "big"))})


def rsa(bits: int = 2048, exponent: int = 65537) -> RSAKey:
    return RSAKey.import_key(generate_private_key(exponent, bits))


@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.parametrize(
    ("algorithm", "key", "why"),
    [
        ("RS256", lambda: rsa(1024), "1024 bits"),
        ("RS256", lambda: rsa(exponent=3), "exponent"),
        ("ES256", lambda: ECKey.generate_key("P-384"), "another kind"),
        ("ES256", lambda: ECKey.generate_key("secp256k1"), "another kind"),
        ("EdDSA", lambda: OKPKey.generate_key("Ed448"), "curve Ed448"),
        ("EdDSA", lambda: OKPKey.generate_key("X25519"), "curve X25519"),
        ("HS256", lambda: OctKey.import_key(b"\0" * 32), "repeats itself"),
        ("HS256", lambda: OctKey.import_key(b"short secret of 28 bytes ..."), "28 bytes"),
        ("ES256", lambda: RSAKey.generate_key(2048), "another kind"),
        ("RS256", lambda: ECKey.generate_key("P-256"), "another kind"),
        ("HS256", lambda: ECKey.generate_key("P-256"), "another kind"),
        ("ES256", lambda: ECKey.generate_key("P-256", {"use": "enc"}), "another use"),
        ("RS256", lambda: RSAKey.generate_key(2048, {"alg": "PS256"}), "another use"),
        ("ES256", lambda: ECKey.import_key({**EC_JWK, "key_ops": ["encrypt"]}), "another use"),
        ("RS256", lambda: rsa_with_modulus(like_roca()), "CVE-2017-15361"),
        ("PS256", lambda: RSAKey.generate_key(2048), "not an algorithm"),
        ("none", lambda: OctKey.import_key(SECRET), "not an algorithm"),
        ("Ed25519", lambda: OKPKey.generate_key("Ed25519"), "not an algorithm"),
    ],
)
def test_a_key_that_its_algorithm_is_not_safe_with_is_refused(algorithm: str, key: Any, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        VerificationKey("a-kid", algorithm, key())


PHRASES = [
    "changeme",
    "change-this",
    "changeIt",
    "replace_me",
    "REPLACE-THIS",
    "placeholder",
    "do-not-use",
    "not-secret",
    "insecure",
    "super-secret",
    "top-secret",
    "secret-secret",
    "secret-key",
    "jwt-secret",
    "token-secret",
    "your-secret",
    "string-secret",
    "bit-secret",
    "bits-long",
    "long-random",
    "random-string",
    "my-secret",
    "example-key",
    "test-secret",
    "password-password",
    "abcdefghij",
    "0123456789",
    "1234567890",
    "qwertyuiop",
]


@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_that_people_leave_in_place_spoils_a_secret_however_it_is_written(phrase: str) -> None:
    for secret in (phrase + SECRET, SECRET + phrase.upper()):
        with pytest.raises(SettingsError, match="sample value"):
            check_secret_strength(secret)


EIGHT_LETTERS = "abcdefgh" + "bcadefhg" + "hgfedcba" + "gahbfced"
SECURITY_KEY = (
    "sk-ssh-ed25519@openssh.com "
    "AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4AAAABHNzaDo="
)
MAKE_ONE = """make one with: python3 -c "import secrets; print(secrets.token_urlsafe(48))\""""


@pytest.mark.filterwarnings("ignore:Key size should be")
@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (
            lambda: VerificationKey("kid", "PS256", OctKey.import_key(SECRET)),
            "'PS256' is not an algorithm of Keyturn; use one of ES256, EdDSA, RS256, HS256",
        ),
        (
            lambda: VerificationKey("a b", "HS256", OctKey.import_key(SECRET)),
            "the HS256 key needs a kid of 1 to 64 letters, digits, - or _",
        ),
        (
            lambda: VerificationKey("kid", "ES256", OctKey.import_key(SECRET)),
            "the ES256 key is a key of another kind or for another use",
        ),
        (
            lambda: VerificationKey("kid", "EdDSA", OKPKey.generate_key("Ed448")),
            "the EdDSA key is on the curve Ed448; use P-256 for ES256, Ed25519 for EdDSA",
        ),
        (
            lambda: VerificationKey("kid", "RS256", rsa(1024)),
            "the RS256 key has 1024 bits; RS256 needs 2048 to 4096: make a new key",
        ),
        (
            lambda: VerificationKey("kid", "RS256", rsa(exponent=3)),
            "the RS256 key has an unsafe public exponent; 65537 is the usual one: make a new key",
        ),
        (
            lambda: VerificationKey("kid", "RS256", rsa_with_modulus(like_roca())),
            "the RS256 key comes from a device whose keys can be broken (CVE-2017-15361): make a new key",
        ),
        (
            lambda: VerificationKey("kid", "HS256", OctKey.import_key(SECRET[:31])),
            f"the HS256 key has 31 bytes; it needs at least 32: {MAKE_ONE}",
        ),
        (lambda: shared_key("short"), f"the secret has 5 bytes; it needs at least 32: {MAKE_ONE}"),
        (lambda: check_secret_strength("short"), f"the secret has 5 bytes; it needs at least 32: {MAKE_ONE}"),
        (lambda: check_secret_strength("\udc80", "MINE"), f"MINE is not UTF-8: {MAKE_ONE}"),
        (lambda: secret_bytes("\udc80"), f"the secret is not UTF-8: {MAKE_ONE}"),
        (
            lambda: shared_key('{"kty":"oct"}' + SECRET),
            f"the secret is a key of another kind, not a shared secret: {MAKE_ONE}",
        ),
        (lambda: shared_key(SECURITY_KEY), f"the secret is a public key, not a shared secret: {MAKE_ONE}"),
        (
            lambda: shared_key("changeme" + SECRET),
            f"the secret is a sample value that everybody can guess: {MAKE_ONE}",
        ),
        (lambda: shared_key("v8Ck1m-Q" * 4), f"the secret repeats itself and can be guessed: {MAKE_ONE}"),
    ],
)
def test_a_refusal_is_a_sentence_that_says_what_to_do(refused: Callable[[], object], sentence: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        refused()
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    "secret",
    [
        EIGHT_LETTERS.replace("h", "a"),
        "q" * 17 + SECRET[:15],
        SECRET[:16] * 2,
        SECRET[:16] * 2 + SECRET[:8],
    ],
    ids=["seven letters", "one letter through the first half and beyond", "twice", "two and a half times"],
)
def test_what_repeats_itself_is_refused(secret: str) -> None:
    with pytest.raises(SettingsError, match="repeats itself"):
        check_secret_strength(secret)


@pytest.mark.parametrize(
    "secret", [EIGHT_LETTERS, SECRET[:12] + SECRET[12:18] + SECRET[:12] + SECRET[18:24]], ids=["letters", "a third"]
)
def test_what_repeats_itself_less_is_not(secret: str) -> None:
    check_secret_strength(secret)


@pytest.mark.parametrize("kid", ["", "a b", "a/b", "a.b", "k" * 65, "kid\n", "ä"])
def test_a_name_that_no_header_can_carry_is_refused(kid: str) -> None:
    with pytest.raises(SettingsError, match="kid"):
        VerificationKey(kid, "HS256", OctKey.import_key(SECRET))


def test_an_rsa_key_may_be_at_either_bound() -> None:
    numbers = {"kty": "RSA", "n": b64((2**4096 - 1).to_bytes(512, "big")), "e": b64(b"\xff" * 32)}
    assert VerificationKey("a-kid", "RS256", RSAKey.import_key(numbers))
    assert VerificationKey("a-kid", "RS256", RSAKey.import_key({**numbers, "n": b64(b"\xff" * 256), "e": "AQAB"}))


def test_a_modulus_of_the_weak_kind_is_that_modulo_every_small_prime() -> None:
    proper = [p for p in ODD_PRIMES if len({pow(65537, power, p) for power in range(p)}) < p - 1]
    assert len(proper) == 17
    for prime in proper:
        assert VerificationKey("a-kid", "RS256", rsa_with_modulus(like_roca(but_for=prime)))


def test_a_point_that_is_not_on_the_curve_is_no_key() -> None:
    with pytest.raises(ValueError, match=r"curve|point|Invalid"):
        ECKey.import_key({**EC_JWK, "y": EC_JWK["x"]})


def test_the_name_of_a_secret_depends_on_the_secret_and_the_purpose_alone() -> None:
    names = {kid_of_secret(secret, purpose) for secret in (b"a", b"b") for purpose in ("access", "refresh")}
    assert len(names) == 4
    # Everybody who holds the secret computes it, whatever release they run.
    assert kid_of_secret(b"a", "access") == "vXiCMeqEl_QwKx02RCMRGA"


def test_a_key_is_printed_without_its_material() -> None:
    assert repr(shared_key(SECRET)).startswith("VerificationKey(kid=")
    assert SECRET not in repr(shared_key(SECRET))
    assert SECRET not in repr(shared_key(SECRET).key)
