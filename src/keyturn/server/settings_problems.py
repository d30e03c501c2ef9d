"""What is wrong with settings, in sentences for an operator; never a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

from pydantic_core import ErrorDetails

from keyturn.core.keyring import check_secrets_differ
from keyturn.core.keys import check_secret_strength
from keyturn.errors import SettingsError
from keyturn.server.settings_sources import Given, variable

_KEYS = ("access_secret", "refresh_secret", "password_pepper", "password_pepper_previous", "metrics_token")

_IN_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be tables of the settings file, such as [providers.google]",
    "missing": "is missing",
    "model_type": "must be a table",
    "path_type": "must be a path",
    "string_type": "must be text",
    "string_unicode": "must be UTF-8 text",
    "tuple_type": "must be a list",
}


def sentence(error: ErrorDetails, given: Mapping[str, Given]) -> str:
    """What the validation of a setting found, under the name that the operator gave it."""
    setting, *item = error["loc"]
    name = given[str(setting)].name if setting in given else variable(str(setting))
    place = name
    if setting == "providers" and item:
        place = ".".join(["providers", *map(str, item)]).removesuffix(".[key]")
    elif item:
        place = f"{name}, item {int(item[0]) + 1},"
    message = _IN_WORDS.get(error["type"]) or error["msg"]
    message = message.removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{place} {message}."


def weaknesses(given: Mapping[str, Given]) -> list[str]:
    """What is wrong with the secrets that are keys."""
    keys = [(given[setting].name, given[setting].value) for setting in _KEYS if setting in given]
    secrets = [(name, value) for name, value in keys if isinstance(value, str)]
    weak = [complaint for name, secret in secrets for complaint in _complaint(check_secret_strength, secret, name)]
    return weak or [
        complaint
        for (name, secret), (other_name, other) in combinations(secrets, 2)
        for complaint in _complaint(check_secrets_differ, secret, other, f"{name} and {other_name}")
    ]


def _complaint(check: Callable[..., None], *args: object) -> list[str]:
    try:
        check(*args)
    except SettingsError as error:
        return [str(error)]
    return []
