"""The verifier itself: the gate, a memory of good signatures, and what is asked at every use."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Container, Mapping
from threading import Lock

from keyturn.core.gate import ACCESS_TYPES, MAX_TOKEN_BYTES, TokenRefused, check_access_claims, check_time, open_token
from keyturn.core.keys import VerificationKey
from keyturn.core.model import SECOND, AccessClaims, Micros
from keyturn.errors import AccessTokenInvalid, SettingsError
from keyturn.ports import Clock
from keyturn.verifier.keys import KeySource, verification_keys

MAX_LEEWAY_SECONDS = 30


class HostClock:
    """The host's clock. `keyturn.system` has one as well, but it can make keys, and a verifier holds nothing that can."""

    def now(self) -> Micros:
        return time.time_ns() // 1000  # noqa: TID251 a resource server installs the verifier alone

    def monotonic(self) -> Micros:
        return time.monotonic_ns() // 1000  # noqa: TID251 as above


class _Trust:
    """A set of keys, and the tokens that were seen to be signed by them.

    Both go together: when the keys are replaced, what the old ones vouched for is forgotten in the same step. The oldest
    entry goes first, which is about the one that expires first, since all tokens live equally long.
    """

    __slots__ = ("_lock", "_size", "keys", "verified")

    def __init__(self, keys: Mapping[str, VerificationKey], size: int) -> None:
        self.keys = keys
        self.verified: OrderedDict[str, AccessClaims] = OrderedDict()
        self._size = size
        self._lock = Lock()

    def remember(self, token: str, claims: AccessClaims) -> None:
        with self._lock:
            self.verified[token] = claims
            if len(self.verified) > self._size:
                self.verified.popitem(last=False)


class Verifier:
    """Verifies access tokens. Safe to use from several threads; makes no request and reads no file.

    A signature is checked once per token; its expiry and its revocation are checked at every use. Only tokens that were valid are
    remembered, at most `cache_size` of them: with the usual 500 bytes, 10 000 take about 15 MB.

    Args:
        issuer: what `iss` must be: the issuer's public URL.
        keys: the issuer's JWK set, or keys, or the shared secret.
        audience: what `aud` must be; by default the issuer.
        leeway: how many seconds after `exp` a token is still taken; at most 30.
        max_lifetime: the most seconds that a token may be valid for, whatever the issuer thought.
        cache_size: how many tokens are remembered; 0 for none.
        clock: where time comes from.
        revoked: the ids of sessions whose tokens are refused; asked at every use.

    Raises:
        SettingsError: an argument is out of range, or a key is not acceptable.
    """

    def __init__(
        self,
        *,
        issuer: str,
        keys: KeySource,
        audience: str | None = None,
        leeway: int = 5,
        max_lifetime: int = 900,
        cache_size: int = 10_000,
        clock: Clock | None = None,
        revoked: Container[str] = frozenset(),
    ) -> None:
        if not 0 <= leeway <= MAX_LEEWAY_SECONDS:
            raise SettingsError(f"the leeway is {leeway} seconds; it must be 0 to {MAX_LEEWAY_SECONDS}")
        if max_lifetime <= 0 or cache_size < 0:
            raise SettingsError("max_lifetime must be positive, and cache_size not negative")
        self._issuer = issuer
        self._audience = issuer if audience is None else audience
        self._leeway = leeway
        self._max_lifetime = max_lifetime
        self._cache_size = cache_size
        self._now = (clock or HostClock()).now
        self._revoked = revoked
        self.replace_keys(keys)

    def replace_keys(self, keys: KeySource) -> None:
        """Trust these keys from now on, and no others: what was signed by a key that is gone is refused at once.

        Raises:
            SettingsError: a key is not acceptable; nothing was changed.
        """
        self._trust = _Trust(verification_keys(keys), self._cache_size)

    def verify(self, token: str) -> AccessClaims:
        """Say what a valid access token says.

        Args:
            token: what was presented, without the word Bearer.

        Raises:
            AccessTokenInvalid: malformed, forged, expired or revoked; its cause says why, for a log, and quotes nothing.
        """
        trust = self._trust
        # Looking up a long string would first hash all of it.
        known = trust.verified.get(token) if isinstance(token, str) and len(token) <= MAX_TOKEN_BYTES else None
        try:
            claims = self._read(token, trust.keys) if known is None else known
            check_time(claims, self._now() // SECOND, self._leeway)
        except TokenRefused as refused:
            raise AccessTokenInvalid from refused
        if claims.session_id in self._revoked:
            raise AccessTokenInvalid from TokenRefused("its session has been revoked")
        if known is None:
            trust.remember(token, claims)
        return claims

    def _read(self, token: str, keys: Mapping[str, VerificationKey]) -> AccessClaims:
        return check_access_claims(
            open_token(token, types=ACCESS_TYPES, keys=keys),
            issuer=self._issuer,
            audience=self._audience,
            max_lifetime=self._max_lifetime,
        )
