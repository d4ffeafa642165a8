"""`ganforge reports`: the stored scores as tables, ranked, compared, over time, and by SQL.

    ganforge reports
    ganforge reports best --recipe mnist_mlp --metric fid
    ganforge reports query "select optimizer, avg(value) from reports where metric = 'fid' group by optimizer"

One file a command. What a command needs is imported when it runs: the others' parsers cost nothing.
"""

from __future__ import annotations

import argparse
import importlib
from typing import Any

from pipeline.cli.reports.answer import Answer, add_forms, show

RECIPE_HELP = "a recipe of pipeline/recipes.toml, such as mnist_mlp"
EPILOG = """examples:
  ganforge reports                                        every recipe's ranking
  ganforge reports show mnist_mlp rmsprop                 all of one configuration's scores
  ganforge reports best --recipe mnist_mlp --metric fid
  ganforge reports compare rmsprop adam --recipe mnist_mlp
  ganforge reports history --recipe mnist_mlp --metric fid
  ganforge reports query "select * from runs"             SQL over: reports, history, runs, schema
  ganforge reports page mnist_mlp -o page.html            a page to look at and to send
every command takes --json or --csv; more: docs/reports.md"""


def add_parser(commands: Any) -> None:
    """Add the command and its own commands to an argument parser's subcommands."""
    parser = commands.add_parser(
        "reports",
        help="query, rank and compare the stored scores",
        description="Query, rank and compare the stored scores. Without a command: every recipe's ranking.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run, module="rankings", recipe=None)
    add_forms(parser)
    own = parser.add_subparsers(metavar="COMMAND")
    for add in (_add_list, _add_show, _add_best, _add_compare, _add_history, _add_query, _add_page, _add_compact):
        add(own)


def run(arguments: argparse.Namespace) -> int:
    """Print what one command answers."""
    answer: Answer = importlib.import_module(f"{__name__}.{arguments.module}").answer(arguments)
    show(answer, arguments)
    return 0


def _add(own: Any, name: str, module: str, help_text: str, example: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = own.add_parser(
        name, help=help_text, description=f"{help_text[0].upper()}{help_text[1:]}.", epilog=f"example: {example}"
    )
    parser.set_defaults(module=module)
    add_forms(parser, default=argparse.SUPPRESS)
    return parser


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    """With or without `--recipe` before it."""
    parser.set_defaults(recipe=None)
    unsaid = argparse.SUPPRESS  # else the form that was not used would undo the one that was
    parser.add_argument("recipe", nargs="?", default=unsaid, metavar="RECIPE", help="one recipe alone")
    parser.add_argument("--recipe", default=unsaid, metavar="KEY", help="the same")


def _add_list(own: Any) -> None:
    example = "ganforge reports list mnist_mlp --all --csv"
    parser = _add(own, "list", "listing", "list the newest report of every configuration", example)
    parser.add_argument("recipe", nargs="?", help=RECIPE_HELP)
    parser.add_argument("--all", action="store_true", help="every report ever stored, not the newest alone")


def _add_show(own: Any) -> None:
    example = "ganforge reports show mnist_mlp rmsprop"
    parser = _add(own, "show", "showing", "show a recipe's ranking, or all scores of one report", example)
    parser.add_argument("recipe", nargs="?", help=RECIPE_HELP)
    parser.add_argument(
        "optimizer", nargs="?", help="one of its optimizer configurations: all scores, member by member"
    )
    parser.add_argument("--report", metavar="ID", help="any stored report by the beginning of its id")


def _add_best(own: Any) -> None:
    example = "ganforge reports best --recipe mnist_mlp --metric inception_score"
    parser = _add(own, "best", "best", "name the best configuration, and whether that is decided", example)
    _add_recipe(parser)
    parser.add_argument("--metric", default="fid", metavar="NAME", help="what to rank by (default fid)")


def _add_compare(own: Any) -> None:
    example = "ganforge reports compare rmsprop adam --recipe mnist_mlp; or: compare mnist_mlp/adam mnist_dcgan/adam"
    help_text = "hold two configurations against each other: settings that differ, scores with verdicts, curves"
    parser = _add(own, "compare", "comparing", help_text, example)
    parser.add_argument("first", metavar="A", help="an optimizer configuration, or RECIPE/CONFIGURATION")
    parser.add_argument("second", metavar="B", help="another one")
    parser.add_argument("--recipe", metavar="KEY", help="whose configurations they are")
    parser.add_argument("--curves", metavar="FILE.png", help="draw the curves of both into a picture too")


def _add_history(own: Any) -> None:
    example = "ganforge reports history --recipe mnist_mlp --optimizer rmsprop --metric fid"
    parser = _add(own, "history", "history", "show a metric over all retrainings, oldest first", example)
    _add_recipe(parser)
    parser.add_argument("--optimizer", metavar="KEY", help="one configuration alone")
    parser.add_argument("--metric", default="fid", metavar="NAME", help="(default fid)")


def _add_query(own: Any) -> None:
    example = (
        """ganforge reports query "select optimizer, avg(value) from reports where metric = 'fid' group by all" """
    )
    help_text = "answer a SQL query (DuckDB) over the views reports, history, runs and schema"
    parser = _add(own, "query", "querying", help_text, example)
    parser.add_argument("sql", metavar="SQL", help="one SELECT; `from schema` lists all columns")


def _add_page(own: Any) -> None:
    example = "ganforge reports page mnist_mlp -o page.html"
    parser = _add(own, "page", "page", "write the comparison page, one HTML file to open from disk", example)
    parser.add_argument("recipe", help=RECIPE_HELP)
    parser.add_argument("-o", "--output", metavar="FILE", help="where (default: beside the comparison)")


def _add_compact(own: Any) -> None:
    help_text = "merge many small report files into few; nothing is lost, and it happens by itself when they are many"
    _add(own, "compact", "compacting", help_text, "ganforge reports compact")
