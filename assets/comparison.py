"""`<recipe>/comparison`: the configurations of a recipe ranked by their newest reports, and a verdict on every pair."""

from typing import TYPE_CHECKING

import dagster as dg

from assets.graph.automation import COMPARISON_CONDITION
from assets.graph.partitions import OPTIMIZERS
from assets.graph.run_config import MakeConfig
from assets.publishing.publishing import Made, logged, publish
from assets.publishing.settings_versions import settings_key
from pipeline.comparison import CODE_VERSION
from pipeline.settings import Recipe
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import markdown_file

if TYPE_CHECKING:
    from pipeline.comparison.ranking import Ranking, Standing
    from pipeline.comparison.verdicts import Verdict

SHOWN = ("fid", "inception_score", "missing_classes")
PLOTTED = ("fid", "inception_score")


def build_comparison(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of one recipe."""

    @dg.asset(
        key=[recipe.key, "comparison"],
        deps=[[recipe.key, "report"], settings_key(recipe.key)],
        group_name="comparison",
        description="The configurations ranked by Fréchet distance, each score with its interval over members, "
        "of every pair which one is better, and all of it as a page that opens from disk.",
        code_version=CODE_VERSION,
        automation_condition=COMPARISON_CONDITION,
        kinds={"parquet"},
    )
    def comparison(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.comparison.make import make_comparison

        with logged(context):
            artefact, ranking = make_comparison(recipe.key, list(OPTIMIZERS), Paths.default(), force=config.force)
            made = Made(artefact.fingerprint, _metadata(artefact, ranking), artefact.cached)
            return publish(context.asset_key, made)

    return comparison


def _metadata(artefact: Artefact, ranking: "Ranking") -> dict[str, object]:
    from pipeline.comparison.make import PAGE
    from pipeline.comparison.ranking import verdicts_on

    rows = [_row(standing) for standing in ranking.standings]
    verdicts = [_verdict_row(verdict) for verdict in verdicts_on(ranking)]
    return {
        "ranking": dg.MetadataValue.table(rows) if rows else "no report yet",
        "verdicts": dg.MetadataValue.table(verdicts) if verdicts else "needs at least 2 configurations",
        "best": artefact.details["best"] or "none",
        "page": dg.MetadataValue.path(artefact.path(PAGE)),
        **_pictures(artefact, ranking),
        **_numbers(ranking),
        "missing": ", ".join(ranking.missing) or "none",
        "left_out": dg.MetadataValue.json(ranking.left_out),
        "not_on_page": dg.MetadataValue.json(artefact.details["not_on_page"]),
        "path": dg.MetadataValue.path(artefact.folder),
    }


def _pictures(artefact: Artefact, ranking: "Ranking") -> dict[str, object]:
    """Curves over each other and sample grids under each other, where their trainings and samples are there."""
    from pipeline.comparison.make import CURVES, GRIDS

    order = ", ".join(standing.optimizer for standing in ranking.standings)
    captions = {CURVES: "losses by training step", GRIDS: f"the same latents, a row a configuration: {order}"}
    return {
        name.removesuffix(".png"): dg.MetadataValue.md(markdown_file(artefact.verified_path(name), caption, crisp=True))
        for name, caption in captions.items()
        if name in artefact.files
    }


def _numbers(ranking: "Ranking") -> dict[str, object]:
    """Each configuration's mean scores, so that the UI plots them over materializations."""
    scored = [(standing, name) for name in PLOTTED for standing in ranking.standings if standing.scored_by(name)]
    return {f"{name}_{standing.optimizer}": standing.scores[name].mean for standing, name in scored}


def _row(standing: "Standing") -> dg.TableRecord:
    from pipeline.comparison.ranking import shown

    facts = standing.report.facts(("members", "steps", "width", "n_generated"))
    scores = {name: shown(standing.report, name) for name in SHOWN if name in standing.scores}
    return dg.TableRecord({"rank": standing.rank, "optimizer": standing.optimizer, **scores, **facts})


def _verdict_row(verdict: "Verdict") -> dg.TableRecord:
    """The verdict first: the UI cuts wide tables off."""
    numbers = {"difference": verdict.difference, "low": verdict.low, "high": verdict.high, "p": verdict.corrected_p}
    return dg.TableRecord(
        {
            "verdict on FID": str(verdict),
            "pair": f"{verdict.first} against {verdict.second}",
            **{name: "-" if value is None else f"{value:.3g}" for name, value in numbers.items()},
            "members": verdict.members,
        }
    )
