"""Packages that only some components need: ttf is installed with or without them."""

from __future__ import annotations

from importlib.util import find_spec

from ttf.errors import PluginError


def require_extra(name: str) -> None:
    """Refuse to go on without the package that the extra of this name brings.

    Raises:
        PluginError: it is not installed.
    """
    if find_spec(name) is None:
        message = f"{name} is not installed; install it with: pip install 'trajectory-transformer[{name}]'"
        raise PluginError(message)
