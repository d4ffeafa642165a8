"""Run tags: recipe, configurations, seed and fingerprint of a run, so that people find it in the UI."""

import hashlib
from collections.abc import Collection, Mapping

import dagster as dg

RECIPE_TAG = "ganforge/recipe"
OPTIMIZERS_TAG = "ganforge/optimizers"  # keys with commas between
PROCESS_TAG = "ganforge/process"  # see `dead_runs.py`
SEED_TAG = "ganforge/seed"
FINGERPRINT_TAG = "ganforge/fingerprint"
SHORT = 16  # characters of a fingerprint


def about_tags(recipe: str, optimizers: Collection[str], seed: int) -> dict[str, str]:
    """Return the tags of a run that are known before it begins."""
    return {RECIPE_TAG: recipe, OPTIMIZERS_TAG: ",".join(optimizers), SEED_TAG: str(seed)}


def tag_training(context: dg.AssetExecutionContext, recipe: str, seed: int, fingerprints: Mapping[str, str]) -> None:
    """Tag the run with the partitions that it trains; `fingerprints` by configuration.

    A sweep gets one fingerprint: the sha256 over the fingerprints of all its partitions.
    """
    by_partition = list(fingerprints.values())
    is_sweep = len(by_partition) > 1
    fingerprint = hashlib.sha256("\n".join(by_partition).encode()).hexdigest() if is_sweep else by_partition[0]
    tags = {**about_tags(recipe, fingerprints, seed), FINGERPRINT_TAG: fingerprint[:SHORT]}
    context.instance.add_run_tags(context.run.run_id, tags)
