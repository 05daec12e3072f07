"""The manifest of a checkpoint folder: its files with sizes and hashes, sealed with a hash of itself.

It is written last, so that a folder without a valid manifest is none.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ttf import __version__
from ttf.errors import CheckpointError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = 1
"""Version of the checkpoint format."""

NAME = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """What a checkpoint folder holds."""

    step: int
    files: Mapping[str, Mapping[str, Any]]
    """Size and sha256 by file name."""


def write_manifest(folder: Path, *, step: int, recipe_hash: str) -> None:
    """Describe every file of a folder, after all of them have reached the disk."""
    files = sorted(folder.iterdir())
    for file in files:
        sync(file)
    manifest = {
        "format": FORMAT,
        "ttf": __version__,
        "step": step,
        "recipe": recipe_hash,
        "files": {file.name: {"size": file.stat().st_size, "sha256": _sha256(file.read_bytes())} for file in files},
    }
    sealed = {**manifest, "sha256": _seal(manifest)}
    (folder / NAME).write_text(json.dumps(sealed, indent=2), encoding="utf-8")
    sync(folder / NAME)
    sync(folder)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        CheckpointError: there is none, it has been changed, or a newer ttf wrote it.
    """
    file = folder / NAME
    try:
        manifest = json.loads(_regular(file).read_text(encoding="utf-8"))
        if manifest["format"] > FORMAT:
            message = (
                f"{file}: written by ttf {manifest['ttf']} in format {manifest['format']}; this one reads {FORMAT}"
            )
            raise CheckpointError(message)
        if manifest.pop("sha256") != _seal(manifest):
            message = f"{file}: corrupt: its content does not match its own sha256"
            raise CheckpointError(message)
        return Manifest(int(manifest["step"]), {str(name): dict(entry) for name, entry in manifest["files"].items()})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"{file}: not a checkpoint manifest"
        raise CheckpointError(message) from error


def read_file(folder: Path, name: str, entry: Mapping[str, Any]) -> bytes:
    """The content of a file of a checkpoint, which must be what the manifest says.

    Raises:
        CheckpointError: it is missing or changed, or its name leads out of the folder.
    """
    file = folder / name
    if file.parent != folder or name != file.name or file.is_symlink():
        message = f"{folder}: the manifest names {name!r}, which is no file of the checkpoint"
        raise CheckpointError(message)
    try:
        whole = _regular(file).stat().st_size == entry.get("size")
        content = file.read_bytes() if whole else b""
    except OSError as error:
        message = f"{file}: cannot be read: {error.strerror}"
        raise CheckpointError(message) from error
    if not whole or _sha256(content) != entry.get("sha256"):
        message = f"{file}: corrupt: its content does not match the manifest"
        raise CheckpointError(message)
    return content


def sync(path: Path) -> None:
    """Have a file or folder reach the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _regular(file: Path) -> Path:
    """The file itself, unless it is a link, a pipe or anything else that must not be opened.

    Raises:
        OSError: it is.
    """
    if file.is_symlink() or not file.is_file():
        message = "no such regular file"
        raise OSError(0, message)
    return file


def _seal(manifest: Mapping[str, Any]) -> str:
    """The hash of a manifest without its own hash."""
    return _sha256(json.dumps(manifest, sort_keys=True).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
