"""`<recipe>/samples`: images from the trained generators, a partition an optimizer configuration."""

from collections.abc import Iterator

import dagster as dg

from assets.graph.partitions import PARTITIONS, backfill_policy
from assets.graph.run_config import SamplesConfig
from assets.publishing.publishing import Made, Published, logged, publish_each
from assets.publishing.settings_versions import settings_key
from pipeline.samples import CODE_VERSION
from pipeline.samples.details import SamplesDetails
from pipeline.settings import Recipe
from pipeline.storage.artefact import Artefact
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import inline_strip, markdown_file


def build_samples(recipe: Recipe) -> dg.AssetsDefinition:
    """The asset of one recipe."""

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
        from pipeline.samples.generate import generate
        from pipeline.training.trained import require_training

        count, paths = recipe.samples if config.images is None else config.images, Paths.default()

        def make(optimizer: str) -> Made:
            training = require_training(paths, recipe.key, optimizer)
            weights = None if config.weights is None else config.weights.value
            artefact = generate(training, count, paths, seed=config.seed, weights=weights, force=config.force)
            return Made(artefact.fingerprint, _metadata(artefact), artefact.cached)

        with logged(context):
            yield from publish_each(context, context.asset_key, make)

    return samples


def _metadata(artefact: Artefact) -> dict[str, object]:
    images = read_images(artefact.verified_path("samples.arrow"))
    pictures = (
        {
            "preview": dg.MetadataValue.md(inline_strip(images.pixels)),
            "grid": dg.MetadataValue.md(
                markdown_file(artefact.verified_path("grid.png"), "samples, a few rows a member")
            ),
        }
        if len(images)
        else {}
    )
    return {
        **pictures,
        "images": len(images),
        "images_a_member": artefact.details["images_a_member"],
        "weights": artefact.details_as(SamplesDetails).weights,
        "members": len(artefact.details["members"]),
        "diverged_members": len(artefact.details["diverged_members"]),
        "seed": artefact.details["seed"],
        "path": dg.MetadataValue.path(artefact.folder),
    }
