"""The `ganforge` program: the commands of `pipeline.cli`, and those of `commands.py`, which go through Dagster."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from cyclopts import App, Parameter

from pipeline.cli.__main__ import COMMANDS as DAGSTER_FREE
from pipeline.cli.__main__ import forms_last
from pipeline.cli.program import MISTAKE, Command, build_program, run_program
from pipeline.storage.paths import data_root, make_variables_absolute, unused_checkout_data

if TYPE_CHECKING:
    import sqlite3

DESCRIPTION = """Train GANs as Dagster assets and compare them.

environment:
  GANFORGE_DATA        the data folder (default: data in the working folder)
  GANFORGE_OPTIMIZERS, GANFORGE_RECIPES, GANFORGE_DATASETS
                       your own tables
  GANFORGE_OPERATIONS  your own schedules, sensors and alerts
  GANFORGE_MNIST, GANFORGE_FASHION_MNIST, GANFORGE_CELEBA
                       your own files
  GANFORGE_UI          the address in alerts
  GANFORGE_TRACE=1     full tracebacks
"""
COMMANDS = MappingProxyType(
    {
        "materialize": Command(
            "assets.commands:materialize", "Make a recipe's whole chain, from raw files to the comparison."
        ),
        "reproduce": Command(
            "assets.commands:reproduce", "Make the chain of a source's own run by its name; without a name, list them."
        ),
        "ui": Command("assets.commands:ui", "Start the Dagster UI and daemon on this machine."),
        **DAGSTER_FREE,
        "status": Command("assets.commands:status", DAGSTER_FREE["status"].summary),  # adds `--dagster`
        "clean": Command(
            "assets.commands:clean", "Remove leftovers of killed processes, old checkpoints and old runs' logs."
        ),
        "completion": Command("assets.cli:completion", "Print or install a shell's completion of ganforge."),
    }
)
Shell: TypeAlias = Literal["bash", "zsh", "fish"]


def main() -> int:
    """Run the command in the process's arguments and return its exit code."""
    words = forms_last(sys.argv[1:])
    try:
        return run_program(build(words), words, _prepare)
    except Exception as error:
        reason = _database_error(error)
        if reason is None or os.environ.get("GANFORGE_TRACE"):
            raise
        home = os.environ.get("DAGSTER_HOME", "")
        print(
            f"ganforge: {home}: a database of the Dagster instance cannot be used ({reason}); make sure that the disk "
            "is not full and that you may write there, then run the same command again",
            file=sys.stderr,
        )
        return MISTAKE


def build(words: Sequence[str] = ()) -> App:
    """Return the program with every command; `words` is the command line that it will read."""
    return build_program("ganforge", DESCRIPTION, COMMANDS, words)


def _prepare() -> None:
    _name_other_data()
    make_variables_absolute()


def _name_other_data() -> None:
    """Warn if ganforge starts in another folder than before, because its data are different there."""
    other = unused_checkout_data()
    if other is not None:
        print(
            f"ganforge: the data folder is {data_root()}, and the data in {other} are not used; "
            "to use them, set GANFORGE_DATA or start ganforge in the folder above them",
            file=sys.stderr,
        )


def _database_error(error: BaseException | None) -> sqlite3.Error | None:
    """Return the SQLite error that caused `error`, or None. Dagster wraps it more than once."""
    import sqlite3

    while error is not None and not isinstance(error, sqlite3.Error):
        error = error.__cause__ or error.__context__
    return error


def completion(
    shell: Annotated[Shell, Parameter(help="the shell to complete in")],
    /,
    *,
    install: Annotated[bool, Parameter(help="write it into the shell's startup files instead")] = False,
) -> None:
    """Print or install a shell's completion of ganforge.

    example: source <(ganforge completion bash)
    """
    program = build()
    if install:
        print(f"{program.install_completion(shell=shell)}: written; start a new {shell} to use it")
    else:
        print(program.generate_completion(shell=shell))


if __name__ == "__main__":
    sys.exit(main())
