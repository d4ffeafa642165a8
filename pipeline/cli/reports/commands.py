"""Commands: the commands of `ganforge reports` with their parameters.

The module of a command's name computes its answer. Those modules take half a second to import, so each is imported when
its command runs.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from cyclopts import Parameter

from pipeline.cli.options import Recipe
from pipeline.cli.program import new_app
from pipeline.cli.reports.answer import TEXT, Form, show_answer
from pipeline.cli.reports.judging import PAIR_DEFAULT, RANKING_DEFAULT, Judging, RankingJudging

OneRecipe: TypeAlias = Annotated[str | None, Parameter(metavar="RECIPE", help="one recipe alone")]

reports = new_app(
    "reports",
    """Query, rank and compare the stored scores. Without a command: every recipe's ranking.

    for instance:

        ganforge reports                                        every recipe's ranking
        ganforge reports show mnist_mlp rmsprop                 all scores of one configuration
        ganforge reports best --recipe mnist_mlp --metric fid
        ganforge reports compare rmsprop adam --recipe mnist_mlp
        ganforge reports history --recipe mnist_mlp --metric fid
        ganforge reports query "select * from runs"             SQL over: reports, history, runs, schema
        ganforge reports page mnist_mlp -o page.html            a page to look at and to send

    More: docs/reports.md
    """,
)


@reports.default
def ranking(*, judging: RankingJudging = RANKING_DEFAULT, form: Form = TEXT) -> None:
    """Print every recipe's ranking."""
    from pipeline.cli.reports.ranking import answer

    show_answer(answer(None, judging), form)


@reports.command(name="list")
def list_reports(
    recipe: Recipe | None = None,
    /,
    *,
    all_reports: Annotated[bool, Parameter(name="--all", help="every stored report, not only the newest ones")] = False,
    form: Form = TEXT,
) -> None:
    """List the newest report of every configuration.

    example: ganforge reports list mnist_mlp --all --csv
    """
    from pipeline.cli.reports.list import answer

    show_answer(answer(recipe, all_reports=all_reports, with_rows=form.is_for_programs), form)


@reports.command
def show(
    recipe: Recipe | None = None,
    optimizer: Annotated[
        str | None, Parameter(help="one of its optimizer configurations: all scores, member by member")
    ] = None,
    /,
    *,
    report: Annotated[str | None, Parameter(metavar="ID", help="any stored report, by the beginning of its id")] = None,
    form: Form = TEXT,
) -> None:
    """Show a recipe's ranking, or all scores of one report.

    example: ganforge reports show mnist_mlp rmsprop
    """
    from pipeline.cli.reports.show import answer

    show_answer(answer(recipe, optimizer, report), form)


@reports.command
def best(
    recipe: OneRecipe = None,
    *,
    metric: Annotated[str, Parameter(metavar="NAME", help="the score to rank by")] = "fid",
    judging: RankingJudging = RANKING_DEFAULT,
    form: Form = TEXT,
) -> None:
    """Name the best configuration, and whether that is decided.

    example: ganforge reports best --recipe mnist_mlp --metric inception_score
    """
    from pipeline.cli.reports.best import answer

    show_answer(answer(recipe, metric, judging), form)


@reports.command
def compare(
    first: Annotated[
        str, Parameter(name="A", help="a configuration as [RECIPE/]CONFIGURATION[@STEPS], or the id of a report")
    ],
    second: Annotated[str, Parameter(name="B", help="another one")],
    /,
    *,
    recipe: Annotated[str | None, Parameter(metavar="KEY", help="the recipe of both configurations")] = None,
    curves: Annotated[str | None, Parameter(metavar="FILE.png", help="also draw the curves of both")] = None,
    judging: Judging = PAIR_DEFAULT,
    form: Form = TEXT,
) -> None:
    """Compare two configurations: settings that differ, scores with verdicts, curves.

    A configuration counts with all replicates of its newest report (of so many steps), a report by itself.

    for instance:

        ganforge reports compare rmsprop adam --recipe mnist_mlp
        ganforge reports compare mnist_mlp/adam mnist_dcgan/adam
        ganforge reports compare mnist_mlp/adam@4500 mnist_mlp/adam@93700
    """
    from pipeline.cli.reports.compare import answer

    show_answer(answer(first, second, recipe, curves, judging), form)


@reports.command
def history(
    recipe: OneRecipe = None,
    *,
    optimizer: Annotated[str | None, Parameter(metavar="KEY", help="one configuration alone")] = None,
    metric: Annotated[str, Parameter(metavar="NAME", help="the score to show")] = "fid",
    form: Form = TEXT,
) -> None:
    """Show a metric over all retrainings, oldest first.

    example: ganforge reports history --recipe mnist_mlp --optimizer rmsprop --metric fid
    """
    from pipeline.cli.reports.history import answer

    show_answer(answer(recipe, optimizer, metric), form)


@reports.command
def query(
    sql: Annotated[str, Parameter(help="one SELECT; `from schema` lists all columns")], /, *, form: Form = TEXT
) -> None:
    """Answer a SQL query (DuckDB) over the views reports, history, runs and schema.

    for instance:

        ganforge reports query "select optimizer, avg(value) from reports where metric = 'fid' group by all"
    """
    from pipeline.cli.reports.query import answer

    show_answer(answer(sql), form)


@reports.command
def page(
    recipe: Recipe,
    /,
    *,
    output: Annotated[
        str | None,
        Parameter(name=("-o", "--output"), metavar="FILE", help="file to write; default: beside the comparison"),
    ] = None,
    form: Form = TEXT,
) -> None:
    """Write the comparison page, one HTML file to open from disk.

    example: ganforge reports page mnist_mlp -o page.html
    """
    from pipeline.cli.reports.page import answer

    show_answer(answer(recipe, output), form)


@reports.command
def compact(*, form: Form = TEXT) -> None:
    """Merge many small report files into few.

    No report is lost. Many files are also merged without this command.

    example: ganforge reports compact
    """
    from pipeline.cli.reports.compact import answer

    show_answer(answer(), form)
