from __future__ import annotations

import importlib
import json
import struct
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.tracked import CrashError, CrashingConfig, run_tiny

from ttf.errors import PluginError
from ttf.run_dir import RunDir, read_lines
from ttf.testing import check_reporter
from ttf.yaml_source import read_file
from ttf_plugins.wandb import WandbConfig

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BLOCK = 32768
"""Bytes of a block of the file that wandb keeps a run in, a LevelDB log."""


@pytest.fixture(autouse=True)
def _nobody_is_logged_in(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NETRC", str(home / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


@pytest.fixture(scope="module")
def _installed() -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")


@pytest.fixture(scope="module")
def whole(_installed: None, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    return run_tiny(tmp_path_factory.mktemp("runs"), WandbConfig(project="corridors"))


def files(run: RunDir) -> list[Path]:
    """What wandb keeps of a run, a file for every time it was started, once its process has ended."""
    importlib.import_module("wandb").teardown()
    return sorted((run.path / "wandb").glob("offline-run-*/*.wandb"))


def entries(file: Path) -> Iterator[Any]:
    """The records of such a file."""
    record: Any = importlib.import_module("wandb.proto.wandb_internal_pb2").Record  # made at run time
    data, at, entry = file.read_bytes(), 7, b""
    while at < len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, part = struct.unpack_from("<IHB", data, at)
        entry += data[at + 7 : at + 7 + length]
        at += 7 + length
        if part in (1, 4):  # whole, or the last part
            yield record.FromString(entry)
            entry = b""


def history(file: Path) -> list[dict[str, Any]]:
    """What was logged, without wandb's own figures."""
    rows = [entry.history.item for entry in entries(file) if entry.HasField("history")]
    rows = [{"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in row} for row in rows]
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows]


def expected(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same from the run's own records."""
    return [
        {f"{r.get('learner', r['kind'])}/{name}": r[name] for name in r if name not in ("kind", "learner")}
        for r in records
    ]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the reporter said."""
    return [record.getMessage() for record in caplog.records if record.name == "ttf_plugins.wandb.wandb"]


@pytest.mark.usefixtures("_installed")
def test_the_contract_of_reporters_is_kept() -> None:
    check_reporter(WandbConfig(mode="disabled"))  # wandb lets no process go on with a run that another one tracks


def test_a_run_is_kept_offline_with_every_figure_as_it_is(whole: RunDir) -> None:
    (file,) = files(whole)
    assert history(file) == expected(list(read_lines(whole.metrics)))


def test_the_resolved_recipe_is_the_configuration(whole: RunDir) -> None:
    (started,) = [entry.run for entry in entries(files(whole)[0]) if entry.HasField("run")]
    config = {item.key: json.loads(item.value_json) for item in started.config.update}
    config.pop("_wandb", None)
    assert config == read_file(whole.recipe).data
    assert (started.project, started.run_group) == ("corridors", "tiny")
    assert started.display_name == f"tiny/{whole.path.name}"


def test_the_results_are_the_summary(whole: RunDir) -> None:
    items = [item for e in entries(files(whole)[0]) if e.HasField("summary") for item in e.summary.update]
    summary = {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}
    for row in whole.read("result")["policies"]:
        for name in ("return", "steps", "success"):
            for part, value in row[name].items():
                assert summary[f"result/{row['policy']}/{name}/{part}"] == value


def test_a_resumed_run_keeps_its_id_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    wandb = pytest.importorskip("wandb", reason="the extra wandb is not installed")
    with pytest.raises(CrashError):
        run_tiny(tmp_path, WandbConfig(), CrashingConfig(name="train", number=10))
    wandb.teardown()  # the process ends
    cut = run_tiny(tmp_path, WandbConfig(), resume=True)
    started = [entry.run for file in files(cut) for entry in entries(file) if entry.HasField("run")]
    assert [run.run_id for run in started] == [cut.read("wandb")["id"]] * 2
    before, after = map(history, files(cut))
    records = expected(list(read_lines(cut.metrics)))
    assert before[:-1] + after == records
    assert before[-1]["train/loss"] == after[0]["train/loss"]


@pytest.mark.usefixtures("_installed")
def test_without_a_key_nobody_is_asked_for_one_and_the_run_is_recorded_offline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("was asked"))
    run = run_tiny(tmp_path, WandbConfig(mode="online"))
    assert warnings(caplog) == ["wandb: no API key; 'wandb login' stores one; the run is recorded offline"]
    (file,) = files(run)
    assert history(file) == expected(list(read_lines(run.metrics)))


@pytest.mark.usefixtures("_installed")
def test_a_run_whose_server_cannot_be_reached_is_recorded_offline(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module("wandb").teardown()  # it reads the environment when it is set up
    monkeypatch.setenv("WANDB_API_KEY", 40 * "a")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("ttf_plugins.wandb.wandb.LONGEST_START", 1.0)
    run = run_tiny(tmp_path, WandbConfig(mode="online"))
    (warning,) = warnings(caplog)
    assert warning.startswith("wandb: ")
    assert warning.endswith("; the run is recorded offline")
    (file,) = files(run)
    assert history(file) == expected(list(read_lines(run.metrics)))


@pytest.mark.usefixtures("_installed")
@pytest.mark.parametrize(
    ("broken", "otherwise"),
    [
        ("wandb.init", "not tracked"),
        ("wandb.Run.log", "not tracked from here on"),
        ("wandb.Run.finish", "not tracked to its end"),
    ],
)
def test_whatever_the_service_raises_is_one_line_and_the_run_goes_on(
    broken: str, otherwise: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        message = "no\nroom"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(broken, fails)
        run = run_tiny(tmp_path, WandbConfig())
    assert warnings(caplog) == [f"wandb: no; the run is {otherwise}"]
    assert run.read("run")["finished"]


@pytest.mark.usefixtures("_installed")
def test_a_disabled_run_is_not_tracked(tmp_path: Path) -> None:
    run = run_tiny(tmp_path, WandbConfig(mode="disabled"))
    assert not (run.path / "wandb").exists()


def test_without_the_package_a_run_says_so_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(PluginError) as caught:
        run_tiny(tmp_path, WandbConfig())
    assert str(caught.value) == "wandb is not installed; install it with: pip install 'trajectory-transformer[wandb]'"
    (run,) = (tmp_path / "tiny").iterdir()
    assert sorted(path.name for path in run.iterdir()) == [".lock", "recipe.yaml", "run.json"]
