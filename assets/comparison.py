"""`<recipe>/comparison`: the configurations of a recipe ranked by all their replicates, with verdicts."""

import dagster as dg

from assets.graph.automation import COMPARISON_CONDITION
from assets.graph.partitions import OPTIMIZERS
from assets.graph.run_config import MakeConfig
from assets.publishing.results import logged, publish, result_of
from assets.publishing.settings_versions import settings_key
from pipeline.comparison import CODE_VERSION
from pipeline.settings import Recipe
from pipeline.storage.paths import Paths


def build_comparison(recipe: Recipe) -> dg.AssetsDefinition:
    """Return the asset of one recipe."""

    @dg.asset(
        key=[recipe.key, "comparison"],
        deps=[[recipe.key, "report"], settings_key(recipe.key)],
        group_name="comparison",
        description="The configurations ranked by Fréchet distance, each score with its interval over members, "
        "a verdict on the best against each other one, and all of it as a page that opens from disk.",
        code_version=CODE_VERSION,
        automation_condition=COMPARISON_CONDITION,
        kinds={"parquet"},
    )
    def comparison(context: dg.AssetExecutionContext, config: MakeConfig) -> dg.MaterializeResult:
        from pipeline.comparison.evidence import comparison_evidence
        from pipeline.comparison.make import make_comparison

        with logged(context):
            artefact, ranking = make_comparison(recipe.key, list(OPTIMIZERS), Paths.default(), force=config.force)
            return publish(context, context.asset_key, result_of(artefact, comparison_evidence(artefact, ranking)))

    return comparison
