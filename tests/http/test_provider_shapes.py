"""Providers as they describe themselves: discovery, keys and ID tokens of the form of Keycloak and of Microsoft Entra ID."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.client import Browser
from tests.support.documents import DOCS, blocks
from tests.support.provider import Answer, Provider, come_back, jwk, rsa_key, start
from tests.support.server import LiveServer
from tests.support.settings import config, load, problem, secret_file

from keyturn.core.model import SECOND
from keyturn.providers.github import GitHub
from keyturn.server.providers import providers_of
from keyturn.testing.fakes import FakeClock

TENANT = "8f5c1c4e-2b1d-4c52-9d0e-0123456789ab"
PATHS = {"keycloak": "/realms/main", "entra": f"/{TENANT}/v2.0", "common": "/common/v2.0"}


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[LiveServer]:
    data_dir: Path = tmp_path_factory.mktemp("shapes") / "data"
    tables = {
        name: _provider.settings(issuer=f"{_provider.issuer}{path}", owns_email=True) for name, path in PATHS.items()
    }
    with LiveServer(data_dir, clock=_provider.clock, providers=tables) as live:
        yield live


@pytest.fixture
def server(_server: LiveServer) -> LiveServer:
    return _server


def describe(provider: Provider, path: str, issuer: str, **more: object) -> None:
    """Be found below a path, under a name, with keys and an ID token of RS256."""
    provider.use_rsa()
    base = provider.issuer
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{base}/authorize",
        "token_endpoint": f"{base}/token",
        "jwks_uri": f"{base}/jwks",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        **more,
    }
    provider.answers[f"{path}/.well-known/openid-configuration"] = Answer(body=json.dumps(document).encode())


def be_keycloak(provider: Provider) -> str:
    issuer = f"{provider.issuer}{PATHS['keycloak']}"
    methods = ["private_key_jwt", "client_secret_basic", "client_secret_post", "tls_client_auth", "client_secret_jwt"]
    more = {
        "token_endpoint_auth_methods_supported": methods,
        "authorization_response_iss_parameter_supported": True,
        "mtls_endpoint_aliases": {"token_endpoint": f"{provider.issuer}/token"},
    }
    describe(provider, PATHS["keycloak"], issuer, **more)
    # It publishes the key for encryption beside the one that signs.
    other = {**jwk(rsa_key(1)), "use": "enc", "alg": "RSA-OAEP", "kid": "encryption"}
    provider.keys = [other, {**provider.keys[0], "alg": "RS256", "x5c": ["MIIC"], "x5t": "a", "x5t#S256": "b"}]
    provider.claims = {
        "iss": issuer,
        "sub": "f:7b1c:alice",
        "azp": "keyturn",
        "typ": "ID",
        "acr": "1",
        "sid": "c3a1",
        "auth_time": provider.clock.now() // SECOND,
        "preferred_username": "alice",
        "email": "alice@keycloak.example",
    }
    return issuer


def be_entra(provider: Provider, name: str = "entra", issuer: str | None = None) -> None:
    issuer = issuer or f"{provider.issuer}{PATHS['entra']}"
    methods = ["client_secret_post", "private_key_jwt", "client_secret_basic"]
    more = {"token_endpoint_auth_methods_supported": methods, "tenant_region_scope": None, "cloud_instance_name": "x"}
    describe(provider, PATHS[name], issuer, **more)
    # Its keys have no alg, and name the issuer that they are for.
    provider.keys = [{**provider.keys[0], "x5t": "a", "x5c": ["MIIC"], "issuer": issuer}]
    now = provider.clock.now() // SECOND
    provider.claims = {
        "iss": f"{provider.issuer}{PATHS['entra']}",
        "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
        "ver": "2.0",
        "tid": TENANT,
        "oid": "00000000-0000-0000-66f3-3332eca7ea81",
        "rh": "0.ARoA",
        "iat": now - 300,  # five minutes ago, as Entra says
        "nbf": now - 300,
        "at_hash": None,
        "email": "alice@entra.example",
        "email_verified": None,
    }


def test_a_realm_of_keycloak_signs_people_in(browser: Browser, provider: Provider) -> None:
    issuer = be_keycloak(provider)
    answer = come_back(browser, provider.visit(start(browser, "keycloak"), iss=issuer, session_state="c3a1"))
    assert answer.status_code == 303, answer.text
    browser.refresh()
    assert browser.me().json()["email"] == "alice@keycloak.example"
    assert browser.me().json()["email_verified"] is True


def test_a_tenant_of_entra_signs_people_in_and_its_addresses_count_as_unverified(
    browser: Browser, provider: Provider
) -> None:
    be_entra(provider)
    answer = come_back(browser, provider.visit(start(browser, "entra"), iss=None, session_state="c3a1"))
    assert answer.status_code == 303, answer.text
    browser.refresh()
    user = browser.me().json()
    assert (user["email"], user["email_verified"]) == ("alice@entra.example", False)


def test_the_addresses_of_entra_for_many_tenants_sign_nobody_in(
    browser: Browser, provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    """Their issuer is a pattern: whoever took it for a name would let every tenant speak for every other."""
    be_entra(provider, "common", issuer=f"{provider.issuer}/{{tenantid}}/v2.0")
    answer = browser.call("GET", "/providers/common/start")
    assert (answer.status_code, answer.json()["code"]) == (502, "provider_invalid")
    told = [record.facts["why"] for record in caplog.records if record.getMessage() == "authn_provider_fail"]
    assert told == ["it describes another issuer"]


def test_a_pattern_is_no_issuer(tmp_path: Path) -> None:
    table = "[providers.entra]\nissuer = 'https://login.microsoftonline.com/{tenantid}/v2.0'\nclient_id = 'a'\n"
    told = problem(KEYTURN_CONFIG=config(tmp_path, f"{table}client_secret = 'b'"))
    assert "providers.entra.issuer has a part in braces" in told


def test_the_lines_of_the_documentation_are_settings(tmp_path: Path) -> None:
    lines = "\n".join(blocks(DOCS / "providers.md", "toml"))
    secret = secret_file(tmp_path, b"correct horse\n")
    for name in ("company", "github", "keycloak", "entra", "example"):
        lines = lines.replace(f"/run/secrets/{name}-client-secret", str(secret))
    found = providers_of(load(KEYTURN_CONFIG=config(tmp_path, lines)), FakeClock())
    assert {name: provider.issuer for name, provider in found.items()} == {
        "company": "https://id.example.com/realms/main",
        "keycloak": "https://keycloak.example.com/realms/main",
        "entra": f"https://login.microsoftonline.com/{TENANT}/v2.0",
        "example": "https://id.example.com",
        "github": "https://github.com",
    }
    assert isinstance(found["github"], GitHub)
