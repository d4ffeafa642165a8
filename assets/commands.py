"""Commands: the commands of `ganforge` that go through the Dagster assets.

Functions have typed parameters, and their docstrings are their help pages. They import Dagster when they run, so that
help pages stay fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from pipeline.cli.options import CHAIN_DEFAULTS, ChainOptions, Configurations, Count, Recipe
from pipeline.cli.status import STATUS_DEFAULTS, AnyRecipe, StatusOptions, print_status

if TYPE_CHECKING:
    from pipeline.status.survey import Survey


def materialize(recipe: Recipe, /, *, optimizer: Configurations = None, options: ChainOptions = CHAIN_DEFAULTS) -> int:
    """Make a recipe's whole chain, from raw files to the comparison.

    Runs the recipe's Dagster assets. Unchanged artefacts are kept.

    example: ganforge materialize mnist_mlp --optimizer rmsprop adam_ttur --steps 2000 --members 2
    """
    from assets.run import materialize_chain

    return materialize_chain(recipe, optimizer, options)


def reproduce(
    *preset: Annotated[str, Parameter(help="presets, such as notebook; none: list them")],
    options: ChainOptions = CHAIN_DEFAULTS,
) -> int:
    """Make the chain of a source's own run by its name; without a name, list them.

    A preset (pipeline/presets.toml) is a recipe with an optimizer configuration.

    example: ganforge reproduce bulten_base bulten_tweaked --steps full
    """
    if not preset:
        return _list_presets()
    from assets.run import reproduce

    return reproduce(preset, options)


def _list_presets() -> int:
    from pipeline.budgets import full_budget, plain_budget
    from pipeline.settings import load_presets, load_recipes

    recipes = load_recipes()
    for preset in load_presets().values():
        recipe = recipes[preset.recipe]
        budgets = f"{plain_budget(recipe)} ({full_budget(recipe)} with --steps full)"
        print(f"{preset.key:15} {preset.recipe} {preset.optimizer}, {budgets}")
        print(f"{'':15} {preset.description}. {preset.source}")
    return 0


def ui(*, port: Annotated[Count, Parameter(metavar="P", help="port on 127.0.0.1")] = 3000) -> int:
    """Start the Dagster UI and daemon on this machine."""
    from assets.instance.ui import serve

    importlib.import_module("assets.definitions")  # so that a mistake in a table is a sentence here, not in a log
    return serve(port)


def status(
    *recipe: AnyRecipe,
    options: StatusOptions = STATUS_DEFAULTS,
    dagster: Annotated[
        bool | None,
        Parameter(
            negative="--no-dagster",
            help="also read Dagster's event log: attempts in progress or failed, and differences; takes seconds "
            "(default: if its daemon is running)",
        ),
    ] = None,
) -> int:
    """Show which parts are fresh, stale (and why), missing or failed.

    Compares everything in the data folder with the tables, the code and the artefacts it was made from. Makes nothing.

    example: ganforge status mnist_mlp --verify
    """
    from assets.instance.heartbeat import home_to_read

    home = home_to_read(dagster)
    if home is None:
        return print_status(recipe, options)
    import dagster as dg

    from assets.definitions import defs
    from assets.instance.any_folder_storage import expect_storage
    from assets.instance.former_modules import expect_present_modules
    from assets.instance.run_status import with_dagster

    expect_present_modules(home)
    expect_storage(home)
    with dg.DagsterInstance.get() as instance:

        def add(survey: Survey) -> Survey:
            return with_dagster(survey, instance, defs)

        return print_status(recipe, options, add)


def clean(
    *,
    dry_run: Annotated[bool, Parameter(help="print the removals, and touch nothing")] = False,
    orphans: Annotated[
        bool,
        Parameter(
            help="include networks and samples of recipes and configurations that are in no table; name your own "
            "tables (GANFORGE_RECIPES, GANFORGE_OPTIMIZERS) first"
        ),
    ] = False,
) -> int:
    """Remove leftovers of killed processes, old checkpoints and old runs' logs.

    Removes only files that can be made again or are left over; [retention] in the operations settings sets how long
    they are kept. Champions and reports stay.

    example: ganforge clean --dry-run
    """
    from assets.instance.event_log_retention import clean_up

    return clean_up(dry_run=dry_run, orphans=orphans)
