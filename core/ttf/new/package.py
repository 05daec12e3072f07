"""Write the package of a new plugin from templates, whole or not at all.

The templates are packages that work as they stand, called ``my_`` and their slot, so that they are formatted, checked
and typed as all other code is. Writing one means to replace that name.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ttf.component import SLOTS
from ttf.errors import RecipeError, ResourceError
from ttf.new.names import check_name, check_slot, class_of, distribution_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttf.registry import Registry

TEMPLATES = Path(__file__).parent / "templates"
COMMON = "common"
"""The folder of what packages for all slots have; it is called ``my_plugin`` there."""


def write_plugin(name: str, slot: str, registry: Registry, parent: Path) -> list[Path]:
    """Write the package of a plugin with a component for a slot; returns its files.

    Args:
        name: of the folder, the package, the entry point and the kind.
        slot: that the component is for.
        registry: what is installed, whose names are taken.
        parent: where the folder is made.

    Raises:
        RecipeError: the slot is unknown, or the name will not do.
        ResourceError: the files cannot be written.
    """
    check_slot(slot)
    target = parent / name
    if name.isidentifier() and os.path.lexists(target):  # found from here, it would be taken for what is installed
        message = f"{target}: is there already; choose another name, or move it away"
        raise RecipeError(message)
    placeholder = class_of(f"my_{slot}")
    words = {word for text in _template(slot).values() for word in re.findall(r"\w+", text)}
    check_name(name, slot, words - {placeholder, f"{placeholder}Config"}, registry)
    files = rendered(name, slot)
    _write(target, files)
    return [target / file for file in files]


def rendered(name: str, slot: str) -> dict[str, str]:
    """The files of a package, by their place in it, sorted."""
    kind = f"{{kind: {name}}}"
    words = {
        "SLOT": slot,
        "SECTION": f"{slot}: [{kind}]" if SLOTS[slot][1] else f"{slot}: {kind}",
        **{form(original): form(name) for original in ("my_plugin", f"my_{slot}") for form in _FORMS},
    }
    pattern = re.compile("|".join(map(re.escape, words)))

    def replaced(text: str) -> str:
        return pattern.sub(lambda found: words[found.group()], text)

    files = {**_template(COMMON), **_template(slot)}
    return {replaced(place): replaced(text) for place, text in sorted(files.items())}


def _same(name: str) -> str:
    return name


_FORMS = (_same, distribution_of, class_of)


def _template(folder: str) -> Mapping[str, str]:
    """The texts of a folder of templates by their place in it; what tools have left there is none."""
    root = TEMPLATES / folder
    places = (file.relative_to(root) for file in root.rglob("*") if file.is_file())
    wanted = (place for place in places if not any(part.startswith((".", "__pycache__")) for part in place.parts))
    return {place.as_posix(): (root / place).read_text(encoding="utf-8") for place in wanted}


def _write(target: Path, files: Mapping[str, str]) -> None:
    """Make a folder of files; whatever goes wrong, nothing of it is left."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        for place, text in files.items():
            (partial / place).parent.mkdir(parents=True, exist_ok=True)
            (partial / place).write_text(text, encoding="utf-8")
        partial.rename(target)
    except OSError as error:
        message = f"{target}: cannot be written: {error.strerror or error}"
        raise ResourceError(message) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
