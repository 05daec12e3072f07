"""Offline reinforcement learning as sequence modelling, assembled from plugins by recipe files."""

from __future__ import annotations

from pluggy import HookimplMarker

__all__ = ["API_VERSION", "__version__", "hookimpl"]

__version__ = "0.1.0"

#: What a plugin declares as ``ttf_api``: the version of the contracts it was written for.
API_VERSION = "1"

#: Marks a plugin's functions as implementations of the hooks in :mod:`ttf.hookspecs`.
hookimpl = HookimplMarker("ttf")
