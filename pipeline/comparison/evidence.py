"""Evidence of a comparison: the ranking, the verdicts on the best configuration, curves and sample grids."""

from __future__ import annotations

from pipeline.comparison.details import ComparisonDetails
from pipeline.comparison.make import CURVES, GRIDS, PAGE
from pipeline.comparison.ranking import RankedConfiguration, Ranking
from pipeline.comparison.ranking_verdicts import verdicts_on_best
from pipeline.comparison.verdicts import Verdict
from pipeline.evidence import Evidence, Json, Markdown, Table
from pipeline.storage.artefact import Artefact
from pipeline.storage.pictures import markdown_file

TABLED = ("fid", "inception_score", "missing_classes")
PLOTTED = ("fid", "inception_score")


def comparison_evidence(artefact: Artefact, ranking: Ranking) -> Evidence:
    """Return ranking and verdicts as tables, with the pictures that the comparison holds."""
    details = artefact.details_as(ComparisonDetails)
    rows = [_ranking_row(configuration) for configuration in ranking.configurations]
    verdicts = [_verdict_row(verdict) for verdict in verdicts_on_best(ranking)]
    return {
        "ranking": Table(rows) if rows else "no report yet",
        "verdicts": Table(verdicts) if verdicts else "needs at least 2 configurations",
        "best": details.best or "none",
        "page": artefact.path(PAGE),
        **_pictures(artefact, ranking),
        **_means(ranking),
        "missing": ", ".join(ranking.missing) or "none",
        "left_out": Json(ranking.incomparable),
        "not_on_page": Json(details.not_on_page),
        "path": artefact.folder,
    }


def _pictures(artefact: Artefact, ranking: Ranking) -> Evidence:
    """Return overlaid loss curves and sample grids, where their trainings and samples exist."""
    order = ", ".join(configuration.optimizer for configuration in ranking.configurations)
    captions = {CURVES: "losses by training step", GRIDS: f"the same latents, one row per configuration: {order}"}
    return {
        name.removesuffix(".png"): Markdown(markdown_file(artefact.verified_path(name), caption, crisp=True))
        for name, caption in captions.items()
        if name in artefact.files
    }


def _means(ranking: Ranking) -> Evidence:
    """Return each configuration's mean scores, so that the UI plots them over materializations."""
    scored = [
        (configuration, name)
        for name in PLOTTED
        for configuration in ranking.configurations
        if configuration.scored_by(name)
    ]
    return {f"{name}_{configuration.optimizer}": configuration.scores[name].mean for configuration, name in scored}


def _ranking_row(configuration: RankedConfiguration) -> dict[str, str | int | float]:
    facts = configuration.facts(("members", "steps", "width", "n_generated"))
    scores = {name: configuration.text(name) for name in TABLED if name in configuration.scores}
    return {"rank": configuration.rank, "optimizer": configuration.optimizer, **scores, **facts}


def _verdict_row(verdict: Verdict) -> dict[str, str | int | float]:
    numbers = {"difference": verdict.difference, "low": verdict.low, "high": verdict.high, "p": verdict.corrected_p}
    return {
        "verdict on FID": str(verdict),
        "pair": f"{verdict.first} against {verdict.second}",
        **{name: "-" if value is None else f"{value:.3g}" for name, value in numbers.items()},
        "members": f"{verdict.first_members} against {verdict.second_members}",
        "test": verdict.test,
    }
