"""`<recipe>/comparison`: the configurations of a recipe ranked by their newest reports; those without are named."""

import dagster as dg

from assets.orchestration.partitions import OPTIMIZERS
from assets.orchestration.publishing import Made, logged, publish
from assets.orchestration.run_config import MakeConfig
from pipeline.comparison import CODE_VERSION
from pipeline.settings import Recipe
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths


def build_comparison(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of one recipe."""

    @dg.asset(
        key=[recipe.key, "comparison"],
        deps=[[recipe.key, "report"]],
        group_name="comparison",
        description="The configurations ranked by Fréchet distance, each score with its interval over members.",
        code_version=CODE_VERSION,
        kinds={"parquet"},
    )
    def comparison(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.comparison.ranking import Ranking, make_comparison

        def metadata(artefact: Artefact, ranking: Ranking) -> dict[str, object]:
            rows = [
                dg.TableRecord(
                    {
                        "rank": standing.rank,
                        "optimizer": standing.optimizer,
                        **{name: str(found) for name, found in standing.scores.items()},
                        "members": standing.report.fact("members"),
                        "steps": standing.report.fact("steps"),
                    }
                )
                for standing in ranking.standings
            ]
            return {
                "ranking": dg.MetadataValue.table(rows) if rows else "no report yet",
                "missing": ", ".join(ranking.missing) or "none",
                "left_out": dg.MetadataValue.json(ranking.left_out),
                "path": dg.MetadataValue.path(artefact.folder),
            }

        with logged(context):
            artefact, ranking = make_comparison(recipe.key, list(OPTIMIZERS), Paths.default(), force=config.force)
            made = Made(artefact.fingerprint, metadata(artefact, ranking), artefact.cached)
            return publish(context.asset_key, made)

    return comparison
