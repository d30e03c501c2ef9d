"""An application's own code, named by a setting: `package.module:name`."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from keyturn.errors import SettingsError


def imported(reference: str, setting: str) -> Any:
    """What a setting names. It is found where Python finds modules: installed, or in a directory of PYTHONPATH.

    Args:
        reference: `package.module:name`.
        setting: the name of the setting, for an error.

    Raises:
        SettingsError: there is no such module, it fails when it is imported, or it has no such name.
    """
    module_name, _, name = reference.partition(":")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{setting} names the module {module_name}, but {error.name} cannot be found. Install it, or put its directory "
            f"into PYTHONPATH (Python {sys.version_info.major}.{sys.version_info.minor} looks in the installed packages only)."
        ) from error
    except Exception as error:
        raise SettingsError(
            f"{setting}: importing {module_name} failed with {type(error).__name__}: {error}."
        ) from error
    try:
        return getattr(module, name)
    except AttributeError:
        raise SettingsError(f"{setting}: the module {module_name} has no {name or 'name after the colon'}.") from None
