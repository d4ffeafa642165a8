"""`<recipe>/settings`: the current settings of each partition, which Dagster compares with those of its artefacts.

This is a source asset: it is observed and never made, by `ganforge materialize`, by the sensor `configurations`, or
with "Observe" in the UI. All assets of a recipe depend on it directly, because Dagster passes staleness on by one step
only (`CachingStaleStatusResolver` in 1.13). One edited learning rate therefore marks the partition's whole chain.
"""

import warnings
from collections.abc import Iterator

import dagster as dg

from assets.graph.partitions import PARTITIONS
from assets.publishing.settings_versions import NAME, changed_settings, read_versions, settings_key
from pipeline.settings import Recipe


def build_settings(recipe: Recipe) -> dg.AssetsDefinition:
    """Return the source asset of one recipe."""
    spec = dg.AssetSpec(
        settings_key(recipe.key),
        description="Settings of each partition, from the tables of recipes and optimizer configurations.",
        group_name=NAME,
        code_version="1",
        skippable=True,  # only partitions with a new version get an observation, and the whole source gets none
        kinds={"toml"},
    )

    def settings(context: dg.AssetExecutionContext) -> Iterator[dg.AssetObservation]:
        yield from changed_settings(context.instance, read_versions(), [recipe.key])

    with warnings.catch_warnings():
        # `observable_source_asset` is the simpler way, but Dagster's own code warns each time such an asset loads.
        warnings.simplefilter("ignore", dg.BetaWarning)
        observable = dg.multi_observable_source_asset(
            name=f"{recipe.key}__{NAME}", specs=[spec], partitions_def=PARTITIONS
        )
    source: dg.AssetsDefinition = observable(settings)
    return source
