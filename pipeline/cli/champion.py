"""`ganforge champion`: which generator is a recipe's champion, why, and how to change that.

    ganforge champion show mnist_mlp
    ganforge champion promote mnist_mlp
    ganforge champion promote mnist_mlp --optimizer adam --force
    ganforge champion rollback mnist_mlp
    ganforge champion history mnist_mlp --json
    python -m pipeline.cli.champion show mnist_mlp

The last form needs no Dagster.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pipeline.cli.alone import run_alone
from pipeline.settings import load_optimizers, load_recipes
from pipeline.tables import find

if TYPE_CHECKING:
    from pipeline.champion.promotion import ConfigurationDecision
    from pipeline.champion.versions import Champion
    from pipeline.storage.paths import Paths

DESCRIPTION = (
    "A recipe's champion: the configuration that is significantly better than the one before and passed its checks, "
    "kept with its weights whatever is trained later."
)
EPILOG = """examples:
  ganforge champion show mnist_mlp
  ganforge champion promote mnist_mlp                           the best challenger, if it is significantly better
  ganforge champion promote mnist_mlp --optimizer adam --force  this one, without a verdict
  ganforge champion rollback mnist_mlp                          the version before; its follower is not promoted again
  ganforge champion history mnist_mlp --json                    every promotion, rollback and refusal"""


def add_parser(commands: Any) -> None:
    """The command among others."""
    parser = commands.add_parser(
        "champion",
        help="show, promote or roll back a recipe's champion",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with which recipe's champion."""
    own = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(own, "show", _show, "show the champion: scores, why it was promoted, files")
    promoting = _add(own, "promote", _promote, "promote the best challenger if it is significantly better")
    promoting.add_argument("--optimizer", metavar="KEY", help="this configuration alone")
    promoting.add_argument("--force", action="store_true", help="promote it whatever verdict and checks say")
    back = _add(own, "rollback", _rollback, "make the version before the champion again")
    back.add_argument("--to", type=int, metavar="N", help="another version")
    _add(own, "history", _history, "list every promotion, rollback and refusal, oldest first")


def _add(own: Any, name: str, do: Any, help_text: str) -> argparse.ArgumentParser:
    description = f"{help_text[0].upper()}{help_text[1:]}."
    parser: argparse.ArgumentParser = own.add_parser(name, help=help_text, description=description)
    parser.add_argument("recipe", metavar="RECIPE", help="a recipe of pipeline/recipes.toml, such as mnist_mlp")
    parser.add_argument("--json", action="store_true", help="JSON with all digits")
    parser.set_defaults(do=do)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Do one command and print what came of it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    from pipeline.storage.paths import Paths

    find(load_recipes(), arguments.recipe, "recipe")
    lines, whole = arguments.do(arguments, Paths.default())
    print(json.dumps(whole, indent=2, allow_nan=False) if arguments.json else "\n".join(lines))
    return 0


Answer = tuple[list[str], Any]  # lines for a reader, JSON for a program


def _show(arguments: argparse.Namespace, paths: Paths) -> Answer:
    from pipeline.champion.versions import require_champion

    champion = require_champion(arguments.recipe, paths)
    return _described(champion), _plain(champion)


def _promote(arguments: argparse.Namespace, paths: Paths) -> Answer:
    from pipeline.champion.promote import promote
    from pipeline.checks.stored import stored_findings

    optimizers, recipe = list(load_optimizers()), arguments.recipe
    if arguments.optimizer is not None:
        find(load_optimizers(), arguments.optimizer, "optimizer configuration")
    run_checks = stored_findings(recipe, paths)
    outcome = promote(recipe, optimizers, paths, run_checks=run_checks, only=arguments.optimizer, force=arguments.force)
    if outcome.champion is None:
        raise ValueError(f"{recipe}: {outcome.reason}")
    whole = {
        "promoted": outcome.promoted,
        "reason": outcome.reason,
        "version": outcome.champion.version,
        "optimizer": outcome.champion.optimizer,
        "considered": [asdict(each) for each in outcome.decisions],
    }
    return [f"{recipe}: {outcome.reason}", *_table(outcome.decisions)], whole


def _rollback(arguments: argparse.Namespace, paths: Paths) -> Answer:
    from pipeline.champion.rollback import rollback

    champion = rollback(arguments.recipe, paths, arguments.to)
    return _described(champion), _plain(champion)


def _history(arguments: argparse.Namespace, paths: Paths) -> Answer:
    from pipeline.champion.decisions import read_decisions
    from pipeline.cli.table import aligned

    found = read_decisions(arguments.recipe, paths)
    if not found:
        raise FileNotFoundError(
            f"{arguments.recipe}: nothing was decided about a champion yet; promote one with: "
            f"ganforge champion promote {arguments.recipe}"
        )
    rows = [[each.time, each.decision, str(each.version or "-"), each.optimizer or "-", each.reason] for each in found]
    return aligned([["time", "decision", "version", "configuration", "reason"], *rows]), [
        asdict(each) for each in found
    ]


def _described(champion: Champion) -> list[str]:
    from pipeline.evidence import number

    card, pointer = champion.card(), champion.pointer
    fid = card["scores"]["fid"]
    members = len(fid["by_member"])
    return [
        f"{champion.recipe}: version {champion.version}, {champion.optimizer}, FID {fid['shown']} ({members} "
        f"member{'' if members == 1 else 's'}; real images {number(fid['floor'])}, noise {number(fid['ceiling'])})",
        f"since {pointer.since}: {pointer.reason}",
        f"data: {card['data']['source']}; licence {card['data']['licence']}",
        *(f"check {each['check']} failed: {each['summary']}" for each in card["checks"] if not each["passed"]),
        str(champion.artefact.folder),
    ]


def _plain(champion: Champion) -> dict[str, Any]:
    return {**asdict(champion.pointer), "folder": str(champion.artefact.folder), "card": champion.card()}


def _table(decisions: Sequence[ConfigurationDecision]) -> list[str]:
    from pipeline.cli.table import aligned

    rows = [[str(each.rank or "-"), each.optimizer, each.fid or "-", each.decision] for each in decisions]
    return aligned([["rank", "configuration", "FID", "decision"], *rows]) if rows else []


def main() -> int:
    """The command by itself."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.cli.champion",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    return run_alone(parser, run)


if __name__ == "__main__":
    sys.exit(main())
