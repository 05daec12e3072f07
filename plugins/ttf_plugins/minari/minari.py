"""Data sets of the local Minari store, downloaded if a recipe asks for it."""

from __future__ import annotations

import contextlib
import io
import logging
from typing import TYPE_CHECKING

import minari

from ttf.errors import DataError, reason
from ttf.minari_store import MinariSource, exists
from ttf.minari_write import add_once
from ttf.observations import ObservationRule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ttf.interfaces.progress import Progress
    from ttf_plugins.minari import MinariConfig


def open_source(config: MinariConfig, progress: Progress) -> MinariSource:
    """The data set of a configuration.

    Raises:
        DataError: it is not there, cannot be downloaded, is damaged, or does not fit the configuration.
    """
    if config.download and not exists(config.dataset):
        progress.note(f"Downloading the Minari data set {config.dataset}")
        add_once(config.dataset, lambda: _download(config.dataset), progress)
    keys = tuple(config.observation_keys) if config.observation_keys is not None else None
    dims = tuple(config.observation_dims) if config.observation_dims is not None else None
    return MinariSource(config.dataset, ObservationRule(keys, dims))


def _download(dataset_id: str) -> None:
    try:
        with contextlib.redirect_stdout(io.StringIO()), _no_warnings():  # Minari prints what it does
            minari.download_dataset(dataset_id)
    except Exception as error:  # the network fails in as many ways as there are libraries below Minari
        message = f"Minari data set {dataset_id!r} cannot be downloaded: {reason(error)}"
        raise DataError(message) from error


@contextlib.contextmanager
def _no_warnings() -> Iterator[None]:
    """Have nothing logged below errors: each of five attempts in vain would have two lines."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
