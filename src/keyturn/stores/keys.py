"""The signing keys, in one file of the data directory: `keys.json`, readable by its user alone. Keys are never in the database.

The file is replaced as a whole and never written in place, and whoever would replace it holds a lock; so two processes that start
at once agree on one set of keys, and a crash leaves the old file or the new one.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from joserfc.jwk import JWKRegistry, OctKey

from keyturn.core import strict_json
from keyturn.core.keyring import KeyRing, KeyState, SigningKey, check_secrets_differ, from_secret
from keyturn.core.keys import ALGORITHMS, ES256, HS256, kid_of_secret
from keyturn.core.model import Micros
from keyturn.errors import SettingsError
from keyturn.system import generate_key

FILE_NAME = "keys.json"
LOCK_NAME = "keys.lock"
FORMAT = 1
MAX_FILE_BYTES = 1 << 20

ACCESS, REFRESH = PURPOSES = ("access", "refresh")

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

Rings = dict[str, tuple[SigningKey, ...]]
"""The keys by purpose."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The key rings of a server, one for each purpose."""

    access: KeyRing
    refresh: KeyRing


def load_or_create(
    data_dir: Path,
    *,
    now: Micros,
    access_algorithm: str = ES256,
    access_secret: str | None = None,
    refresh_secret: str | None = None,
    rotate: bool = True,
) -> Keys:
    """The keys to sign and verify with: those configured, for the rest those of the data directory, made if there are none.

    If `access_algorithm` is not the active key's, a new key takes over and the old one is retiring: its tokens still verify.

    Args:
        data_dir: where `keys.json` is; made if it is missing. Not touched if both secrets are given.
        now: the time, in microseconds since the epoch.
        access_algorithm: what access tokens are signed with, where no secret is given for them.
        access_secret: a shared secret for access tokens (HS256), instead of the file's keys.
        refresh_secret: a secret for refresh tokens, likewise.
        rotate: whether a key takes over from one of another algorithm. A command that signs nothing leaves that to the server.

    Raises:
        SettingsError: a secret can be guessed or serves both purposes; or the directory or the file is open to others,
            belongs to somebody else, or cannot be used.
    """
    check_secrets_differ(access_secret, refresh_secret)
    configured: Rings = {}
    if access_secret is not None:
        configured[ACCESS] = (from_secret(access_secret, purpose=ACCESS, name="the secret for access tokens"),)
    if refresh_secret is not None:
        configured[REFRESH] = (from_secret(refresh_secret, purpose=REFRESH, name="the secret for refresh tokens"),)
    wanted = {ACCESS: access_algorithm, REFRESH: HS256}
    wanted = {purpose: algorithm for purpose, algorithm in wanted.items() if purpose not in configured}
    rings = {**(_stored(data_dir, wanted, now, rotate) if wanted else {}), **configured}
    return Keys(KeyRing(rings[ACCESS]), KeyRing(rings[REFRESH]))


def ensure_private_directory(path: Path) -> None:
    """Make a directory that only its user can enter, or require an existing one to be so.

    Raises:
        SettingsError: it is open to others, belongs to somebody else, or cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
    except OSError as error:
        raise SettingsError(f"the data directory {path} cannot be used: {error.strerror}") from None
    _check_private(path, status, "700")


def _check_private(path: Path, status: os.stat_result, mode: str) -> None:
    if status.st_uid != os.geteuid():
        raise SettingsError(f"{path} belongs to another user: chown it, or start as that user")
    if status.st_mode & _OTHERS:
        raise SettingsError(f"{path} is open to other users: chmod {mode} {path}")


def _stored(data_dir: Path, wanted: Mapping[str, str], now: Micros, rotate: bool) -> Rings:
    ensure_private_directory(data_dir)

    def complete(rings: Rings) -> Rings:
        return rings | {p: _taken_over(p, a, rings, now) for p, a in _lacking(rings, wanted, rotate)}

    rings = read(data_dir)
    return update(data_dir, complete) if _lacking(rings, wanted, rotate) else rings


def _lacking(rings: Rings, wanted: Mapping[str, str], rotate: bool) -> list[tuple[str, str]]:
    """The purposes without an active key (where one may take over: of the wanted algorithm), with that algorithm."""
    active = {p: {key.algorithm for key in ring if key.state is KeyState.ACTIVE} for p, ring in rings.items()}
    return [
        (purpose, algorithm)
        for purpose, algorithm in wanted.items()
        if not (algorithm in active.get(purpose, ()) if rotate else active.get(purpose))
    ]


def _taken_over(purpose: str, algorithm: str, rings: Rings, now: Micros) -> tuple[SigningKey, ...]:
    """A new active key, and the keys there were; the one that was active is retiring."""
    retired = [
        replace(key, state=KeyState.RETIRING) if key.state is KeyState.ACTIVE else key for key in rings.get(purpose, ())
    ]
    return (new_key(purpose, algorithm, now), *retired)


def new_key(purpose: str, algorithm: str, now: Micros, state: KeyState = KeyState.ACTIVE) -> SigningKey:
    """A new key, made here.

    Raises:
        SettingsError: there is no such algorithm.
    """
    if algorithm not in ALGORITHMS:
        raise SettingsError(f"{algorithm!r} is not an algorithm of Keyturn; use one of {', '.join(ALGORITHMS)}")
    key = generate_key(algorithm)
    kid = kid_of_secret(key.raw_value, purpose) if isinstance(key, OctKey) else key.thumbprint()
    return SigningKey(kid, algorithm, key, state, now)


def read(data_dir: Path) -> Rings:
    """The keys in the file, by purpose; none if there is no file.

    Raises:
        SettingsError: the file is open to others, belongs to somebody else, or is not a key file that we understand.
    """
    file = data_dir / FILE_NAME
    try:
        # Not to be held up by whatever may lie there under this name.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as stream:
            _check_private(file, os.fstat(descriptor), "600")
            data = stream.read(MAX_FILE_BYTES)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}") from None
    return _parsed(file, data)


def update(data_dir: Path, change: Callable[[Rings], Rings]) -> Rings:
    """Replace the keys in the file by what `change` makes of them. One process at a time; durable when it returns.

    Raises:
        SettingsError: the file cannot be read or written.
    """
    with _locked(data_dir):
        rings = read(data_dir)
        changed = change(rings)
        if changed != rings:
            _write(data_dir, changed)
    return changed


@contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    file = data_dir / LOCK_NAME
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SettingsError(f"the keys in {data_dir} cannot be written: {error.strerror}") from None


def _write(data_dir: Path, rings: Rings) -> None:
    """Called with the lock held, so one name for the new file serves all."""
    content = {"format": FORMAT} | {purpose: [_stored_form(key) for key in keys] for purpose, keys in rings.items()}
    new = data_dir / f"{FILE_NAME}.new"
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        json.dump(content, stream, indent=1)
        stream.flush()
        os.fsync(descriptor)
    new.replace(data_dir / FILE_NAME)
    directory = os.open(data_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _stored_form(key: SigningKey) -> dict[str, object]:
    jwk = key.key.as_dict(private=True, kid=key.kid, alg=key.algorithm, use="sig")
    return {"state": key.state, "created_at": key.created_at, "jwk": jwk}


def _parsed(file: Path, data: bytes) -> Rings:
    try:
        content: Any = strict_json.parse(data, max_depth=5, max_members=10_000)
        version = content["format"]
        if version == FORMAT:
            return {p: tuple(_from_stored_form(key) for key in content[p]) for p in PURPOSES if p in content}
    except SettingsError as error:
        raise SettingsError(f"{file}: {error}") from None
    except Exception:
        # Whatever is wrong with it, the original error may quote a key.
        raise SettingsError(f"{file} is damaged or not a key file of Keyturn: restore it from a backup") from None
    raise SettingsError(f"{file} has format {version!r}, this Keyturn reads {FORMAT}: it was written by a newer one")


def _from_stored_form(stored: dict[str, Any]) -> SigningKey:
    jwk = stored["jwk"]
    state, created_at = KeyState(stored["state"]), int(stored["created_at"])
    return SigningKey(jwk["kid"], jwk["alg"], JWKRegistry.import_key(jwk), state, created_at)
