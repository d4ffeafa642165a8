"""Definitions: the whole asset graph, in the order of the flow. The entry of `workspace.yaml`."""

import dagster as dg

from assets.chain import preset_jobs
from assets.comparison import build_comparison
from assets.metrics import build_metrics
from assets.orchestration.partitions import DATASETS, RECIPES
from assets.raw import build_raw
from assets.reports import build_reports
from assets.samples import build_samples
from assets.tensors import build_tensors
from assets.training import build_training
from pipeline.raw.dataset import Dataset
from pipeline.settings import Recipe


def _of_dataset(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """Data sets that are prepared from another's files share its raw asset."""
    raw = [build_raw(dataset)] if dataset.raw_key == dataset.key else []
    return [*raw, build_tensors(dataset), *build_metrics(dataset)]


def _of_recipe(recipe: Recipe) -> list[dg.AssetsDefinition]:
    stages = (build_training, build_samples, build_reports, build_comparison)
    return [build(recipe) for build in stages]


defs = dg.Definitions(
    assets=[
        *(asset for dataset in DATASETS.values() for asset in _of_dataset(dataset)),
        *(asset for recipe in RECIPES.values() for asset in _of_recipe(recipe)),
    ],
    jobs=preset_jobs(),
    # One process a run: a step would otherwise start Python and torch anew, seconds each.
    executor=dg.in_process_executor,
)
