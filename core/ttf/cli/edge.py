"""The edge of the program: every error becomes a line on stderr and an exit code."""

from __future__ import annotations

import atexit
import os
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from ttf.cli.culprit import culprit
from ttf.cli.group import Settings, make_cli
from ttf.errors import Interrupted, LostProcessError, PluginError, ResourceError, TtfError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttf.distributed import Company

VARIABLES = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
"""The environment variables by which torchrun tells the processes that it starts of each other."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave the process with its exit code."""
    code = 1
    if _one_of_several():
        atexit.register(lambda: _end(code))  # the first to be registered is the last to be called
    code = run_cli(args)
    sys.exit(code)


def run_cli(args: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code is 0 ok, 1 unexpected, 2 usage, or that of :mod:`ttf.errors`.

    An unexpected error from a plugin's code is that plugin's, which its contract lets raise our errors only.

    Of several processes that torchrun has started, the first one does that, and the others follow it.
    """
    if not _one_of_several():
        return _run(args, Settings())
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # torch would print pages about a process that has gone
    from ttf.distributed import Company

    try:
        company = Company.meet()
    except TtfError as error:
        return _report(error)
    if company.rank > 0:
        return _follow(company, debug="--debug" in (sys.argv if args is None else args))
    code = _run(args, Settings(company=company))
    company.dismiss(code)
    return code


def _one_of_several() -> bool:
    """Whether torchrun has started other processes with this one."""
    return os.environ.keys() >= VARIABLES and os.environ["WORLD_SIZE"] != "1"


def _end(code: int) -> None:
    """End without what Python would still do, in which torch's threads now and then abort a process that is done."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _run(args: Sequence[str] | None, settings: Settings) -> int:
    try:
        code = make_cli().main(args, prog_name="ttf", standalone_mode=False, obj=settings)
        sys.stdout.flush()
    except Interrupted as event:
        with suppress(OSError):  # the terminal may be gone
            click.echo(str(event), err=True)
        return event.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has left; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:  # noqa: BLE001  (this is the last line of defence)
        if settings.debug:
            traceback.print_exc()
        return _report(error, debug=settings.debug)
    return code if isinstance(code, int) else 0


def _follow(company: Company, *, debug: bool) -> int:
    """Do what the first process wants, and end as it does; what goes wrong here is for the first one to say."""
    from ttf.together import follow

    try:
        return 0 if follow(company) else company.dismissed(otherwise=1)
    except (Interrupted, LostProcessError) as error:
        return company.dismissed(otherwise=error.exit_code)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001  (this is the last line of defence)
        if debug:
            traceback.print_exc()
        expected = _expected(error) or TtfError(f"unexpected {_one_line(error)}")
        company.fail(" ".join(str(expected).split()))
        return expected.exit_code
    finally:
        company.leave()


def _report(error: Exception, *, debug: bool = False) -> int:
    expected = _expected(error)
    if expected is None:
        plugin = culprit(error)
        blamed = f"{plugin}: " if plugin else ""
        hint = "" if debug else "; rerun as 'ttf --debug ...' to see where"
        click.echo(f"Error: {blamed}unexpected {_one_line(error)}{hint}", err=True)
        return PluginError.exit_code if plugin else 1
    lines = str(expected).splitlines() or [type(expected).__name__]
    if len(lines) == 1:
        click.echo(f"Error: {lines[0]}", err=True)
    else:
        click.echo("\n".join([f"Error: {len(lines)} problems", *lines]), err=True)
    return expected.exit_code


def _expected(error: Exception) -> TtfError | None:
    """The error as one of ours, if it is a mistake or a mishap that can happen to anyone."""
    if isinstance(error, TtfError):
        return error
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return ResourceError(f"{place}{error.strerror or _one_line(error)}")
    if _out_of_memory(error):
        hint = "a smaller training.batch_size or evaluation.batch needs less"
        return ResourceError(f"out of memory; {hint}; {_one_line(error)}")
    return None


def _out_of_memory(error: Exception) -> bool:
    """Python's, numpy's and torch's, without importing torch; its CPU allocator raises a bare RuntimeError."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or (isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error))


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":")
