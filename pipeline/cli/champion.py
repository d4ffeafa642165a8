"""`ganforge champion`: which generator is a recipe's champion, why, and how to change that.

ganforge champion show mnist_mlp
ganforge champion promote mnist_mlp
ganforge champion promote mnist_mlp --optimizer adam --force
ganforge champion rollback mnist_mlp
ganforge champion history mnist_mlp --json
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from pipeline.cli.options import Count, Recipe
from pipeline.cli.program import new_app
from pipeline.cli.table import aligned

if TYPE_CHECKING:
    from pipeline.champion.promotion import ConfigurationDecision
    from pipeline.champion.versions import Champion
    from pipeline.storage.paths import Paths

AsJson = Annotated[bool, Parameter(name="--json", help="print JSON with all digits")]

champion = new_app(
    "champion",
    """Show, promote or roll back a recipe's champion.

    A champion is the configuration that is significantly better than the one before and passed its checks. Its weights
    are kept, even if the configuration is trained again.

    for instance:

        ganforge champion show mnist_mlp
        ganforge champion promote mnist_mlp                           if the best challenger is better
        ganforge champion promote mnist_mlp --optimizer adam --force  without a verdict
        ganforge champion rollback mnist_mlp                          to the version before
        ganforge champion history mnist_mlp --json
    """,
)


@champion.command
def show(recipe: Recipe, /, *, as_json: AsJson = False) -> None:
    """Show the champion: scores, the reason for its promotion, files."""
    from pipeline.champion.versions import require_champion

    current = require_champion(recipe, _paths(recipe))
    _print(_description(current), _plain(current), as_json=as_json)


@champion.command
def promote(
    recipe: Recipe,
    /,
    *,
    optimizer: Annotated[str | None, Parameter(metavar="KEY", help="consider this configuration alone")] = None,
    force: Annotated[bool, Parameter(help="promote it despite verdict and checks")] = False,
    as_json: AsJson = False,
) -> None:
    """Promote the best challenger if it is significantly better."""
    from pipeline.champion.promote import promote
    from pipeline.checks.stored import stored_findings
    from pipeline.settings import load_optimizers
    from pipeline.tables import find

    paths, optimizers = _paths(recipe), load_optimizers()
    if optimizer is not None:
        find(optimizers, optimizer, "optimizer configuration")
    run_checks = stored_findings(recipe, paths)
    outcome = promote(recipe, list(optimizers), paths, run_checks=run_checks, only=optimizer, force=force)
    if outcome.champion is None:
        raise ValueError(f"{recipe}: {outcome.reason}")
    values = {
        "promoted": outcome.promoted,
        "reason": outcome.reason,
        "version": outcome.champion.version,
        "optimizer": outcome.champion.optimizer,
        "considered": [asdict(candidate) for candidate in outcome.decisions],
    }
    _print([f"{recipe}: {outcome.reason}", *_table(outcome.decisions)], values, as_json=as_json)


@champion.command
def rollback(
    recipe: Recipe,
    /,
    *,
    to: Annotated[Count | None, Parameter(help="go back to this version instead")] = None,
    as_json: AsJson = False,
) -> None:
    """Make the version before the champion again; the version rolled back from is not promoted again."""
    from pipeline.champion.rollback import rollback

    current = rollback(recipe, _paths(recipe), to)
    _print(_description(current), _plain(current), as_json=as_json)


@champion.command
def history(recipe: Recipe, /, *, as_json: AsJson = False) -> None:
    """List every promotion, rollback and refusal, oldest first."""
    from pipeline.champion.decisions import read_decisions

    decisions = read_decisions(recipe, _paths(recipe))
    if not decisions:
        raise FileNotFoundError(
            f"{recipe}: no decision about a champion yet; promote one with: ganforge champion promote {recipe}"
        )
    rows = [
        [decision.time, decision.decision, str(decision.version or "-"), decision.optimizer or "-", decision.reason]
        for decision in decisions
    ]
    lines = aligned([["time", "decision", "version", "configuration", "reason"], *rows])
    _print(lines, [asdict(decision) for decision in decisions], as_json=as_json)


def _paths(recipe: str) -> Paths:
    """Return the data folder's paths once the recipe is known to exist; start the log on standard error."""
    from pipeline.settings import load_recipes
    from pipeline.storage.paths import Paths
    from pipeline.tables import find

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    find(load_recipes(), recipe, "recipe")
    return Paths.default()


def _print(lines: Sequence[str], values: Any, *, as_json: bool) -> None:
    print(json.dumps(values, indent=2, allow_nan=False) if as_json else "\n".join(lines))


def _description(current: Champion) -> list[str]:
    from pipeline.evidence import number

    card, pointer = current.card(), current.pointer
    fid = card["scores"]["fid"]
    members = len(fid["by_member"])
    return [
        f"{current.recipe}: version {current.version}, {current.optimizer}, FID {fid['shown']} ({members} "
        f"member{'' if members == 1 else 's'}; real images {number(fid['floor'])}, noise {number(fid['ceiling'])})",
        f"since {pointer.since}: {pointer.reason}",
        f"data: {card['data']['source']}; licence {card['data']['licence']}",
        *(f"check {check['check']} failed: {check['summary']}" for check in card["checks"] if not check["passed"]),
        str(current.artefact.folder),
    ]


def _plain(current: Champion) -> dict[str, Any]:
    return {**asdict(current.pointer), "folder": str(current.artefact.folder), "card": current.card()}


def _table(decisions: Sequence[ConfigurationDecision]) -> list[str]:
    rows = [[str(row.rank or "-"), row.optimizer, row.fid or "-", row.decision] for row in decisions]
    return aligned([["rank", "configuration", "FID", "decision"], *rows]) if rows else []
