"""Packages that only some components need: ttf is installed with or without them."""

from __future__ import annotations

from importlib.util import find_spec

from ttf.errors import PluginError


def require_extra(name: str, extra: str | None = None) -> None:
    """Refuse to go on without the package that the extra brings; it has the same name unless another is given.

    Raises:
        PluginError: it is not installed.
    """
    if find_spec(name) is None:
        message = f"{name} is not installed; install it with: pip install 'trajectory-transformer[{extra or name}]'"
        raise PluginError(message)
