"""Requests: the runs that make a recipe's chain anew without a person, for schedules and sensors.

A run takes one contiguous range of partitions, which train as one sweep, or one partition where the recipe says
`sweep = false`. What a run is to train with stands in its config (a run request's config is applied as it is, also to a
range of partitions, unlike the config of a job), and for whoever looks for it in its tags.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg

from assets.graph.partitions import DATASETS, OPTIMIZERS, RANGE_END_TAG, RANGE_START_TAG, contiguous_ranges
from assets.graph.run_tags import about_tags
from assets.triggers.operations import Retraining
from pipeline.settings import Recipe
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths
from pipeline.tensors import LABEL_COLUMNS

OF_SCORES = ("classifier", "reference", "report", "comparison", "champion")  # what needs a data set with labels


def retraining_job_name(recipe: Recipe) -> str:
    """Of the job that makes a recipe's whole chain, and of the schedule that starts it."""
    return f"{recipe.key}_retraining"


def request_chain(
    recipe: Recipe, chain: Sequence[dg.AssetKey], optimizers: Sequence[str], retraining: Retraining, seed: int, why: str
) -> Iterator[dg.RunRequest]:
    """Requests for the chain of these configurations; `why` and the range make the key by which none runs twice."""
    ranges = contiguous_ranges(list(optimizers))
    for keys in ranges if recipe.sweep else [[key] for each in ranges for key in each]:
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
    """What the settings of operations say instead of the recipe, and the seed; samples keep their latents."""
    training = {"seed": seed, "steps": retraining.steps, "members": retraining.members}
    ops = {f"{recipe.key}__training": training, f"{recipe.key}__samples": {"images": retraining.samples}}
    return {
        "ops": {
            name: {"config": {field: value for field, value in config.items() if value is not None}}
            for name, config in ops.items()
        }
    }


def trained_configurations(recipe: Recipe, paths: Paths) -> list[str]:
    """The configurations of a recipe that have a training in the data folder."""
    return [key for key in OPTIMIZERS if read_artefact(paths.training(recipe.key, key)) is not None]


def _makeable(recipe: Recipe, chain: Sequence[dg.AssetKey]) -> list[dg.AssetKey]:
    """The chain, without scores where the data set is known to have no labels to take them with."""
    tensors = read_artefact(Paths.default().tensors(DATASETS[recipe.dataset].key))
    labelled = tensors is None or tensors.details.get("labels") in LABEL_COLUMNS
    return [key for key in chain if labelled or key.path[-1] not in OF_SCORES]
