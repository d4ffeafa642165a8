"""Definitions: the whole asset graph, in the order of the flow. The entry of `workspace.yaml`."""

import dagster as dg

from assets.chain import CHAINS, preset_jobs
from assets.champion import build_champion
from assets.comparison import build_comparison
from assets.graph.automation import build_automation_sensor
from assets.graph.partitions import DATASETS, RECIPES
from assets.metrics import build_metrics
from assets.raw import build_raw
from assets.reports import build_reports
from assets.samples import build_samples
from assets.settings import build_settings
from assets.tensors import build_tensors
from assets.training import build_training
from assets.triggers.alerts import build_alerts_sensor
from assets.triggers.operations import load_operations
from assets.triggers.schedules import build_retraining
from assets.triggers.sensors import build_sensors
from pipeline.raw.dataset import Dataset
from pipeline.settings import Recipe


def dataset_assets(dataset: Dataset) -> list[dg.AssetsDefinition]:
    """Return the assets of one data set. Data sets that are prepared from the same files share one raw asset."""
    raw = [build_raw(dataset)] if dataset.raw_key == dataset.key else []
    return [*raw, build_tensors(dataset), *build_metrics(dataset)]


def recipe_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """Return the assets of one recipe, from its settings to its champion."""
    stages = (build_settings, build_training, build_samples, build_reports, build_comparison, build_champion)
    return [build(recipe) for build in stages]


OPERATIONS = load_operations()
RETRAINING_JOBS, SCHEDULES = build_retraining(RECIPES, CHAINS, OPERATIONS.retraining)

defs = dg.Definitions(
    assets=[
        *(asset for dataset in DATASETS.values() for asset in dataset_assets(dataset)),
        *(asset for recipe in RECIPES.values() for asset in recipe_assets(recipe)),
    ],
    jobs=[*preset_jobs(), *RETRAINING_JOBS],
    schedules=SCHEDULES,
    sensors=[
        *build_sensors(CHAINS, RETRAINING_JOBS, OPERATIONS),
        build_automation_sensor("reports", "comparison", "champion"),
        build_alerts_sensor(OPERATIONS.alerts),
    ],
    # One process per run: each step would otherwise start Python and torch again, which takes seconds.
    executor=dg.in_process_executor,
)
