"""Run tags: what a run is about, so that runs are found in the UI by recipe, configuration, seed and fingerprint."""

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
    """What is known of a run before it begins."""
    return {RECIPE_TAG: recipe, OPTIMIZERS_TAG: ",".join(optimizers), SEED_TAG: str(seed)}


def tag_training(context: dg.AssetExecutionContext, recipe: str, seed: int, fingerprints: Mapping[str, str]) -> None:
    """Add to the run what it trains; `fingerprints` by configuration. That of a sweep is one over all of them."""
    each = list(fingerprints.values())
    fingerprint = each[0] if len(each) == 1 else hashlib.sha256("\n".join(each).encode()).hexdigest()
    tags = {**about_tags(recipe, fingerprints, seed), FINGERPRINT_TAG: fingerprint[:SHORT]}
    context.instance.add_run_tags(context.run.run_id, tags)
