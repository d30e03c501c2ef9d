"""Forged access tokens, at every door that takes a token. One answer for all of them, and none of them ends anything."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from tests.support import forged_headers as headers
from tests.support import forged_texts as texts
from tests.support.client import EMAIL, PASSWORD
from tests.support.faults import FailingDatabase, failing
from tests.support.forger import Forger, Forgeries, twin
from tests.support.server import LiveServer
from tests.support.tokens import watched
from tests.support.wire import Answer, Wire, bearer, cookie
from tests.support.witness import WITNESS

from keyturn.core.gate import MAX_TOKEN_BYTES
from keyturn.stores.keys import load_or_create

ROWS: dict[int, Callable[[Forger], Forgeries]] = {
    1: headers.no_algorithm,
    2: headers.no_signature,
    3: headers.blank_key,
    4: headers.public_key_as_secret,
    5: headers.other_algorithms,
    6: headers.key_in_the_header,
    7: headers.key_elsewhere,
    8: headers.own_certificate,
    9: headers.kid_as_path_or_query,
    10: headers.kid_of_another_kind,
    11: headers.critical_members,
    12: texts.compressed_or_encrypted,
    13: texts.encrypted_to_us,
    14: texts.other_serialisations,
    15: texts.other_spellings,
    17: texts.members_twice,
    18: texts.other_text,
    19: texts.odd_times,
    20: texts.no_end,
    21: texts.wrong_time,
    22: texts.other_parties,
    23: texts.other_kinds,
    25: texts.odd_signatures,
}
"""The forgeries, by the number of the attack."""


@dataclass(frozen=True)
class Target:
    """A server with a session, and somebody who would like to be in it."""

    server: LiveServer
    wire: Wire
    forger: Forger
    refresh_token: str
    listener: socket.socket

    def forgeries(self, row: int) -> list[tuple[str, str]]:
        return [(fault, WITNESS.token(token)) for fault, token in ROWS[row](self.forger)]

    def assert_session_lives(self) -> None:
        assert self.wire.call("GET", "/me", headers=[bearer(self.forger.genuine)]).status == 200
        answer = self.wire.call("POST", "/refresh-token", {"refresh_token": self.refresh_token})
        assert answer.status == 200, answer


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    data_dir = tmp_path_factory.mktemp("target") / "data"
    # It signed with RS256 before; that key is still published, next to the one for ES256.
    load_or_create(data_dir, now=0, access_algorithm="RS256")
    with (
        LiveServer(data_dir, wrap=failing) as server,
        Wire(server.address) as wire,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        signed_in = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD, "delivery": "body"}).json
        keys = load_or_create(data_dir, now=0).access
        forger = Forger(
            signed_in["access_token"],
            key=keys.active,
            other=next(key for key in keys.keys if key.algorithm == "RS256"),
            jwks=wire.call("GET", "//.well-known/jwks.json").body,
            listener=f"http://127.0.0.1:{listener.getsockname()[1]}",
        )
        yield Target(server, wire, forger, signed_in["refresh_token"], listener)


def test_the_forger_can_make_tokens_that_pass(target: Target) -> None:
    """Each fault in the table stands alone: without one, what the forger signs is accepted."""
    forger = target.forger
    spaced = json.dumps(forger.head()).encode() + b" "
    for token in (forger.sign(forger.head()), forger.sign(spaced), twin(forger.genuine)):
        assert target.wire.call("GET", "/verify", headers=[bearer(token)]).status == 204


def test_both_keys_are_published_without_their_private_parts(target: Target) -> None:
    """T20."""
    keys = target.wire.call("GET", "//.well-known/jwks.json").json["keys"]
    assert [key["alg"] for key in keys].count("RS256") == [key["alg"] for key in keys].count("ES256") == 1
    assert all(not {"d", "p", "q", "dp", "dq", "qi", "oth", "k"} & key.keys() for key in keys)


def _doors(token: str) -> dict[str, Callable[[Wire], Answer]]:
    """Where an access token is asked for."""
    return {
        "GET /me": lambda wire: wire.call("GET", "/me", headers=[bearer(token)]),
        "GET /me with the cookie": lambda wire: wire.call("GET", "/me", headers=[cookie(keyturn_access=token)]),
        "GET /verify": lambda wire: wire.call("GET", "/verify", headers=[bearer(token)]),
        "GET /verify with the cookie": lambda wire: wire.call("GET", "/verify", headers=[cookie(keyturn_access=token)]),
    }


def _refresh_doors(token: str) -> dict[str, Callable[[Wire], Answer]]:
    """Where a refresh token is asked for."""
    doors: dict[str, Callable[[Wire], Answer]] = {}
    if _fits_into_a_header(token):
        doors["cookie"] = lambda wire: wire.call("POST", "/refresh-token", headers=[cookie(keyturn_refresh=token)])
    if len(token) <= MAX_TOKEN_BYTES:
        doors["body"] = lambda wire: wire.call("POST", "/refresh-token", {"refresh_token": token})
    return doors


def _fits_into_a_header(token: str) -> bool:
    return not set(token) & set("\r\n\0")


@pytest.fixture(scope="module")
def refusals() -> set[object]:
    """Everything that a client was told about all the forgeries of this file."""
    return set()


@pytest.mark.parametrize("row", ROWS)
def test_a_forged_token_opens_nothing_and_learns_nothing(target: Target, row: int, refusals: set[object]) -> None:
    """Rows 1-23, 25; T19: one 401 for all, the same to the byte but for the date and the request id."""
    for fault, token in target.forgeries(row):
        if not _fits_into_a_header(token):
            continue
        for door, knock in _doors(token).items():
            answer = knock(target.wire)
            assert (answer.status, answer.code) == (401, "access_token_invalid"), (fault, door)
            assert answer.values("www-authenticate") == ['Bearer error="invalid_token"']
            refusals.add(answer.looks)
            assert len(refusals) == 1, (fault, door)


@pytest.mark.parametrize("row", ROWS)
def test_a_forged_token_refreshes_nothing(target: Target, row: int) -> None:
    """Rows 1-25 at the refresh: not a token of ours, which is never reuse."""
    looks = set()
    for fault, token in target.forgeries(row):
        for door, knock in _refresh_doors(token).items() if token else ():
            answer = knock(target.wire)
            assert (answer.status, answer.code) == (403, "refresh_token_invalid"), (fault, door)
            assert answer.cookies == {}
            looks.add(answer.looks)
    assert len(looks) == 1
    target.assert_session_lives()


@pytest.mark.parametrize("row", ROWS)
def test_a_forged_token_signs_nobody_out(target: Target, row: int) -> None:
    """Rows 1-25 at the sign-out, which says nothing but that whatever was authentic is over."""
    for fault, token in target.forgeries(row):
        if _fits_into_a_header(token):
            for header in (bearer(token), cookie(keyturn_access=token), cookie(keyturn_refresh=token)):
                assert target.wire.call("POST", "/logout", headers=[header]).status == 204, fault
        if len(token) <= MAX_TOKEN_BYTES:
            assert target.wire.call("POST", "/logout", {"refresh_token": token}).status == 204, fault
    target.assert_session_lives()


def test_a_token_out_of_time_by_a_second_is_refused(target: Target, refusals: set[object]) -> None:
    """Row 21: the server that issued a token allows no leeway."""
    for fault, token in texts.lapsed(target.forger):
        for door, knock in _doors(token).items():
            answer = knock(target.wire)
            assert answer.status == 401, (fault, door)
            refusals.add(answer.looks)
    assert len(refusals) == 1


@pytest.mark.parametrize("row", [7, 9])
def test_no_token_makes_the_server_ask_anybody_for_a_key(target: Target, row: int) -> None:
    """Rows 7 and 9: no connection, no file, no process; and no database, which is away meanwhile."""
    database = target.server.context.database
    assert isinstance(database, FailingDatabase)
    forgeries = [(fault, token) for fault, token in target.forgeries(row) if _fits_into_a_header(token)]
    with watched() as seen:
        database.away = True
        try:
            answers = [target.wire.call("GET", "/verify", headers=[bearer(token)]) for _, token in forgeries]
        finally:
            database.away = False
    assert {answer.status for answer in answers} == {401}
    assert seen == []
    assert select.select([target.listener], [], [], 0) == ([], [], [])


def test_nobody_ever_connected_to_the_listener(target: Target) -> None:
    """Rows 6-8, after everything above was sent to every door."""
    assert select.select([target.listener], [], [], 0.05) == ([], [], [])


def test_a_revoked_token_stays_revoked_however_it_is_written(server: LiveServer, wire: Wire) -> None:
    """Row 16, T12: neither another spelling nor the twin of its signature is another token."""
    signed_in = wire.call("POST", "/register", {"email": EMAIL, "password": PASSWORD}).json
    token = signed_in["access_token"]
    other = twin(token)
    assert wire.call("GET", "/verify", headers=[bearer(other)]).status == 204
    assert wire.call("POST", "/logout", headers=[bearer(token)]).status == 204
    key = load_or_create(server.data_dir, now=0).access.active
    forger = Forger(token, key=key, other=key, jwks=b'{"keys": []}', listener="")
    spellings = [spelling for _, spelling in texts.other_spellings(forger) if _fits_into_a_header(spelling)]
    for spelling in (token, other, forger.sign(forger.head()), *spellings):
        for door, knock in _doors(spelling).items():
            assert knock(wire).status == 401, door


def test_an_access_token_at_the_refresh_is_no_reuse(target: Target) -> None:
    """Row 24: refused, and the session lives on."""
    for door, knock in _refresh_doors(target.forger.genuine).items():
        answer = knock(target.wire)
        assert (answer.status, answer.code) == (403, "refresh_token_invalid"), door
    target.assert_session_lives()


def test_a_refresh_token_is_no_access_token(target: Target, refusals: set[object]) -> None:
    """Row 24: nor does it count as reuse where it does not belong."""
    for door, knock in _doors(target.refresh_token).items():
        answer = knock(target.wire)
        assert answer.status == 401, door
        refusals.add(answer.looks)
    assert len(refusals) == 1
    target.assert_session_lives()


def test_the_key_of_one_kind_does_not_sign_the_other(target: Target) -> None:
    """Row 24, K5: the claims of one token under the type and the key of the other."""
    keys = load_or_create(target.server.data_dir, now=0)
    refresh_claims = Forger(
        target.refresh_token, key=keys.refresh.active, other=keys.refresh.active, jwks=b"", listener=""
    ).claims
    forger = target.forger
    refresh_key = ("HS256", keys.refresh.active.key)
    head = forger.head(alg="HS256", kid=keys.refresh.active.kid)
    as_access = [forger.sign(head, by=refresh_key), forger.sign(forger.head(alg="HS256"), by=refresh_key)]
    as_refresh = [
        forger.sign(forger.head(typ="rt+jwt"), refresh_claims),
        forger.sign(head, refresh_claims, refresh_key),
        forger.sign({**head, "typ": "rt+jwt", "kid": forger.key.kid}, refresh_claims, refresh_key),
        forger.sign({**head, "typ": "rt+jwt"}, forger.payload(), refresh_key),
    ]
    for token in as_access:
        assert target.wire.call("GET", "/verify", headers=[bearer(token)]).status == 401
    for token in as_refresh:
        assert target.wire.call("POST", "/refresh-token", {"refresh_token": token}).code == "refresh_token_invalid"
    target.assert_session_lives()
