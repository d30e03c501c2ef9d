"""What may be set for a provider, and what is said of everything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.support.settings import config, load, problem, problems, secret_file

from keyturn.providers.github import GitHub
from keyturn.providers.oidc import OpenIdProvider
from keyturn.server.providers import providers_of
from keyturn.testing.fakes import FakeClock

TABLE = """
[providers.company]
issuer = "https://id.example.com/realms/main"
client_id = "keyturn"
client_secret = "correct horse"
"""


def said_of(tmp_path: Path, toml: str) -> str:
    return problem(KEYTURN_CONFIG=config(tmp_path, toml))


def test_a_table_is_a_provider(tmp_path: Path) -> None:
    settings = load(KEYTURN_CONFIG=config(tmp_path, TABLE))
    (provider,) = providers_of(settings, FakeClock()).values()
    assert isinstance(provider, OpenIdProvider)
    assert (provider.issuer, provider.label) == ("https://id.example.com/realms/main", "id.example.com")


def test_google_needs_two_variables_and_no_file() -> None:
    settings = load(KEYTURN_GOOGLE_CLIENT_ID="id", KEYTURN_GOOGLE_CLIENT_SECRET="secret")
    (provider,) = providers_of(settings, FakeClock()).items()
    assert (provider[0], provider[1].issuer, provider[1].label) == ("google", "https://accounts.google.com", "Google")


def test_presets_know_the_rest(tmp_path: Path) -> None:
    known = "client_id = 'id'\nclient_secret = 'secret'\n"
    toml = f"[providers.g]\npreset = 'google'\n{known}[providers.h]\npreset = 'github'\n{known}label = 'Code'"
    google, github = providers_of(load(KEYTURN_CONFIG=config(tmp_path, toml)), FakeClock()).values()
    assert (google.issuer, google.label) == ("https://accounts.google.com", "Google")
    assert isinstance(github, GitHub)
    assert (github.issuer, github.label) == ("https://github.com", "Code")


def test_the_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    path = secret_file(tmp_path, b"correct horse\n")
    toml = TABLE.replace('client_secret = "correct horse"', f"client_secret_file = '{path}'")
    settings = load(KEYTURN_CONFIG=config(tmp_path, toml))
    assert settings.providers is not None
    assert settings.providers["company"].client_secret == SecretStr("correct horse")


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = config(tmp_path, TABLE)
    Path(path).chmod(0o644)
    told = problem(KEYTURN_CONFIG=path)
    assert told.startswith("providers.company.client_secret in ")
    assert told.endswith("is a secret, and other users can read the file: chmod 600 it.")


def test_no_problem_quotes_a_secret_and_no_repr_shows_one(tmp_path: Path) -> None:
    told = said_of(tmp_path, TABLE.replace('client_id = "keyturn"', "client_id = 'a b'"))
    settings = load(KEYTURN_CONFIG=config(tmp_path, TABLE))
    provider = providers_of(settings, FakeClock())["company"]
    assert isinstance(provider, OpenIdProvider)
    for text in (told, repr(settings), repr(provider), repr(vars(provider))):
        assert "correct horse" not in text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[providers.company]", "[providers.Company]", "providers.Company must be small letters"),
        ("[providers.company]", "[providers.'a/b']", "providers.a/b must be small letters"),
        ("https://", "http://", "providers.company.issuer must begin with https"),
        ("https://id", "https://user@id", "providers.company.issuer must be the provider's own URL"),
        ("/realms/main", "/?a=b", "providers.company.issuer must be the provider's own URL"),
        ("issuer =", "issuers =", "providers.company.issuers in "),
        ('"keyturn"', '"key turn"', "providers.company.client_id must be up to 255 visible"),
        ('"keyturn"', "7", "providers.company.client_id must be text"),
        ("[providers.company]", "[providers.company]\nscopes = ['email']", "providers.company.scopes must hold openid"),
        ("[providers.company]", "[providers.company]\npreset = 'other'", "providers.company.preset must be "),
        ("[providers.company]", "[providers.company]\npreset = 'google'", "providers.company.issuer is Google's"),
    ],
)
def test_what_is_wrong_is_said_by_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    found = problems(KEYTURN_CONFIG=config(tmp_path, TABLE.replace(old, new)))
    assert any(sentence.startswith(told) for sentence in found), found


@pytest.mark.parametrize("name", ["issuer", "client_id", "client_secret"])
def test_what_is_missing_is_said(tmp_path: Path, name: str) -> None:
    lines = [line for line in TABLE.splitlines() if not line.startswith(f"{name} =")]
    assert said_of(tmp_path, "\n".join(lines)).startswith(f"providers.company.{name} is missing")


def test_a_provider_that_is_no_table_is_refused(tmp_path: Path) -> None:
    assert said_of(tmp_path, "[providers]\ncompany = 'x'") == "providers.company must be a table."
    assert problem(KEYTURN_PROVIDERS="google").endswith(
        "must be tables of the settings file, such as [providers.google]."
    )


def test_half_of_google_is_refused() -> None:
    assert "go together" in problem(KEYTURN_GOOGLE_CLIENT_ID="id")
    assert "go together" in problem(KEYTURN_GOOGLE_CLIENT_SECRET="secret")


def test_google_twice_is_refused(tmp_path: Path) -> None:
    toml = "[providers.google]\npreset = 'google'\nclient_id = 'id'\nclient_secret = 'secret'"
    path = config(tmp_path, toml)
    told = problem(KEYTURN_CONFIG=path, KEYTURN_GOOGLE_CLIENT_ID="id", KEYTURN_GOOGLE_CLIENT_SECRET="secret")
    assert told.endswith("are two for one: remove one of them.")
