"""Checkpoints: atomic, verified, safetensors and JSON only.

A checkpoint is a folder ``ckpt-000123``, written as ``.ckpt-000123.tmp-PID``; its manifest is written last, and
the rename makes it exist.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ttf.errors import CheckpointError, ResourceError
from ttf.manifest import NAME, read_file, read_manifest, sync, write_manifest

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

STALE_AFTER = 24 * 3600.0
"""Seconds after which what an interrupted write left behind is swept."""

_STATE = "state.json"
_TENSORS = ".safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to go on as if it had never stopped."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    """Named groups of tensors: the model, the optimizer, the discretizer, random states."""

    state: dict[str, Any]
    """Everything that is not a tensor, as JSON."""


def save(folder: Path, checkpoint: Checkpoint, *, recipe_hash: str, keep: int = 2) -> Path:
    """Write a checkpoint, whole or not at all, and point ``latest`` at it.

    Of the earlier ones only the last ``keep - 1`` stay, and none of a later step: training has gone back.

    Raises:
        ResourceError: it cannot be written; earlier checkpoints are unharmed.
    """
    name = f"ckpt-{checkpoint.step:06d}"
    partial = folder / f".{name}.tmp-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        _write_content(partial, checkpoint)
        write_manifest(partial, step=checkpoint.step, recipe_hash=recipe_hash)
        shutil.rmtree(folder / name, ignore_errors=True)
        partial.rename(folder / name)
        _point(folder, name)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        free = shutil.disk_usage(folder).free // 2**20 if folder.exists() else 0
        message = f"{folder / name}: the checkpoint cannot be written ({free} MiB free): {error}"
        raise ResourceError(message) from error
    _prune(folder, checkpoint.step, keep)
    return folder / name


def load_newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that is whole, None if there is none; and a line for each newer one that is not.

    Raises:
        CheckpointError: there are checkpoints, but none that can be used.
    """
    problems: list[str] = []
    written = _written(folder)
    for step, path in reversed(written):
        try:
            found = load(path)
        except CheckpointError as error:
            problems.append(str(error))
        else:
            return found, problems + _unfinished(folder, newer_than=step)
    if written:
        message = f"{folder}: no usable checkpoint: {'; '.join(problems)}"
        raise CheckpointError(message)
    return None, _unfinished(folder, newer_than=-1)


def newest(folder: Path) -> Path:
    """The folder of the newest checkpoint.

    Raises:
        CheckpointError: there is none.
    """
    written = _written(folder)
    if not written:
        message = f"{folder}: no checkpoint"
        raise CheckpointError(message)
    return written[-1][1]


def link(source: Path, target: Path) -> None:
    """Make a folder's newest checkpoint that of another folder too; files are linked where the file system can.

    Raises:
        CheckpointError: there is none.
        ResourceError: the other folder cannot be written.
    """
    path = newest(source)
    partial = target / f".{path.name}.tmp-{os.getpid()}"
    try:
        target.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(path, partial, copy_function=_link_or_copy)
        shutil.rmtree(target / path.name, ignore_errors=True)
        partial.rename(target / path.name)
        _point(target, path.name)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        message = f"{target / path.name}: the checkpoint cannot be put there: {error}"
        raise ResourceError(message) from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and verify every file.

    Raises:
        CheckpointError: a file is missing, cut off, changed, or written by a newer ttf.
    """
    manifest = read_manifest(path)
    tensors: dict[str, dict[str, Tensor]] = {}
    state: dict[str, Any] = {}
    for name, entry in manifest.files.items():
        content = read_file(path, name, entry)
        if name == _STATE:
            state = _parsed_state(path / name, content)
        else:
            tensors[name.removesuffix(_TENSORS)] = _parsed_tensors(path / name, content)
    return Checkpoint(manifest.step, tensors, state)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _write_content(partial: Path, checkpoint: Checkpoint) -> None:
    for group, tensors in checkpoint.tensors.items():
        # Copies, as safetensors refuses tensors that share memory, such as tied weights.
        copies = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        # Not save_file, which makes files that only their owner can read.
        (partial / f"{group}{_TENSORS}").write_bytes(save_tensors(copies))
    (partial / _STATE).write_text(json.dumps(checkpoint.state, allow_nan=False), encoding="utf-8")


def _parsed_state(file: Path, content: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(content))
    except (ValueError, TypeError, RecursionError) as error:
        message = f"{file}: not a JSON object"
        raise CheckpointError(message) from error


def _parsed_tensors(file: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return load_tensors(content)
    except (SafetensorError, ValueError, KeyError) as error:
        message = f"{file}: not a safetensors file: {error}"
        raise CheckpointError(message) from error


def _point(folder: Path, name: str) -> None:
    """Replace the ``latest`` pointer, a text file with the folder's name."""
    pointer = folder / f".latest.tmp-{os.getpid()}"
    pointer.write_text(name + "\n", encoding="utf-8")
    sync(pointer)
    pointer.replace(folder / "latest")
    sync(folder)


def _written(folder: Path) -> list[tuple[int, Path]]:
    """Step and folder of the checkpoints that have a manifest, oldest first."""
    found = [(_step(path, r"ckpt-(\d+)"), path) for path in folder.glob("ckpt-*") if (path / NAME).is_file()]
    return sorted((step, path) for step, path in found if step is not None)


def _unfinished(folder: Path, *, newer_than: int) -> list[str]:
    """A line for each checkpoint whose writing has been cut off."""
    pieces = [path for path in sorted(folder.glob(".ckpt-*.tmp-*")) + sorted(folder.glob("ckpt-*")) if path.is_dir()]
    cut = [(path, _step(path, r"\.ckpt-(\d+)\.tmp-\d+")) for path in pieces]
    cut += [(path, _step(path, r"ckpt-(\d+)")) for path in pieces if not (path / NAME).exists()]
    return [f"{path}: was never finished" for path, step in cut if step is not None and step > newer_than]


def _step(path: Path, pattern: str) -> int | None:
    """The step in a folder's name, None if this is none of ours."""
    found = re.fullmatch(pattern, path.name)
    return int(found[1]) if found else None


def _prune(folder: Path, newest: int, keep: int) -> None:
    """Remove all but the last ``keep`` checkpoints up to a step."""
    written = _written(folder)
    kept = [path for step, path in written if step <= newest][-keep:]
    for _, path in written:
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what writes that were interrupted long ago left behind."""
    for path in folder.glob(".ckpt-*.tmp-*"):
        if time.time() - path.stat().st_mtime > STALE_AFTER:
            shutil.rmtree(path, ignore_errors=True)
