"""Keys that change, keys that are taken out, and keys that could be guessed."""

from __future__ import annotations

import hmac
import json
import threading
from pathlib import Path

import pytest
from tests.support.client import Browser
from tests.support.commands import keyturn
from tests.support.server import LiveServer
from tests.support.tokens import b64, compact_json
from tests.support.wire import Wire, bearer

from keyturn.core.keyring import KeyRing, from_secret
from keyturn.core.keys import ALGORITHMS
from keyturn.errors import SettingsError
from keyturn.server.settings import load_settings
from keyturn.testing.fakes import FakeClock

ISSUER = "http://localhost"


class Client:
    """Goes on working, whatever happens to the server: refreshes when it is told that its access token is no good."""

    def __init__(self, email: str) -> None:
        self.email = email
        self.false_refusals = 0
        self.refreshes = 0

    def join(self, server: LiveServer) -> None:
        with Browser(server.url) as browser:
            signed_in = browser.register(self.email, delivery="body")
        self.access, self.refresh = signed_in["access_token"], signed_in["refresh_token"]

    def work(self, server: LiveServer, times: int) -> None:
        with Wire(server.address) as wire:
            for _ in range(times):
                answer = wire.call("GET", "/verify", headers=[bearer(self.access)])
                if answer.status == 401:
                    self.false_refusals += 1
                    renewed = wire.call("POST", "/refresh-token", {"refresh_token": self.refresh})
                    assert renewed.status == 200, renewed
                    self.access, self.refresh = renewed.json["access_token"], renewed.json["refresh_token"]
                    self.refreshes += 1
                else:
                    assert answer.status == 204


def working(server: LiveServer, clients: list[Client], times: int = 20) -> None:
    """All at once."""
    threads = [threading.Thread(target=client.work, args=(server, times)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.fixture
def clients() -> list[Client]:
    return [Client(f"user{number}@example.com") for number in range(8)]


def test_a_key_that_is_changed_in_turn_refuses_nobody(tmp_path: Path, clients: list[Client]) -> None:
    """Row 84, K2: the tokens of the old key are good until they expire; not one false 401."""
    data, clock = tmp_path / "data", FakeClock()
    with LiveServer(data, clock=clock, issuer=ISSUER) as server:
        for client in clients:
            client.join(server)
        working(server, clients)
        old = [client.access for client in clients]
    with LiveServer(data, clock=clock, issuer=ISSUER, access_algorithm="EdDSA") as server:
        working(server, clients)
        assert sum(client.false_refusals for client in clients) == 0
        with Browser(server.url) as browser:
            published = browser.get("/.well-known/jwks.json").json()["keys"]
            assert {key["alg"] for key in published} == {"ES256", "EdDSA"}
            fresh = browser.refresh(clients[0].refresh).json()["access_token"]
            for token in (fresh, *old):
                assert browser.call("GET", "/verify", bearer=token).status_code == 204


def test_a_key_that_is_taken_out_is_dead_at_once_and_its_clients_go_on(tmp_path: Path, clients: list[Client]) -> None:
    """Row 84, K3: every token of it is refused from the first request on; nobody has to sign in again."""
    data, clock = tmp_path / "data", FakeClock()
    with LiveServer(data, clock=clock, issuer=ISSUER) as server:
        for client in clients:
            client.join(server)
    keys = data / "keys.json"
    content = json.loads(keys.read_text())
    stolen = content.pop("access")
    keys.write_text(json.dumps(content))
    adopted = keyturn("keys", "adopt", "--yes", "--json", "--data-dir", str(data), KEYTURN_ISSUER=ISSUER)
    assert adopted.json == {"adopted": ["access"]}
    with LiveServer(data, clock=clock, issuer=ISSUER) as server:
        with Wire(server.address) as wire:
            for client in clients:
                assert wire.call("GET", "/verify", headers=[bearer(client.access)]).status == 401
        working(server, clients)
        assert all(client.refreshes == 1 for client in clients)
        with Browser(server.url) as browser:
            assert stolen[0]["jwk"]["kid"] not in browser.get("/.well-known/jwks.json").text


SAMPLES = [
    "your-256-bit-secret",
    "your-256-bit-secret-your-256-bit-secret",
    "secretsecretsecretsecretsecretsecret",
    "changemechangemechangemechangeme",
    "a" * 64,
    "0" * 32,
    "12345678901234567890123456789012",
    "supersecretkeythatisatleast32byteslong",
    "django-insecure-0123456789abcdef0123456789abcdef",
    "my-super-secret-jwt-token-with-at-least-32-characters-long",
    "super-secret-jwt-token-with-at-least-32-characters-long",
    "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
    "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
]


@pytest.mark.parametrize("secret", SAMPLES)
@pytest.mark.parametrize("name", ["access_secret", "refresh_secret"])
def test_a_secret_that_stands_in_a_dictionary_stops_the_start(name: str, secret: str) -> None:
    """Row 26, K4: what everybody tries first."""
    with pytest.raises(SettingsError) as refused:
        load_settings({name: secret}, {})
    assert secret not in str(refused.value)


def test_no_guessed_secret_signs_a_token_that_is_taken(tmp_path: Path) -> None:
    """Row 26: neither against a shared secret of ours, nor against the published keys, under every kid there is."""
    good = "L9vQ2mXr7TzKp4WnYs8BdFhJ6cGaEuRx"
    with LiveServer(tmp_path / "data", access_secret=good) as server, Browser(server.url) as browser:
        token = browser.register()["access_token"]
        _, body, _ = str(token).split(".")
        kid = from_secret(good, purpose="access").kid
        key = KeyRing([from_secret(good, purpose="access")]).active
        head = b64(compact_json({"alg": "HS256", "typ": "at+jwt", "kid": kid}))
        with Wire(server.address) as wire:
            for guess in ("", "secret", "password", "keyturn", kid, server.issuer, *SAMPLES):
                signed = f"{head}.{body}".encode()
                mac = hmac.digest(guess.encode(), signed, "sha256")
                answer = wire.call("GET", "/verify", headers=[bearer(f"{head}.{body}.{b64(mac)}")])
                assert (answer.status, answer.code) == (401, "access_token_invalid")
            genuine = b64(ALGORITHMS["HS256"].sign(f"{head}.{body}".encode(), key.key))
            assert wire.call("GET", "/verify", headers=[bearer(f"{head}.{body}.{genuine}")]).status == 204


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "DPoP {}")],
        [("authorization", "dpop {}"), ("dpop", "e30.e30.e30")],
        [("authorization", "Basic {}")],
        [("authorization", "Token {}")],
        [("authorization", "JWT {}")],
        [("authorization", "{}")],
        [("authorization", "Bearer={}")],
        [("dpop", "{}")],
        [("dpop", "{}"), ("dpop", "{}")],
        [("authorization", "Bearer {}"), ("authorization", "DPoP {}")],
        [("x-access-token", "{}")],
        [("proxy-authorization", "Bearer {}")],
    ],
    ids=lambda headers: " + ".join(f"{name}: {value}" for name, value in headers),
)
def test_a_token_under_another_scheme_is_none(
    server: LiveServer, browser: Browser, headers: list[tuple[str, str]]
) -> None:
    """Row 76 where there is no DPoP: nobody is let in by a proof that nobody checks."""
    token = browser.register()["access_token"]
    with Wire(server.address) as wire:
        answer = wire.call("GET", "/me", headers=[(name, value.format(token)) for name, value in headers])
        assert answer.status == 401
        assert answer.values("www-authenticate")[0].startswith("Bearer")


def test_a_proof_beside_a_bearer_token_changes_nothing(server: LiveServer, browser: Browser) -> None:
    """Row 76: the token is not bound to anybody, and no header says that it is."""
    token = browser.register()["access_token"]
    with Wire(server.address) as wire:
        plain = wire.call("GET", "/me", headers=[bearer(token)])
        proved = wire.call("GET", "/me", headers=[bearer(token), ("dpop", "e30.e30.e30")])
    assert plain.status == 200
    assert proved.looks == plain.looks
