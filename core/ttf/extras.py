"""Packages that only some components need: ttf is installed with or without them."""

from __future__ import annotations

from importlib.util import find_spec

from ttf.errors import PluginError


def require_extra(name: str, extra: str | None = None, *, otherwise: str = "") -> None:
    """Refuse to go on without the package that the extra brings; it has the same name unless another is given.

    Args:
        name: of the package as it is imported.
        extra: that brings it.
        otherwise: what else can be done, for the message.

    Raises:
        PluginError: it is not installed.
    """
    if find_spec(name) is None:
        hint = f"pip install 'trajectory-transformer[{extra or name}]'{otherwise}"
        message = f"{name.replace('_', '-')} is not installed; install it with: {hint}"
        raise PluginError(message)
