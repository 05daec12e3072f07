"""Checkpoints: atomic, verified, safetensors and JSON only.

A checkpoint is a folder ``ckpt-000123``, written as ``.ckpt-000123.tmp-PID``; its ``manifest.json`` (files with
size and sha256) is written last, and the rename makes it exist. A folder without a valid manifest does not.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file

from ttf import __version__
from ttf.errors import CheckpointError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

FORMAT = 1
"""Version of the checkpoint format."""

STALE_AFTER = 24 * 3600.0
"""Seconds after which what an interrupted write left behind is swept."""


@dataclass(frozen=True)
class Checkpoint:
    """What a training needs to go on as if it had never stopped."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    """Named groups of tensors: the model, the optimizer, the discretizer, random states."""

    state: dict[str, Any]
    """Everything that is not a tensor, as JSON."""


def save(folder: Path, checkpoint: Checkpoint, *, recipe_hash: str, keep: int = 2) -> Path:
    """Write a checkpoint, whole or not at all, point ``latest`` at it and drop all but the last ``keep``.

    Raises:
        ResourceError: it cannot be written; earlier checkpoints are unharmed.
    """
    name = _name(checkpoint.step)
    partial = folder / f".{name}.tmp-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        _write_files(partial, checkpoint, recipe_hash)
        shutil.rmtree(folder / name, ignore_errors=True)
        partial.rename(folder / name)
        _point(folder, name)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        free = shutil.disk_usage(folder).free // 2**20 if folder.exists() else 0
        message = f"{folder / name}: the checkpoint cannot be written ({free} MiB free): {error}"
        raise ResourceError(message) from error
    for old in _complete(folder)[:-keep]:
        shutil.rmtree(folder / old, ignore_errors=True)
    return folder / name


def load_newest(folder: Path) -> tuple[Checkpoint, list[str]] | None:
    """The newest checkpoint that is whole, and a line for each newer one that is not; None if there is none.

    Raises:
        CheckpointError: there are checkpoints, but none that can be used.
    """
    names = _complete(folder)
    problems: list[str] = []
    for name in reversed(names):
        try:
            return load(folder / name), problems
        except CheckpointError as error:
            problems.append(str(error))
    if not problems:
        return None
    message = f"{folder}: no usable checkpoint: {'; '.join(problems)}"
    raise CheckpointError(message)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and verify every file.

    Raises:
        CheckpointError: a file is missing, cut off, changed, or written by a newer ttf.
    """
    manifest = _manifest(path)
    tensors: dict[str, dict[str, Tensor]] = {}
    state: dict[str, Any] = {}
    for name, expected in manifest["files"].items():
        content = _verified(path, name, expected)
        if name == "state.json":
            state = json.loads(content)
        else:
            tensors[name.removesuffix(".safetensors")] = _tensors(path / name, content)
    return Checkpoint(manifest["step"], tensors, state)


def _write_files(partial: Path, checkpoint: Checkpoint, recipe_hash: str) -> None:
    for group, tensors in checkpoint.tensors.items():
        save_file(
            {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, partial / f"{group}.safetensors"
        )
    (partial / "state.json").write_text(json.dumps(checkpoint.state, allow_nan=False), encoding="utf-8")
    files = sorted(partial.iterdir())
    manifest = {
        "format": FORMAT,
        "ttf": __version__,
        "step": checkpoint.step,
        "recipe": recipe_hash,
        "files": {file.name: {"size": file.stat().st_size, "sha256": _sha256(file.read_bytes())} for file in files},
    }
    for file in files:
        _sync(file)
    (partial / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
    _sync(partial / "manifest.json")
    _sync(partial)


def _manifest(path: Path) -> dict[str, Any]:
    file = path / "manifest.json"
    try:
        manifest = json.loads(file.read_text(encoding="utf-8"))
        if manifest["format"] > FORMAT:
            message = (
                f"{file}: written by ttf {manifest['ttf']} in format {manifest['format']}; this one reads {FORMAT}"
            )
            raise CheckpointError(message)
        if not isinstance(manifest["step"], int) or not isinstance(manifest["files"], dict):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{file}: not a checkpoint manifest"
        raise CheckpointError(message) from error
    return dict(manifest)


def _verified(path: Path, name: str, expected: Mapping[str, Any]) -> bytes:
    """The content of a file of a checkpoint, which must be what the manifest says."""
    file = path / name
    if file.parent != path or name != file.name or file.is_symlink():
        message = f"{path}: the manifest names {name!r}, which is no file of the checkpoint"
        raise CheckpointError(message)
    try:
        content = file.read_bytes()
    except OSError as error:
        message = f"{file}: cannot be read: {error.strerror}"
        raise CheckpointError(message) from error
    if len(content) != expected.get("size") or _sha256(content) != expected.get("sha256"):
        message = f"{file}: corrupt: its content does not match the manifest"
        raise CheckpointError(message)
    return content


def _tensors(file: Path, content: bytes) -> dict[str, Tensor]:
    try:
        return load_tensors(content)
    except SafetensorError as error:
        message = f"{file}: not a safetensors file: {error}"
        raise CheckpointError(message) from error


def _point(folder: Path, name: str) -> None:
    """Replace the ``latest`` pointer, a text file with the folder's name."""
    pointer = folder / f".latest.tmp-{os.getpid()}"
    pointer.write_text(name + "\n", encoding="utf-8")
    _sync(pointer)
    pointer.replace(folder / "latest")
    _sync(folder)


def _complete(folder: Path) -> list[str]:
    """Names of the checkpoints that have a manifest, oldest first."""
    found = [path.name for path in folder.glob("ckpt-*") if (path / "manifest.json").is_file()]
    return sorted(found, key=lambda name: int(name.removeprefix("ckpt-")))


def _sweep(folder: Path) -> None:
    """Remove what writes that were interrupted long ago left behind."""
    for path in folder.glob(".ckpt-*.tmp-*"):
        if time.time() - path.stat().st_mtime > STALE_AFTER:
            shutil.rmtree(path, ignore_errors=True)


def _name(step: int) -> str:
    return f"ckpt-{step:06d}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
