"""A checkpoint is whole or not there at all, whatever happens while it is written or after."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from ttf import __version__
from ttf.checkpoint import STALE_AFTER, Checkpoint, load, load_newest, save
from ttf.errors import CheckpointError, ResourceError
from ttf.training_state import same_tensors

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FILES = ("manifest.json", "model.safetensors", "optimizer.safetensors", "state.json")


def example(step: int) -> Checkpoint:
    generator = torch.Generator().manual_seed(step)
    model = {"a.weight": torch.randn(5, 3, generator=generator), "a.bias": torch.zeros(3), "n": torch.tensor(step)}
    optimizer = {"0/step": torch.tensor(float(step)), "0/exp_avg": torch.randn(5, 3, generator=generator).T}
    return Checkpoint(
        step, {"model": model, "optimizer": optimizer}, {"step": step, "meter": [0.1, 1e-300, 3], "sampler": [1, 20]}
    )


def same(one: Checkpoint, other: Checkpoint) -> bool:
    if (one.step, one.state, one.tensors.keys()) != (other.step, other.state, other.tensors.keys()):
        return False
    return all(same_tensors(group, other.tensors[name]) for name, group in one.tensors.items())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write(folder: Path, *steps: int) -> Path:
    for step in steps:
        path = save(folder, example(step), recipe_hash="abc")
    return path


def in_child(work: Callable[[], None]) -> int:
    """The exit code of a forked process that does something."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    path = write(tmp_path, 7)
    assert path == tmp_path / "ckpt-000007"
    assert names(path) == list(FILES)
    assert same(load(path), example(7))
    assert (tmp_path / "latest").read_text() == "ckpt-000007\n"
    manifest = json.loads((path / "manifest.json").read_text())
    assert (manifest["format"], manifest["ttf"], manifest["recipe"]) == (1, __version__, "abc")


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, 10, 1_000_000)
    assert names(tmp_path) == ["ckpt-000010", "ckpt-1000000", "latest"]
    newest, problems = load_newest(tmp_path)
    assert newest is not None
    assert same(newest, example(1_000_000))
    assert problems == []


def test_a_checkpoint_replaces_one_of_the_same_step_and_all_of_later_ones(tmp_path: Path) -> None:
    write(tmp_path, 4, 8)
    save(tmp_path, Checkpoint(6, {}, {"again": True}), recipe_hash="abc")
    assert names(tmp_path) == ["ckpt-000004", "ckpt-000006", "latest"]
    save(tmp_path, Checkpoint(6, {}, {"again": 2}), recipe_hash="abc")
    assert load(tmp_path / "ckpt-000006").state == {"again": 2}
    assert names(tmp_path) == ["ckpt-000004", "ckpt-000006", "latest"]


def test_nothing_saved_is_no_problem(tmp_path: Path) -> None:
    assert load_newest(tmp_path) == (None, [])
    assert load_newest(tmp_path / "missing") == (None, [])


def test_tied_weights_can_be_saved(tmp_path: Path) -> None:
    layer = nn.Linear(3, 3)
    tied = nn.ModuleDict({"one": layer, "two": layer})
    path = save(tmp_path, Checkpoint(1, {"model": tied.state_dict()}, {}), recipe_hash="")
    loaded = load(path).tensors["model"]
    assert torch.equal(loaded["one.weight"], layer.weight)
    assert torch.equal(loaded["two.weight"], layer.weight)


def leave_at(folder: Path, count: int) -> Callable[[], None]:
    """Save step 2, and vanish at the ``count``-th thing done to a file in the folder."""
    events = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}

    def work() -> None:
        seen = 0

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            if event in events and arguments and str(folder) in str(arguments[0]):
                seen += 1
                if seen > count:
                    os._exit(9)

        sys.addaudithook(hook)
        write(folder, 2)

    return work


def test_a_process_that_vanishes_anywhere_in_a_save_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    outcomes = []
    for count in range(1000):
        folder = tmp_path / str(count)
        write(folder, 0, 1)
        code = in_child(leave_at(folder, count))
        newest, problems = load_newest(folder)
        assert newest is not None
        assert same(newest, example(newest.step))
        cut = [path for path in folder.glob(".ckpt-*") if newest.step == 1]
        assert problems == [f"{path}: was never finished" for path in cut]
        outcomes.append((newest.step, bool(problems)))
        write(folder, 2)
        assert load_newest(folder)[0] is not None
        if code == 0:
            break
        assert code == 9
    assert len(outcomes) > 12  # an event before and after every file
    assert outcomes == sorted(outcomes, key=lambda outcome: outcome[0])
    assert {(1, False), (1, True), (2, False)} == set(outcomes)


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_noticed(name: str, tmp_path: Path) -> None:
    write(tmp_path, 1)
    path = write(tmp_path, 2)
    whole = (path / name).read_bytes()
    choose = random.Random(0)
    lengths = {0, 1, 7, 8, 40, len(whole) // 2, len(whole) - 1, *(choose.randrange(len(whole)) for _ in range(60))}
    for length in lengths:
        (path / name).write_bytes(whole[:length])
        with pytest.raises(CheckpointError) as error:
            load(path)
        assert str(error.value).startswith(f"{path / name}: ")
        assert "\n" not in str(error.value)
        newest, problems = load_newest(tmp_path)
        assert newest is not None
        assert (newest.step, problems) == (1, [str(error.value)])


@pytest.mark.parametrize("name", FILES)
def test_every_flipped_bit_is_noticed(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    whole = (path / name).read_bytes()
    choose = random.Random(1)
    for _ in range(120):
        place, bit = choose.randrange(len(whole)), choose.randrange(8)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        (path / name).write_bytes(flipped)
        with pytest.raises(CheckpointError) as error:
            load(path)
        assert str(path) in str(error.value), (place, bit)


def test_a_file_in_place_of_another_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    shutil.copy(path / "optimizer.safetensors", path / "model.safetensors")
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(error.value) == f"{path / 'model.safetensors'}: corrupt: its content does not match the manifest"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    (path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(error.value) == f"{path / 'model.safetensors'}: cannot be read: no such regular file"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "{", "null", "3", '{"format": "one"}', '{"format": 1, "sha256": 0}', "[" * 100_000, "\0"],
)
def test_what_is_no_manifest_is_refused(content: str, tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    (path / "manifest.json").write_text(content)
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(error.value).startswith(f"{path / 'manifest.json'}: ")
    assert str(error.value).endswith(
        ("not a checkpoint manifest", "corrupt: its content does not match its own sha256")
    )


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "format": 2, "ttf": "9.9"}))
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(error.value) == f"{path / 'manifest.json'}: written by ttf 9.9 in format 2; this one reads 1"


def resealed(path: Path, files: dict[str, Any]) -> None:
    """Give a checkpoint a manifest with other files, as somebody with bad intentions would."""
    from ttf import manifest

    content = json.loads((path / "manifest.json").read_text())
    del content["sha256"]
    content["files"] = files
    (path / "manifest.json").write_text(json.dumps({**content, "sha256": manifest._seal(content)}))


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", "", ".", "sub/../state.json"])
def test_a_manifest_that_leads_out_of_its_folder_is_refused(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    (tmp_path / "secret").write_text("x")
    resealed(path, {name: {"size": 1, "sha256": "0"}})
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert f"the manifest names {name!r}, which is no file of the checkpoint" in str(error.value) or name == ".."


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_regular_file_is_never_opened(kind: str, tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    target = path / "model.safetensors"
    target.rename(tmp_path / "elsewhere")
    if kind == "link":
        target.symlink_to(tmp_path / "elsewhere")
    elif kind == "pipe":
        os.mkfifo(target)
    else:
        target.mkdir()
    with pytest.raises(CheckpointError, match=r"which is no file of the checkpoint|no such regular file"):
        load(path)


def test_a_linked_manifest_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 2)
    (path / "manifest.json").rename(tmp_path / "elsewhere")
    (path / "manifest.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match="not a checkpoint manifest"):
        load(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("state.json", b"[1, 2"),
        ("state.json", b"3"),
        ("model.safetensors", b"\x80\x04."),  # a pickle
        ("model.safetensors", (2**62).to_bytes(8, "little") + b"{}"),
        ("model.safetensors", b""),
    ],
)
def test_content_that_was_never_ours_is_refused_even_under_a_matching_hash(
    name: str, content: bytes, tmp_path: Path
) -> None:
    import hashlib

    path = write(tmp_path, 2)
    (path / name).write_bytes(content)
    resealed(path, {name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}})
    with pytest.raises(CheckpointError) as error:
        load(path)
    assert str(error.value).startswith(f"{path / name}: not a ")


def test_no_usable_checkpoint_is_an_error_that_names_them_all(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    for step in (1, 2):
        (tmp_path / f"ckpt-00000{step}" / "state.json").write_text("")
    with pytest.raises(CheckpointError) as error:
        load_newest(tmp_path)
    first, second = (tmp_path / f"ckpt-00000{step}" / "state.json" for step in (1, 2))
    assert str(error.value) == (
        f"{tmp_path}: no usable checkpoint: {second}: corrupt: its content does not match the manifest; "
        f"{first}: corrupt: its content does not match the manifest"
    )


def test_a_folder_without_a_manifest_is_no_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    (tmp_path / "ckpt-000002" / "manifest.json").unlink()
    (tmp_path / "ckpt-final").mkdir()
    (tmp_path / "ckpt-final" / "manifest.json").write_text("{}")
    newest, problems = load_newest(tmp_path)
    assert newest is not None
    assert (newest.step, problems) == (1, [f"{tmp_path / 'ckpt-000002'}: was never finished"])


def limited(folder: Path, limit: int) -> Callable[[], None]:
    """Save step 3 with a limit on the size of files, as on a full disk, and note what was raised."""

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            write(folder, 3)
        except ResourceError as error:
            (folder / "message").write_text(str(error)[:limit])
            os._exit(error.exit_code)

    return work


@pytest.mark.parametrize("limit", [100, 300, 500])  # bytes: a file of tensors, the state or the manifest is too large
def test_a_full_disk_is_reported_and_harms_nothing(limit: int, tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    assert in_child(limited(tmp_path, limit)) == 6
    message = (tmp_path / "message").read_text()
    assert message.startswith(f"{tmp_path / 'ckpt-000003'}: the checkpoint cannot be written ("[:limit])
    assert names(tmp_path) == ["ckpt-000001", "ckpt-000002", "latest", "message"]
    for step in (1, 2):
        assert same(load(tmp_path / f"ckpt-00000{step}"), example(step))


def test_without_that_limit_the_child_saves(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    assert in_child(limited(tmp_path, 10_000)) == 0
    assert names(tmp_path) == ["ckpt-000002", "ckpt-000003", "latest"]


def test_a_folder_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError) as error:
        write(tmp_path / "file" / "checkpoints", 1)
    path = tmp_path / "file" / "checkpoints" / "ckpt-000001"
    assert str(error.value).startswith(f"{path}: the checkpoint cannot be written (0 MiB free): ")


def test_what_old_interruptions_left_is_swept_and_what_fresh_ones_left_is_not(tmp_path: Path) -> None:
    for name, age in ((".ckpt-000001.tmp-1", STALE_AFTER + 60), (".ckpt-000002.tmp-2", 60.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text("")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    write(tmp_path, 5)
    assert names(tmp_path) == [".ckpt-000002.tmp-2", "ckpt-000005", "latest"]
