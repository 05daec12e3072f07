"""Packages that only some components need: ttf is installed with or without them."""

from __future__ import annotations

from importlib.util import find_spec

from ttf.errors import PluginError


def require_extra(name: str, module: str | None = None, *, otherwise: str = "") -> None:
    """Refuse to go on without the package that the extra of this name brings.

    Args:
        name: of the extra.
        module: what it brings, if that is called differently.
        otherwise: what else can be done, for the message.

    Raises:
        PluginError: it is not installed.
    """
    if find_spec(module or name) is None:
        package = (module or name).replace("_", "-")
        hint = f"pip install 'trajectory-transformer[{name}]'{otherwise}"
        message = f"{package} is not installed; install it with: {hint}"
        raise PluginError(message)
