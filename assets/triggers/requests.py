"""Requests: the runs that schedules and sensors start to make a recipe's chain again.

A run takes one contiguous range of partitions, which train as one sweep, or one partition with `sweep = false`.
Training settings are passed in the run config; they are repeated as tags so that runs can be found in the UI. Dagster
applies the config of a run request also to a range of partitions, which it does not do with the config of a job.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from assets.graph.partitions import DATASETS, OPTIMIZERS, RANGE_END_TAG, RANGE_START_TAG, contiguous_ranges
from assets.graph.run_config import ops_config
from assets.graph.run_tags import about_tags
from assets.triggers.operations import Retraining
from pipeline.settings import Recipe
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths
from pipeline.tensors import LABEL_COLUMNS
from pipeline.tensors.details import TensorsDetails

NEED_LABELS = ("classifier", "reference", "report", "comparison", "champion")  # assets of scores


def retraining_job_name(recipe: Recipe) -> str:
    """Return the name of the job that makes a recipe's whole chain, and of the schedule that starts it."""
    return f"{recipe.key}_retraining"


def request_chain(
    recipe: Recipe, chain: Sequence[dg.AssetKey], optimizers: Sequence[str], retraining: Retraining, seed: int, why: str
) -> Iterator[dg.RunRequest]:
    """Yield requests for the chain of these configurations.

    `why` and the range make the run key, by which Dagster starts no request twice.
    """
    ranges = contiguous_ranges(list(optimizers))
    for keys in ranges if recipe.sweep else [[key] for range_keys in ranges for key in range_keys]:
        yield dg.RunRequest(
            run_key=f"{why}:{recipe.key}:{keys[0]}..{keys[-1]}",
            job_name=retraining_job_name(recipe),
            run_config=run_config(recipe, retraining, seed),
            asset_selection=_makeable(recipe, chain),
            tags={
                RANGE_START_TAG: keys[0],
                RANGE_END_TAG: keys[-1],
                **about_tags(recipe.key, keys, seed),
            },
        )


def run_config(recipe: Recipe, retraining: Retraining, seed: int) -> dict[str, Any]:
    """Return the config with the seed and the operations' settings that replace the recipe's. Samples keep their
    latents.
    """
    training = {"seed": seed, "steps": retraining.steps, "members": retraining.members}
    samples = {"images": retraining.samples}
    return {"ops": ops_config({f"{recipe.key}__training": training, f"{recipe.key}__samples": samples})}


def trained_configurations(recipe: Recipe, paths: Paths) -> list[str]:
    """Return the configurations of a recipe that have a training in the data folder."""
    return [key for key in OPTIMIZERS if read_artefact(paths.training(recipe.key, key)) is not None]


def _makeable(recipe: Recipe, chain: Sequence[dg.AssetKey]) -> list[dg.AssetKey]:
    """Return the chain, without scores if the data set is known to have no labels."""
    tensors = read_artefact(Paths.default().tensors(DATASETS[recipe.dataset].key))
    labelled = tensors is None or tensors.details_as(TensorsDetails).labels in LABEL_COLUMNS
    return [key for key in chain if labelled or key.path[-1] not in NEED_LABELS]
