"""`<recipe>/champion`: the configuration that beat the previous champion significantly and passed its checks."""

import logging

import dagster as dg

from assets.graph.automation import COMPARISON_CONDITION
from assets.graph.partitions import OPTIMIZERS
from assets.publishing.results import Result, logged, publish
from assets.publishing.settings_versions import settings_key
from pipeline.champion import CODE_VERSION
from pipeline.settings import Recipe
from pipeline.storage.paths import Paths

log = logging.getLogger(__name__)

NONE = "none"  # data version while there is no champion yet


def build_champion(recipe: Recipe) -> dg.AssetsDefinition:
    """Return the asset of one recipe."""

    @dg.asset(
        key=[recipe.key, "champion"],
        deps=[[recipe.key, "comparison"], settings_key(recipe.key)],
        group_name="champion",
        description="The generator to use: kept with its weights, its card and an ONNX file until another "
        "configuration is significantly better by Fréchet distance and has passed its checks.",
        code_version=CODE_VERSION,
        automation_condition=COMPARISON_CONDITION,
        kinds={"onnx"},
    )
    def champion(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        from pipeline.champion.evidence import champion_evidence
        from pipeline.champion.promote import promote
        from pipeline.checks.stored import stored_findings

        with logged(context):
            paths = Paths.default()
            outcome = promote(recipe.key, list(OPTIMIZERS), paths, run_checks=stored_findings(recipe.key, paths))
            log.info("%s: %s", recipe.key, outcome.reason)
            version = NONE if outcome.champion is None else outcome.champion.artefact.fingerprint
            result = Result(version, champion_evidence(outcome), cached=not outcome.promoted)
            return publish(context, context.asset_key, result)

    return champion
