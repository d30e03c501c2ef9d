from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.tokens import ISSUER, NOW, OTHER_SECRET, SECRET, access_claims

from keyturn.core import access_token
from keyturn.core.gate import ACCESS_TYPES, open_token
from keyturn.core.keyring import KeyState
from keyturn.core.model import SECOND
from keyturn.errors import SettingsError
from keyturn.stores.keys import FILE_NAME, Keys, ensure_private_directory, load_or_create, new_key, read, update

MICROS = NOW * SECOND


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "data"


def load(data_dir: Path, **arguments: Any) -> Keys:
    return load_or_create(data_dir, now=MICROS, **arguments)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def state_of(keys: Keys) -> list[tuple[str, str, str]]:
    return [(key.kid, key.algorithm, key.state) for ring in (keys.access, keys.refresh) for key in ring.keys]


def test_the_first_start_makes_keys_and_the_next_finds_them(data_dir: Path) -> None:
    made, found = load(data_dir), load(data_dir)
    assert state_of(made) == state_of(found)
    assert [key.algorithm for key in (made.access.active, made.refresh.active)] == ["ES256", "HS256"]
    assert found.access.active.created_at == MICROS
    token = access_token.mint(access_claims(), issuer=ISSUER, audience=ISSUER, key=made.access.active)
    assert open_token(token, types=ACCESS_TYPES, keys=found.access.verifying)


def test_directory_and_file_are_for_their_user_alone_whatever_the_umask(data_dir: Path) -> None:
    before = os.umask(0)
    try:
        load(data_dir)
    finally:
        os.umask(before)
    assert mode(data_dir) == 0o700
    assert {path.name: mode(path) for path in data_dir.iterdir()} == {"keys.json": 0o600, "keys.lock": 0o600}


def test_only_the_file_holds_the_private_part(data_dir: Path) -> None:
    keys = load(data_dir)
    stored = json.loads((data_dir / FILE_NAME).read_text())
    assert stored["format"] == 1
    private = stored["access"][0]["jwk"]["d"]
    secret = stored["refresh"][0]["jwk"]["k"]
    for printed in (repr(keys), json.dumps(keys.access.jwks()), json.dumps(keys.refresh.jwks())):
        assert private not in printed
        assert secret not in printed
    assert keys.refresh.jwks() == {"keys": []}


def test_processes_that_start_at_once_agree(data_dir: Path) -> None:
    # Six make the first keys, six find another algorithm configured.
    for algorithm in ("ES256", "EdDSA"):
        program = f"""
import sys
from pathlib import Path
from keyturn.stores.keys import load_or_create
sys.stdin.readline()
keys = load_or_create(Path({str(data_dir)!r}), now={MICROS}, access_algorithm={algorithm!r})
print(keys.access.active.kid, keys.refresh.active.kid)
"""
        running = [
            subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(6)
        ]
        for process in running:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        answers = {process.communicate(timeout=60)[0] for process in running}
        assert [process.returncode for process in running] == [0] * 6
        assert len(answers) == 1
    states = [state for _, _, state in state_of(load(data_dir, access_algorithm="EdDSA"))]
    assert states == ["active", "retiring", "active"]


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256", "HS256"])
def test_when_the_algorithm_changes_old_tokens_still_verify(data_dir: Path, algorithm: str) -> None:
    before = load(data_dir)
    token = access_token.mint(access_claims(), issuer=ISSUER, audience=ISSUER, key=before.access.active)
    after = load(data_dir, access_algorithm=algorithm)
    assert after.access.active.algorithm == algorithm
    assert open_token(token, types=ACCESS_TYPES, keys=after.access.verifying)
    assert after.refresh.active.kid == before.refresh.active.kid
    assert [key.state for key in after.access.keys] == [KeyState.ACTIVE, KeyState.RETIRING]
    assert state_of(load(data_dir, access_algorithm=algorithm)) == state_of(after)


def test_keys_that_are_not_to_rotate_are_made_only_where_there_is_none(data_dir: Path) -> None:
    made = load(data_dir, access_algorithm="EdDSA", rotate=False)
    assert made.access.active.algorithm == "EdDSA"
    assert state_of(load(data_dir, rotate=False)) == state_of(made)


def test_configured_secrets_replace_the_keys_of_the_file(data_dir: Path) -> None:
    before = load(data_dir)
    after = load(data_dir, access_secret=SECRET)
    assert [key.key.raw_value for key in after.access.keys] == [SECRET.encode()]
    assert after.refresh.active.kid == before.refresh.active.kid
    assert state_of(load(data_dir)) == state_of(before)


def test_with_both_secrets_configured_there_is_no_file(data_dir: Path) -> None:
    keys = load(data_dir, access_secret=SECRET, refresh_secret=OTHER_SECRET)
    assert keys.access.active.algorithm == keys.refresh.active.algorithm == "HS256"
    assert not data_dir.exists()


def test_only_what_is_needed_is_made(data_dir: Path) -> None:
    load(data_dir, access_secret=SECRET)
    assert set(read(data_dir)) == {"refresh"}
    load(data_dir, refresh_secret=SECRET)
    assert set(read(data_dir)) == {"access", "refresh"}


@pytest.mark.parametrize(
    ("secrets", "why"),
    [
        ({"access_secret": SECRET, "refresh_secret": SECRET}, "same"),
        ({"access_secret": "changeme"}, "the secret for access tokens has 8 bytes"),
        ({"refresh_secret": "a" * 40}, "the secret for refresh tokens repeats itself"),
    ],
)
def test_secrets_that_protect_nothing_stop_the_start(data_dir: Path, secrets: dict[str, str], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        load(data_dir, **secrets)
    assert not data_dir.exists()


def test_an_unknown_algorithm_stops_the_start(data_dir: Path) -> None:
    with pytest.raises(SettingsError, match="one of ES256, EdDSA, RS256, HS256"):
        load(data_dir, access_algorithm="none")


@pytest.mark.parametrize("bits", [0o740, 0o720, 0o710, 0o704, 0o702, 0o701, 0o755, 0o777])
def test_a_directory_open_to_others_is_refused(data_dir: Path, bits: int) -> None:
    load(data_dir)
    data_dir.chmod(bits)
    with pytest.raises(SettingsError, match=f"chmod 700 {data_dir}"):
        load(data_dir)
    data_dir.chmod(0o700)
    assert load(data_dir)


@pytest.mark.parametrize("bits", [0o640, 0o620, 0o604, 0o602, 0o644, 0o666])
def test_a_file_open_to_others_is_refused(data_dir: Path, bits: int) -> None:
    load(data_dir)
    (data_dir / FILE_NAME).chmod(bits)
    with pytest.raises(SettingsError, match=f"chmod 600 {data_dir / FILE_NAME}"):
        load(data_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("given_away", ["", FILE_NAME])
def test_what_belongs_to_somebody_else_is_refused(data_dir: Path, given_away: str) -> None:
    load(data_dir)
    os.chown(data_dir / given_away, 12345, 12345)
    with pytest.raises(SettingsError, match="belongs to another user"):
        load(data_dir)


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def apply(data: bytes) -> bytes:
        content = json.loads(data)
        change(content)
        return json.dumps(content).encode()

    return apply


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: b"", "damaged"),
        (lambda data: data[:-10], "damaged"),
        (lambda data: data + b"x", "damaged"),
        (lambda data: b"\0" * 100, "damaged"),
        (lambda data: b"[]", "damaged"),
        (lambda data: b"{}", "damaged"),
        (lambda data: b'{"format":1,"access":{}}{', "damaged"),
        (changed(lambda content: content.update(format=2)), "format 2.*newer"),
        (changed(lambda content: content["access"][0].pop("jwk")), "damaged"),
        (changed(lambda content: content["access"][0].update(state="lost")), "damaged"),
        (changed(lambda content: content["access"][0].update(created_at="x")), "damaged"),
        (changed(lambda content: content["access"][0]["jwk"].pop("kid")), "damaged"),
        (changed(lambda content: content["access"][0]["jwk"].update(alg="RS256")), "another kind"),
        (changed(lambda content: content["access"][0]["jwk"].pop("d")), "no private part"),
        (changed(lambda content: content["access"][0]["jwk"].update(x="AAAA")), "damaged"),
        (changed(lambda content: content["refresh"][0]["jwk"].update(k="AAAA" * 16)), "repeats itself"),
        (changed(lambda content: content["refresh"][0]["jwk"].update(k="c2VjcmV0LXNlY3JldC1zZWNyZXQ")), "20 bytes"),
        (changed(lambda content: content["access"].append(content["access"][0])), "exactly one is active"),
    ],
)
def test_a_file_that_is_not_a_good_key_file_stops_the_start_and_is_left_alone(
    data_dir: Path, damage: Callable[[bytes], bytes], why: str
) -> None:
    keys = load(data_dir)
    file = data_dir / FILE_NAME
    file.write_bytes(damage(file.read_bytes()))
    damaged = file.read_bytes()
    with pytest.raises(SettingsError, match=why) as refusal:
        load(data_dir)
    assert file.read_bytes() == damaged
    assert str(keys.refresh.active.key["k"]) not in str(refusal.value)


def test_a_purpose_whose_keys_were_taken_out_gets_new_ones(data_dir: Path) -> None:
    before = load(data_dir)
    update(data_dir, lambda rings: rings | {"refresh": ()})
    after = load(data_dir)
    assert after.refresh.active.kid != before.refresh.active.kid
    assert after.access.active.kid == before.access.active.kid


def test_something_else_in_the_place_of_the_file_stops_the_start(data_dir: Path) -> None:
    ensure_private_directory(data_dir)
    (data_dir / FILE_NAME).mkdir(mode=0o700)
    with pytest.raises(SettingsError, match="cannot be read"):
        load(data_dir)
    (data_dir / FILE_NAME).rmdir()
    os.mkfifo(data_dir / FILE_NAME, 0o600)
    with pytest.raises(SettingsError, match="damaged"):
        load(data_dir)


def test_a_file_in_the_place_of_the_directory_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(SettingsError, match="cannot be used"):
        load(tmp_path / "data")


def test_a_write_that_was_cut_short_leaves_the_old_keys(data_dir: Path) -> None:
    before = load(data_dir)
    (data_dir / "keys.json.new").write_text('{"format": 1, "acc')
    assert state_of(load(data_dir)) == state_of(before)
    assert load(data_dir, access_algorithm="EdDSA").access.active.algorithm == "EdDSA"


def test_an_update_that_fails_changes_nothing(data_dir: Path) -> None:
    load(data_dir)
    before = (data_dir / FILE_NAME).read_bytes()

    def fail(rings: object) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        update(data_dir, fail)
    assert (data_dir / FILE_NAME).read_bytes() == before


def test_a_coming_key_is_published_and_does_not_sign(data_dir: Path) -> None:
    first = load(data_dir).access.active
    coming = new_key("access", "ES256", MICROS, KeyState.NEXT)
    update(data_dir, lambda rings: rings | {"access": (*rings["access"], coming)})
    keys = load(data_dir)
    assert keys.access.active.kid == first.kid
    assert [key["kid"] for key in keys.access.jwks()["keys"]] == [first.kid, coming.kid]
