"""Ranking: the newest scores of every recipe and configuration as a table."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.cli.reports.answer import Answer
from pipeline.cli.reports.judging import RANKING_DEFAULT, Judging, RankingJudging
from pipeline.cli.reports.selection import newest_reports, recipes_of
from pipeline.cli.table import aligned
from pipeline.comparison.ranking import RankedConfiguration, Ranking, as_table, compare
from pipeline.comparison.ranking_verdicts import verdicts_on
from pipeline.comparison.verdicts import Verdict, how_sure
from pipeline.evidence import number
from pipeline.reports.store import Report
from pipeline.settings import load_optimizers
from pipeline.storage.paths import Paths
from pipeline.training.kinds_of_weights import AVERAGE

SHOWN = {"fid": "FID", "inception_score": "Inception Score", "missing_classes": "missing classes"}
ANCHORED = ("fid", "inception_score")  # the first of SHOWN; real images and noise have rows for them
FEWEST = 2  # members that a verdict needs
COLUMNS = ("optimizer", *SHOWN.values(), "members", "steps", "images", "made (UTC)")


def answer(recipe: str | None, judging: RankingJudging = RANKING_DEFAULT) -> Answer:
    """Return one table per recipe."""
    paths = Paths.default()
    reports = newest_reports(paths.reports(), recipe)
    optimizers = list(load_optimizers())
    rankings = [
        compare(key, optimizers, paths, newest=judging.newest, test=judging.test) for key in recipes_of(reports)
    ]
    rankings = [ranking for ranking in rankings if ranking.configurations]
    text = "\n\n".join([*(render(ranking, judging) for ranking in rankings), *without_table(reports, optimizers)])
    rows = [{"recipe": ranking.recipe, **row} for ranking in rankings for row in as_table(ranking).to_pylist()]
    return Answer(text, rows)


def without_table(reports: list[Report], optimizers: list[str]) -> list[str]:
    """Return a line for stored reports of configurations that no table defines any more."""
    keys = [(report.recipe, report.optimizer) for report in reports]
    names = [f"{recipe} {optimizer}" for recipe, optimizer in keys if optimizer not in optimizers]
    if not names:
        return []
    return [f"kept, but in no table now (is GANFORGE_OPTIMIZERS set?): {', '.join(names)}"]


def render(ranking: Ranking, judging: RankingJudging) -> str:
    """Return a ranking as text: data, extractor, one row per configuration, anchors, verdicts, exclusions."""
    rows = [list(COLUMNS), *(_row(configuration) for configuration in ranking.configurations)]
    first = ranking.configurations[0].report
    rows += [_anchors(first, name, side) for side, name in enumerate(("real images", "noise"))]
    sha256 = first.extractor_sha256
    lines = [
        f"{ranking.recipe}: mean ± 95 % interval over members (none for one member), best FID first",
        f"data: {first.source}; {first.n_real:,} real test images; "
        f"extractor: {first.extractor} {sha256[:12]}{_accuracy(first)}",
        "",
        *aligned(rows),
    ]
    lines += [f"{SHOWN[metric]}: {note}" for metric, note in first.notes().items() if metric in SHOWN]
    lines += _averaged(ranking)
    if ranking.missing:
        lines.append(f"no report yet: {', '.join(ranking.missing)}")
    lines += [f"not comparable: {optimizer} ({how})" for optimizer, how in ranking.incomparable.items()]
    lines += _verdicts(ranking, judging)
    return "\n".join(lines)


def _anchors(report: Report, name: str, side: int) -> list[str]:
    """Return the row of the floor (side 0) or the ceiling (1); a score that is not defined has none."""
    anchors = [report.anchors(metric)[side] if metric in report.metrics() else None for metric in ANCHORED]
    return [name, *map(number, anchors), *[""] * (len(COLUMNS) - 1 - len(anchors))]


def _accuracy(report: Report) -> str:
    """Return the extractor's accuracy on the data set's own labels; empty if it was trained on others."""
    accuracy = report.extractor_accuracy
    return "" if accuracy is None else f" ({100 * accuracy:.1f} % accurate)"


def _averaged(ranking: Ranking) -> list[str]:
    """Return a line with the configurations that were scored with averaged weights, if there are any."""
    averaged = [
        configuration.optimizer for configuration in ranking.configurations if configuration.report.weights == AVERAGE
    ]
    return [f"scored with averaged weights: {', '.join(averaged)}"] if averaged else []


def _verdicts(ranking: Ranking, judging: RankingJudging) -> list[str]:
    """Return a second table: the best configuration against each other one by FID, or a line if none is decidable."""
    if len(ranking.configurations) < 2:
        return []
    verdicts = verdicts_on(ranking, family=judging.family(ranking.configurations[0].optimizer))
    if all(verdict.p is None and verdict.members < FEWEST for verdict in verdicts):
        return ["which is better is undecided: that takes at least 2 members with a score of each (--members)"]
    first = "" if judging.all_pairs else f"{verdicts[0].first} "
    head = [f"{first}against", "FID difference (interval)", "corrected p", "members", "verdict"]
    return [
        "",
        *aligned([head, *(_verdict_row(verdict, with_first=judging.all_pairs) for verdict in verdicts)]),
        *explain(verdicts, judging),
        *filter(None, how_sure(verdicts).split("; ")),
    ]


def explain(verdicts: Sequence[Verdict], judging: Judging) -> list[str]:
    """Return lines on the tests and on the meaning of differences, intervals and p values."""
    tests = " and ".join(dict.fromkeys(verdict.test for verdict in verdicts if verdict.p is not None))
    count = len(verdicts)
    pairs = "the one pair" if count == 1 else f"{'both' if count == 2 else f'all {count}'} pairs together"
    looks = "" if judging.test == "plain" or judging.newest else ", however often members are added"
    lines = [f"{tests}; intervals and corrected p hold at 5 % for {pairs}{looks}"]
    if any(verdict.scale == "log" for verdict in verdicts):
        lines.append(
            "differences are of geometric means, without collapsed members; the table's means are of all members"
        )
    return lines


def _verdict_row(verdict: Verdict, *, with_first: bool) -> list[str]:
    names = f"{verdict.first} against {verdict.second}" if with_first else verdict.second
    members = f"{verdict.first_members} / {verdict.second_members}"
    return [names, difference_text(verdict), _p(verdict.corrected_p), members, str(verdict)]


def difference_text(verdict: Verdict) -> str:
    """Return the difference with its interval, such as `-232 (-310 to -120)`."""
    if verdict.difference is None:
        return "-"
    interval = "" if verdict.low is None else f" ({number(verdict.low)} to {number(verdict.high)})"
    return f"{number(verdict.difference)}{interval}"


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"


def _row(configuration: RankedConfiguration) -> list[str]:
    report, replicates = configuration.report, configuration.replicates
    diverged = f" ({replicates.diverged} diverged)" if replicates.diverged else ""
    return [
        configuration.optimizer,
        *(configuration.text(metric) for metric in SHOWN),
        f"{replicates.count}{diverged}",
        f"{report.steps:,}",
        f"{report.n_generated:,}",
        f"{report.created_at:%Y-%m-%d %H:%M}",
    ]
