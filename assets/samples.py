"""`<recipe>/samples`: images from the trained generators, one partition per optimizer configuration."""

from collections.abc import Iterator

import dagster as dg

from assets.graph.partitions import PARTITIONS, backfill_policy
from assets.graph.run_config import SamplesConfig
from assets.publishing.results import Published, Result, logged, publish_each, result_of
from assets.publishing.settings_versions import settings_key
from pipeline.samples import CODE_VERSION
from pipeline.settings import Recipe
from pipeline.storage.paths import Paths


def build_samples(recipe: Recipe) -> dg.AssetsDefinition:
    """Return the asset of one recipe."""

    @dg.asset(
        key=[recipe.key, "samples"],
        deps=[[recipe.key, "generator"], settings_key(recipe.key)],
        group_name="samples",
        description="Images of every member from seeded latents, the same latents for all configurations.",
        code_version=CODE_VERSION,
        kinds={"arrow"},
        partitions_def=PARTITIONS,
        backfill_policy=backfill_policy(recipe),
    )
    def samples(context: dg.AssetExecutionContext, config: SamplesConfig) -> Iterator[Published]:
        from pipeline.samples.evidence import samples_evidence
        from pipeline.samples.generate import generate
        from pipeline.training.trained import require_training

        count, paths = recipe.samples if config.images is None else config.images, Paths.default()

        def make(optimizer: str) -> Result:
            training = require_training(paths, recipe.key, optimizer)
            weights = None if config.weights is None else config.weights.value
            artefact = generate(
                training,
                count,
                paths,
                seed=config.seed,
                weights=weights,
                members=config.members,
                force=config.force,
            )
            return result_of(artefact, samples_evidence(artefact))

        with logged(context):
            yield from publish_each(context, context.asset_key, make)

    return samples
