"""The `ganforge` command: what `pipeline.cli` offers, and the commands that go through the Dagster assets."""

import argparse
import importlib
import os
import sqlite3
import sys
from typing import TYPE_CHECKING

from pipeline import __version__
from pipeline.budgets import full_budget, plain_budget
from pipeline.cli import champion, clean, export, ladder, reports, sample, score, status, train
from pipeline.settings import load_presets, load_recipes
from pipeline.storage.paths import data_root, make_variables_absolute, unused_checkout_data

if TYPE_CHECKING:
    from assets.run import Wanted

BROKEN_PIPE = 141  # as shells count SIGPIPE
NOTHING_TO_TRACE = (OSError, ValueError)  # their messages say what to do; GANFORGE_TRACE=1 shows where they come from


def main() -> int:
    """Run one command; a mistake is one sentence on standard error and exit code 1."""
    arguments = build_parser().parse_args()
    try:
        _name_other_data()
        make_variables_absolute()
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; nothing may be written at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except NOTHING_TO_TRACE as error:
        if os.environ.get("GANFORGE_TRACE"):
            raise
        print(f"ganforge: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ganforge: interrupted; what was finished is kept", file=sys.stderr)
        return 130
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
        return 1
    return code


def _database_error(error: BaseException | None) -> sqlite3.Error | None:
    """Return the SQLite error that caused `error`, or None. Dagster wraps it more than once."""
    while error is not None and not isinstance(error, sqlite3.Error):
        error = error.__cause__ or error.__context__
    return error


def _name_other_data() -> None:
    """Warn a person who starts ganforge elsewhere than before: another folder has other data."""
    other = unused_checkout_data()
    if other is not None:
        print(
            f"ganforge: the data folder is {data_root()}, and the data in {other} are not used; "
            "to use them, set GANFORGE_DATA or start ganforge in the folder above them",
            file=sys.stderr,
        )


def build_parser() -> argparse.ArgumentParser:
    """Every command with its arguments."""
    parser = argparse.ArgumentParser(
        prog="ganforge",
        description="Train GANs as Dagster assets and compare them.",
        epilog="environment: GANFORGE_DATA the data folder (default: data in the working folder); "
        "GANFORGE_OPTIMIZERS, GANFORGE_RECIPES, GANFORGE_DATASETS "
        "your own tables; GANFORGE_OPERATIONS your own schedules, sensors and alerts; "
        "GANFORGE_MNIST, GANFORGE_FASHION_MNIST, GANFORGE_CELEBA your own files; "
        "GANFORGE_UI the address in alerts; GANFORGE_TRACE=1 full tracebacks",
    )
    parser.add_argument("--version", action="version", version=f"ganforge {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_materialize(commands)
    _add_reproduce(commands)
    _add_ui(commands)
    status.add_parser(commands, _status)
    reports.add_parser(commands)
    sample.add_parser(commands)
    export.add_parser(commands)
    champion.add_parser(commands)
    ladder.add_parser(commands)
    clean.add_parser(commands, _clean)
    score.add_parser(commands)
    train.add_parser(commands)
    return parser


def _add_materialize(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "materialize",
        help="make a recipe's whole chain, from raw files to comparison",
        description="Make a recipe's whole chain through its Dagster assets; what is there unchanged is kept.",
        epilog="example: ganforge materialize mnist_mlp --optimizer rmsprop adam_ttur --steps 2000 --members 2",
    )
    parser.add_argument("recipe", help="a recipe of pipeline/recipes.toml, such as mnist_mlp")
    parser.add_argument(
        "--optimizer", nargs="+", action="extend", metavar="KEY", help="configurations; default: all of them"
    )
    _add_budget(parser)
    parser.set_defaults(run=_materialize)


def _materialize(arguments: argparse.Namespace) -> int:
    from assets.run import materialize_chain

    return materialize_chain(arguments.recipe, arguments.optimizer, _wanted(arguments))


def _add_reproduce(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "reproduce",
        help="make the chain of a source's own run by its name; without a name, list them",
        description="Make the chains of presets (pipeline/presets.toml): a recipe with an optimizer configuration.",
        epilog="example: ganforge reproduce bulten_base bulten_tweaked --steps full",
    )
    parser.add_argument("preset", nargs="*", help="such as notebook; none: list them")
    _add_budget(parser)
    parser.set_defaults(run=_reproduce)


def _reproduce(arguments: argparse.Namespace) -> int:
    if not arguments.preset:
        return _list_presets()
    from assets.run import reproduce

    return reproduce(arguments.preset, _wanted(arguments))


def _list_presets() -> int:
    recipes = load_recipes()
    for preset in load_presets().values():
        recipe = recipes[preset.recipe]
        budgets = f"{plain_budget(recipe)} ({full_budget(recipe)} with --steps full)"
        print(f"{preset.key:15} {preset.recipe} {preset.optimizer}, {budgets}")
        print(f"{'':15} {preset.description}. {preset.source}")
    return 0


def _add_budget(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", metavar="N", help="training steps, or 'full' for the source's own budget")
    parser.add_argument("--members", type=int, metavar="M", help="replicates that differ by seed alone")
    parser.add_argument("--width", type=int, metavar="W", help="of the network's layers; small ones suit a CPU")
    parser.add_argument("--samples", type=int, metavar="N", help="generated images a member, 10 or more")
    parser.add_argument(
        "--weights",
        choices=("raw", "average"),
        help="draw samples with the generator's weights as trained (raw) or with their running average; default: the "
        "average if the configuration has ema_decay",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="training seed (default 0)")
    parser.add_argument(
        "--extractor",
        choices=("classifier", "inception"),
        default="classifier",
        help="the network that scores are taken with: the data set's own (default), or Inception-v3 as papers use",
    )
    parser.add_argument(
        "--thorough", action="store_true", help="also score what takes minutes: GAN-train, GAN-test, path length"
    )
    parser.add_argument("--force", action="store_true", help="make everything anew, even what has not changed")


def _wanted(arguments: argparse.Namespace) -> "Wanted":
    from assets.run import Wanted

    return Wanted(
        steps=arguments.steps,
        members=arguments.members,
        width=arguments.width,
        samples=arguments.samples,
        weights=arguments.weights,
        seed=arguments.seed,
        extractor=arguments.extractor,
        thorough=arguments.thorough,
        force=arguments.force,
    )


def _status(arguments: argparse.Namespace) -> int:
    """From the files alone, unless a daemon is running or a person asks for what Dagster says."""
    from assets.instance.heartbeat import home_to_read

    home = home_to_read(arguments.dagster)
    if home is None:
        return status.status(arguments)
    import dagster as dg

    from assets.definitions import defs
    from assets.instance.any_folder_storage import expect_storage
    from assets.instance.run_status import with_dagster

    expect_storage(home)
    with dg.DagsterInstance.get() as instance:
        return status.status(arguments, lambda found: with_dagster(found, instance, defs))


def _clean(arguments: argparse.Namespace) -> int:
    from assets.instance.event_log_retention import run

    return run(arguments)


def _add_ui(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("ui", help="start the Dagster UI and daemon on this machine")
    parser.add_argument("--port", type=int, default=3000, metavar="P", help="on 127.0.0.1 (default 3000)")
    parser.set_defaults(run=_ui)


def _ui(arguments: argparse.Namespace) -> int:
    from assets.instance.ui import serve

    importlib.import_module("assets.definitions")  # a mistake in a table is said here, not in a log
    return serve(arguments.port)


if __name__ == "__main__":
    sys.exit(main())
