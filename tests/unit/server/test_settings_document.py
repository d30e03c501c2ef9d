"""The document and the settings say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.support.settings import OTHER_PEPPER, PEPPER, REFRESH_SECRET, config, load, problem

from keyturn.server.settings import Settings
from keyturn.server.settings_sources import CONFIG, LEGACY, variable

DOCUMENT = Path(__file__).parents[3] / "docs" / "settings.md"


def documented() -> dict[str, list[str]]:
    """The rows of the table, by variable: the default, the values, the purpose, the older name."""
    rows = re.findall(r"^\| `(KEYTURN_[A-Z_]+)` \|(.*)\|$", DOCUMENT.read_text(), re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    assert list(documented()) == [variable(setting) for setting in Settings.model_fields]


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_the_documented_default_is_the_default(setting: str) -> None:
    default, name = documented()[variable(setting)][0], variable(setting)
    written = re.match("`(.+?)`", default)
    if written:
        assert load(**{name: written[1]}) == load()
    elif default.startswith("none"):
        assert getattr(load(), setting) in (None, ())
    else:
        assert (setting, default) == ("hash_concurrency", "the number of CPUs, divided by `KEYTURN_WORKERS`")


def test_the_documented_bounds_are_the_bounds() -> None:
    for name, (_, values, _, _) in documented().items():
        bounds = re.search(r"([0-9]+[smhd]?) to ([0-9]+[smhd]?)", values)
        if bounds:
            assert problem(**{name: "999999999"}).endswith(f" from {bounds[1]} to {bounds[2]}.")


def test_the_documented_older_names_are_the_older_names() -> None:
    older = {row[3].strip("`"): name for name, row in documented().items() if row[3]}
    assert older == {name: variable(setting) for name, setting in LEGACY.items()}


def test_every_variable_in_the_text_exists() -> None:
    known = {CONFIG, *map(variable, Settings.model_fields)}
    assert set(re.findall(r"KEYTURN_[A-Z_]+[A-Z]", DOCUMENT.read_text())) == known


def example() -> str:
    found = re.search(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_in_the_documentation_loads(tmp_path: Path) -> None:
    path = tmp_path / "keyturn-refresh-secret"
    path.write_text(REFRESH_SECRET)
    pepper = tmp_path / "keyturn-password-pepper"
    pepper.write_text(PEPPER)
    token = tmp_path / "keyturn-metrics-token"
    token.write_text(OTHER_PEPPER)
    url = tmp_path / "keyturn-database-url"
    url.write_text("postgresql://keyturn:hunter2@db/keyturn")
    mail = tmp_path / "keyturn-smtp-password"
    mail.write_text("hunter2")
    client_secret = tmp_path / "keyturn-company-client-secret"
    client_secret.write_text("correct-horse")
    for file in (path, pepper, token, url, mail, client_secret):
        file.chmod(0o600)
    settings = load(KEYTURN_CONFIG=config(tmp_path, example().replace("/run/secrets", str(tmp_path))))
    assert settings.issuer == "https://auth.example.com"
    assert settings.refresh_secret == SecretStr(REFRESH_SECRET)
    assert settings.providers is not None
    assert settings.providers["company"].client_secret == SecretStr("correct-horse")


def test_the_example_in_the_documentation_is_complete() -> None:
    keys = tomllib.loads(re.sub("^# (?=[a-z_]+ = )", "", example(), flags=re.MULTILINE)).keys()
    assert {key.removesuffix("_file") for key in keys} == set(Settings.model_fields)
