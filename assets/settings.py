"""`<recipe>/settings`: what the tables say of each partition now, for Dagster to compare with what is made.

A source: nothing is made here, only looked at, by `ganforge materialize`, by the sensor `configurations`, or with
"Observe" in the UI. Everything of a recipe depends on it directly, because Dagster hands staleness on no further than
one step (`CachingStaleStatusResolver` in 1.13): one edited rate marks the partition's whole chain.
"""

import warnings
from collections.abc import Iterator

import dagster as dg

from assets.graph.partitions import PARTITIONS
from assets.publishing.settings_versions import NAME, changed_settings, read_versions, settings_key
from pipeline.settings import Recipe


def build_settings(recipe: Recipe) -> dg.AssetsDefinition:
    """The source of one recipe."""
    spec = dg.AssetSpec(
        settings_key(recipe.key),
        description="What the tables of recipes and optimizer configurations decide of each partition.",
        group_name=NAME,
        code_version="1",
        skippable=True,  # an observation for each partition that changed, and none for the source as a whole
        kinds={"toml"},
    )

    def settings(context: dg.AssetExecutionContext) -> Iterator[dg.AssetObservation]:
        yield from changed_settings(context.instance, read_versions(), [recipe.key])

    with warnings.catch_warnings():
        # `observable_source_asset` would do, but what Dagster makes of it warns each time that it loads.
        warnings.simplefilter("ignore", dg.BetaWarning)
        observable = dg.multi_observable_source_asset(
            name=f"{recipe.key}__{NAME}", specs=[spec], partitions_def=PARTITIONS
        )
    source: dg.AssetsDefinition = observable(settings)
    return source
