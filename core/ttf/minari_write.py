"""Add data sets to the local Minari store, whole or not at all."""

from __future__ import annotations

import os
import shutil
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import minari
from filelock import FileLock, Timeout
from minari.namespace import create_namespace, list_local_namespaces, namespace_hierarchy
from minari.storage import get_dataset_path

from ttf.errors import ResourceError
from ttf.minari_store import exists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import gymnasium
    from minari.data_collector import EpisodeBuffer

    from ttf.interfaces.progress import Progress

#: Where unfinished data sets and locks are kept in a store; Minari does not look into hidden folders.
_STAGING = ".ttf"


def add_once(dataset_id: str, write: Callable[[], None], progress: Progress) -> None:
    """Have a data set written unless the store has it; ``write`` uses Minari as if the store were empty.

    Processes that want the same data set wait for the first. It is written in a hidden folder and renamed, so
    that an interruption at any moment leaves nothing that could be taken for a data set.

    Raises:
        ResourceError: the store cannot be written.
    """
    store = get_dataset_path()
    name = dataset_id.replace("/", "-")
    try:
        (store / _STAGING).mkdir(exist_ok=True)
        with _alone(store / _STAGING / f"{name}.lock", progress):
            if not exists(dataset_id):
                _add(dataset_id, write, store / _STAGING / name)
    except OSError as error:
        message = f"the Minari store {store} cannot be written: {error.strerror or error}"
        raise ResourceError(message) from error


def create(
    dataset_id: str,
    environment: gymnasium.Env[Any, Any],
    episodes: list[EpisodeBuffer],
    *,
    algorithm: str,
    description: str,
) -> None:
    """Write a data set of these episodes, with the environment's id and options, into Minari's store."""
    with warnings.catch_warnings():
        # Minari asks for an e-mail address and a link, which a data set made on the spot does not have.
        warnings.filterwarnings("ignore", message=r"`(author_email|code_permalink)` is set to None")
        minari.create_dataset_from_buffers(
            dataset_id,
            episodes,
            env=environment,
            eval_env=environment,
            algorithm_name=algorithm,
            author="trajectory-transformer",
            description=description,
        )


def _add(dataset_id: str, write: Callable[[], None], staging: Path) -> None:
    """Write the data set below ``staging``, then move it into the store."""
    shutil.rmtree(staging, ignore_errors=True)  # what an interruption left
    with _minari_at(staging):
        write()
    target = get_dataset_path(dataset_id)
    for namespace in namespace_hierarchy(dataset_id.rpartition("/")[0] or None):
        if namespace not in list_local_namespaces():
            create_namespace(namespace)
    (staging / dataset_id).rename(target)
    shutil.rmtree(staging)


@contextmanager
def _alone(file: Path, progress: Progress) -> Iterator[None]:
    """Hold a lock that the system takes back even from a process that is killed."""
    lock = FileLock(file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        progress.note("Another process is making the same data set; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _minari_at(store: Path) -> Iterator[None]:
    """Let Minari use another store; it takes the place from the environment of the process only."""
    before = os.environ.get("MINARI_DATASETS_PATH")
    os.environ["MINARI_DATASETS_PATH"] = str(store)
    try:
        yield
    finally:
        if before is None:
            del os.environ["MINARI_DATASETS_PATH"]
        else:
            os.environ["MINARI_DATASETS_PATH"] = before
