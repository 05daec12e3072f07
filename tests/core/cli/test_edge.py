"""How commands end: messages, exit codes, and never a traceback unless asked for."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from torch.distributed import HashStore  # type: ignore[attr-defined]  # it does not say that it exports it

from ttf import together
from ttf.cli import edge
from ttf.cli.edge import run_cli
from ttf.distributed import Company
from ttf.errors import CheckpointError, DataError, DivergedError, Interrupted, PluginError, TtfError

if TYPE_CHECKING:
    from tests.conftest import Install

CORPUS = Path(__file__).parents[2] / "corpus"
TTF = Path(sys.executable).with_name("ttf")
LESS = "a smaller training.batch_size or evaluation.batch needs less"


class OutOfMemoryError(RuntimeError):
    """Named as torch's is."""


def fail(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def raise_error() -> None:
        raise error

    monkeypatch.setattr("ttf.registry.load_registry", raise_error)


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (TtfError("no"), 1, "Error: no\n"),
        (DataError("no data"), 3, "Error: no data\n"),
        (PluginError("no plugin"), 4, "Error: no plugin\n"),
        (DivergedError("nan"), 5, "Error: nan\n"),
        (CheckpointError("torn"), 6, "Error: torn\n"),
        (TtfError("a\nb"), 1, "Error: 2 problems\na\nb\n"),
        (TtfError(), 1, "Error: TtfError\n"),
        (Interrupted(143), 143, "interrupted; continue with --resume\n"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/x"), 6, "Error: runs/x: No space left on device\n"),
        (PermissionError(errno.EACCES, "Permission denied", "runs"), 6, "Error: runs: Permission denied\n"),
        (OSError("odd"), 6, "Error: OSError: odd\n"),
        (MemoryError(), 6, f"Error: out of memory; {LESS}; MemoryError\n"),
        (OutOfMemoryError("CUDA"), 6, f"Error: out of memory; {LESS}; OutOfMemoryError: CUDA\n"),
        (KeyboardInterrupt(), 130, "Interrupted.\n"),
        (KeyError("x"), 1, "Error: unexpected KeyError: 'x'; rerun as 'ttf --debug ...' to see where\n"),
        (ValueError("a\nb"), 1, "Error: unexpected ValueError: a b; rerun as 'ttf --debug ...' to see where\n"),
    ],
)
def test_an_error_is_a_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], error: BaseException, code: int, message: str
) -> None:
    fail(monkeypatch, error)
    assert run_cli(["schema"]) == code
    out, err = capfd.readouterr()
    assert (out, err.lstrip("\n")) == ("", message)


def test_what_torch_raises_when_the_memory_is_full_is_recognised(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RuntimeError) as error:
        torch.empty(10**15)  # four petabytes
    fail(monkeypatch, error.value)
    assert run_cli(["schema"]) == 6
    assert capfd.readouterr().err.startswith(f"Error: out of memory; {LESS}; RuntimeError: ")


RAISING = """
from typing import Literal
from ttf import hookimpl
from ttf.component import ReporterConfig
from ttf.errors import DataError

ttf_api = "1"

class Reporter:
    def finish(self):
        AT_FINISH

class Pages(ReporterConfig):
    "Writes a page."
    kind: Literal["html"] = "html"
    def build(self, run):
        AT_BUILD
        return Reporter()

@hookimpl
def ttf_components():
    return [Pages]
"""


@pytest.mark.parametrize(
    ("module", "at_build", "at_finish", "code", "message"),
    [
        (
            "raising_a",
            "raise ValueError('no')",
            "pass",
            4,
            "plugin 'raising_a' of stranger 1.2: unexpected ValueError: no;",
        ),
        (
            "raising_b",
            "pass",
            "len(3)",
            4,
            "plugin 'raising_b' of stranger 1.2: unexpected TypeError: object of type 'int'",
        ),
        (
            "raising_c",
            "pass",
            "__import__('json').loads('{')",
            4,
            "plugin 'raising_c' of stranger 1.2: unexpected JSON",
        ),
        ("raising_d", "pass", "raise DataError('too few')", 3, "too few\n"),
    ],
)
def test_an_unexpected_error_in_a_plugins_code_names_the_plugin(
    install: Install,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    module: str,
    at_build: str,
    at_finish: str,
    code: int,
    message: str,
) -> None:
    install(module, RAISING.replace("AT_BUILD", at_build).replace("AT_FINISH", at_finish))
    (tmp_path / "recipe.yaml").write_text("name: x\n")
    assert run_cli(["report", str(tmp_path)]) == code
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"Error: {message}")


def test_debug_shows_the_traceback_too(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    fail(monkeypatch, KeyError("x"))
    assert run_cli(["--debug", "schema"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "Error: unexpected KeyError: 'x'"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nonsense"], "Error: No such command 'nonsense'."),
        (["run"], "Error: Missing argument 'RECIPE'."),
        (["run", "x", "--seed", "one"], "Error: Invalid value for '--seed': 'one' is not a valid integer."),
        (["validate"], "Error: Missing argument 'RECIPE...'."),
        (["schema", "--nonsense"], "Error: No such option"),
    ],
)
def test_a_wrong_usage_exits_with_2(args: list[str], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_cli(args) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(message.rstrip("."))
    assert "Traceback" not in err


def test_the_version_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_cli(["--version"]) == 0
    assert capfd.readouterr().out == "ttf, version 0.1.0\n"


def ttf(*args: str, **options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TTF, *args], capture_output=True, text=True, check=False, env=os.environ | options)


def test_the_package_can_be_run_as_a_module() -> None:
    """As `torchrun -m ttf` runs it."""
    command = [sys.executable, "-m", "ttf"]
    good, bad = (
        subprocess.run([*command, word], capture_output=True, text=True, check=False) for word in ("--help", "x")
    )
    assert (good.returncode, good.stdout) == (0, ttf("--help").stdout)
    assert (bad.returncode, bad.stderr) == (ttf("x").returncode, ttf("x").stderr)


def test_the_installed_command_validates_and_exits_with_2() -> None:
    file = CORPUS / "bad" / "unknown_kind.yaml"
    result = ttf("validate", str(file), TTF_PLUGINS="trajectory-transformer")
    expected = file.with_suffix(".txt").read_text("utf-8").replace(file.name, str(file))
    assert (result.returncode, result.stdout, result.stderr) == (2, "", expected)


def test_running_a_bad_recipe_is_one_line_without_a_traceback() -> None:
    file = CORPUS / "bad" / "empty.yaml"
    result = ttf("run", str(file))
    message = f"Error: {file}:1:1: the file is empty; a recipe is a mapping such as 'name: x'\n"
    assert (result.returncode, result.stdout, result.stderr) == (2, "", message)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    script = f"{TTF} schema | head -1; {TTF} recipes | true"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("{\n", "")


def test_output_in_an_ascii_locale_works() -> None:
    result = ttf("doctor", LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert (result.returncode, result.stderr) == (0, "")


def test_sigint_outside_training_exits_with_130(tmp_path: Path) -> None:
    (tmp_path / "slow_plugin.py").write_text("import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    info = tmp_path / "slow-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ttf]\nslow = slow_plugin\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    # A shell has its background jobs ignore SIGINT, and a process inherits that.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [str(TTF), "schema"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=listen) as process:  # noqa: PLW1509  (one thread)
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
        assert process.stderr.read().strip() == "Interrupted."


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["schema"],
        ["plugins"],
        ["components"],
        ["components", "model.gpt", "--json"],
        ["recipes"],
        ["validate", str(CORPUS / "good" / "full.yaml")],
    ],
)
def test_the_quick_commands_import_nothing_heavy(args: list[str]) -> None:
    code = (
        "import sys\n"
        "from ttf.cli.edge import run_cli\n"
        f"code = run_cli({args!r})\n"
        "heavy = {'torch', 'numpy', 'gymnasium', 'minari', 'h5py', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "print(code, sorted(heavy), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "0 []"


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> list[Company]:
    """This process and another one; by torchrun's variables this one is the first."""
    store = HashStore()
    met = [Company(rank, 2, rank, store) for rank in range(2)]
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Company, "meet", lambda: met[0])
    monkeypatch.setattr("ttf.distributed.LEAVING", 0.1)
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "ERROR")
    return met


@pytest.mark.parametrize(
    ("arguments", "code"), [(["recipes"], 0), (["run", "nowhere.yaml"], 2), (["run", "--misspelt"], 2)]
)
def test_whatever_the_first_process_does_the_others_end_as_it_does(
    others: list[Company], arguments: list[str], code: int
) -> None:
    assert run_cli(arguments) == code
    assert others[1].dismissed(otherwise=99) == code
    assert edge._follow(others[1], debug=False) == code


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (DataError("no\ndata"), 3, "rank 1 of 2: no data"),
        (KeyError("x"), 1, "rank 1 of 2: unexpected KeyError: 'x'"),
        (MemoryError(), 6, f"rank 1 of 2: out of memory; {LESS}; MemoryError"),
    ],
)
def test_what_goes_wrong_in_another_process_is_for_the_first_one_to_say(
    others: list[Company],
    error: Exception,
    code: int,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def follow(_: Company) -> bool:
        raise error

    monkeypatch.setattr(together, "follow", follow)
    assert edge._follow(others[1], debug=False) == code
    assert others[0].failure() == reason
    assert capfd.readouterr() == ("", "")
    edge._follow(others[1], debug=True)
    assert "Traceback (most recent call last):" in capfd.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("RANK", "first"), ("MASTER_PORT", "-1")])
def test_nonsense_in_the_variables_of_the_launcher_is_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    variables = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for known, given in (variables | {name: value, "TORCH_CPP_LOG_LEVEL": "ERROR"}).items():
        monkeypatch.setenv(known, given)
    assert run_cli(["recipes"]) == 2
    expected = f"Error: environment variable {name}: must be a whole number, found {value!r}\n"
    assert capfd.readouterr().err == expected
