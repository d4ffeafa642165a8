"""Run: a recipe's chain from the command line, through the same assets and the same Dagster instance as the UI."""

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._core.storage.tags import MAX_RETRIES_TAG
from dagster._core.utils import make_new_run_id

from assets.chain import champion_key, comparison_key, data_keys, partitioned_keys, scoring_keys
from assets.definitions import defs
from assets.graph.partitions import (
    DATASETS,
    OPTIMIZERS,
    PRESETS,
    RECIPES,
    contiguous_ranges,
    partition_tags,
)
from assets.graph.run_config import ExtractorName, Weights, ops_config
from assets.graph.run_tags import about_tags
from assets.instance.databases import databases_stay_open
from assets.instance.dead_runs import fail_dead_runs, process_tag
from assets.instance.home import ensure_dagster_home
from assets.publishing.results import OWN_LOGGERS
from assets.publishing.settings_versions import observe_settings
from assets.triggers.failures import error_sentence, is_interruption
from pipeline.budgets import budget_for
from pipeline.cli.options import ChainOptions
from pipeline.raw.dataset import Dataset
from pipeline.settings import OptimizerConfiguration, Recipe, TrainingSettings, resolve
from pipeline.storage.artefact import is_intact, read_artefact
from pipeline.storage.paths import Paths
from pipeline.tables import find
from pipeline.training.kinds_of_weights import AVERAGE

log = logging.getLogger(__name__)


def reproduce(presets: Sequence[str], options: ChainOptions) -> int:
    """Make the chains of presets, one chain per recipe. Return exit code 0, or 1 if an asset failed."""
    chosen = [find(PRESETS, key, "preset") for key in presets]
    recipes = dict.fromkeys(preset.recipe for preset in chosen)
    outcomes = [
        materialize_chain(recipe, [preset.optimizer for preset in chosen if preset.recipe == recipe], options)
        for recipe in recipes
    ]
    return max(outcomes)


def materialize_chain(recipe_key: str, optimizers: Sequence[str] | None, options: ChainOptions) -> int:
    """Make the chain for these configurations (default: all). Return exit code 0, or 1 if an asset failed."""
    recipe = find(RECIPES, recipe_key, "recipe")
    dataset = DATASETS[recipe.dataset]
    keys = list(optimizers or OPTIMIZERS)
    for key in keys:
        find(OPTIMIZERS, key, "optimizer configuration")
    config = _run_config(recipe, dataset, options)
    with databases_stay_open(), _instance() as instance, _printed_progress():
        fail_dead_runs(instance)
        observe_settings(instance, [recipe.key])
        tags = about_tags(recipe.key, keys, options.seed)

        def run(selection: list[dg.AssetKey], partitions: Sequence[str] = ()) -> bool:
            return _run(selection, partitions, config, instance, tags)

        prepared = _is_prepared(dataset, options.extractor)
        if not prepared and not run(data_keys(dataset)):
            return 1
        _expect_trainable(recipe, dataset, keys, options)
        scored = options.extractor != "classifier" or _has_labels(dataset)
        scoring = scoring_keys(dataset, options.extractor) if scored else []
        if scored:
            _warn_if_incomparable(recipe, dataset, keys, options)
        made = [key for key in partitioned_keys(recipe) if scored or key.path[-1] != "report"]
        together = [comparison_key(recipe), champion_key(recipe)] if scored else []
        ranges = contiguous_ranges(keys) if recipe.sweep else [[key] for key in keys]
        if prepared and len(ranges) == 1:  # every further run costs half a second
            return 0 if run([*data_keys(dataset), *scoring, *made, *together], ranges[0]) else 1
        before = [*(data_keys(dataset) if prepared else ()), *scoring]
        if before and not run(before):
            return 1
        outcomes = [run(made, some) for some in ranges]
        if together and any(outcomes):
            outcomes.append(run(together))
        return 0 if all(outcomes) else 1


def _is_prepared(dataset: Dataset, extractor: str) -> bool:
    """Return whether the data set's tensors, classifier and reference are intact, so that training can begin.

    They may be stale: training first and failing later would cost minutes, a stale artefact is only made again.
    """
    paths = Paths.default()
    scoring = [paths.classifier(dataset.key)] if extractor == "classifier" else []
    folders = [paths.tensors(dataset.key), *scoring, paths.reference(dataset.key, extractor)]
    artefacts = [read_artefact(folder) for folder in folders]
    return all(artefact is not None and is_intact(artefact) for artefact in artefacts)


@contextmanager
def _instance() -> Iterator[dg.DagsterInstance]:
    ensure_dagster_home()
    with dg.DagsterInstance.get() as instance:
        yield instance


def _expect_trainable(recipe: Recipe, dataset: Dataset, keys: list[str], options: ChainOptions) -> None:
    """Raise for settings that cannot be trained, before minutes are spent on the steps before training."""
    from pipeline.tensors.load import require_tensors
    from pipeline.training.engine.ranks import ALONE
    from pipeline.training.partition import Partition
    from pipeline.training.trainable import expect_trainable

    paths = Paths.default()
    tensors = require_tensors(paths, dataset.key)
    partitions = [Partition(_settings(recipe, OPTIMIZERS[key], options), tensors, paths) for key in keys]
    for partition in partitions:
        expect_trainable(partition, ALONE)
    without = [partition.key for partition in partitions if partition.settings.ema_decay is None]
    if options.weights == AVERAGE and without:
        raise ValueError(
            f"--weights average: found no ema_decay in {', '.join(without)}, so they keep no average; "
            "leave the option out, or set ema_decay"
        )


def _warn_if_incomparable(recipe: Recipe, dataset: Dataset, keys: list[str], options: ChainOptions) -> None:
    """Log, before anything is trained, why the new scores cannot be ranked with the stored ones."""
    from pipeline.comparison.outlook import Choice, incomparable_choice
    from pipeline.tensors.load import require_tensors
    from pipeline.training.partition import Partition

    paths = Paths.default()
    partition = Partition(_settings(recipe, OPTIMIZERS[keys[0]], options), require_tensors(paths, dataset.key), paths)
    samples = recipe.samples if options.samples is None else options.samples
    choice = Choice(partition.settings.steps, partition.network.width, samples, options.extractor)
    try:
        warning = incomparable_choice(recipe.key, keys, choice, list(OPTIMIZERS), paths)
    except (OSError, ValueError) as error:  # a damaged report must not prevent training
        warning = f"it is not known whether the new scores will be comparable: {error}"
    if warning:
        log.warning("%s", warning)


def _settings(recipe: Recipe, configuration: OptimizerConfiguration, options: ChainOptions) -> TrainingSettings:
    """Return the checked settings of one partition."""
    budget = budget_for(recipe, options.steps, options.width)
    return resolve(
        recipe, configuration, steps=budget.steps, width=budget.width, members=options.members, seed=options.seed
    )


def _has_labels(dataset: Dataset) -> bool:
    """Return whether scores can be computed; if not, log why."""
    from pipeline.metrics.extractors.classifier import NoLabelsError, expect_labels
    from pipeline.tensors.load import require_tensors

    try:
        expect_labels(require_tensors(Paths.default(), dataset.key))
    except NoLabelsError as error:
        log.warning("no scores, but networks, pictures and samples: %s", error)
        return False
    return True


def _run_config(recipe: Recipe, dataset: Dataset, options: ChainOptions) -> dict[str, Any]:
    """Return the config of each op, checked before anything runs."""
    settings, force = _settings(recipe, next(iter(OPTIMIZERS.values())), options), options.force
    budget = {"steps": settings.steps, "width": settings.width}
    scoring = scoring_keys(dataset, options.extractor)
    training = {**budget, "members": options.members, "seed": options.seed, "force": force}
    ops: dict[str, dict[str, Any]] = {
        **{"__".join(key.path): {"force": force} for key in (*data_keys(dataset), *scoring)},
        f"{recipe.key}__training": training,
        f"{recipe.key}__samples": {
            "images": options.samples,
            "weights": _weights(options),
            "members": options.members,
            "force": force,
        },
        f"{recipe.key}__report": {
            "members": options.members,
            "extractor": ExtractorName(options.extractor).name,
            "thorough": options.thorough,
            "force": force,
        },
        f"{recipe.key}__comparison": {"force": force},
    }
    return ops_config(ops)


def _weights(options: ChainOptions) -> str | None:
    """Return the kind of weights by its name in the run config; None leaves the choice to the samples asset."""
    return None if options.weights is None else Weights(options.weights).name


def _run(
    selection: list[dg.AssetKey],
    partitions: Sequence[str],
    config: dict[str, Any],
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
) -> bool:
    job = defs.resolve_implicit_global_asset_job_def()
    names = {defs.resolve_assets_def(key).node_def.name for key in selection}
    run_id = make_new_run_id()
    result = job.execute_in_process(
        run_id=run_id,
        instance=instance,
        asset_selection=selection,
        run_config={
            "ops": {name: config[name] for name in names if name in config},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        # no daemon runs the command again, so no retries
        tags={**tags, **process_tag(run_id), **partition_tags(partitions), MAX_RETRIES_TAG: "0"},
        raise_on_error=False,
    )
    for event in result.get_step_failure_events():
        _print_failure(event)
    return result.success


def _print_failure(event: dg.DagsterEvent) -> None:
    """Print the step and its own error as one sentence; pass an interruption on to the command."""
    failed = event.step_failure_data.error
    if is_interruption(failed):
        raise KeyboardInterrupt
    print(f"ganforge: {str(event.step_key).replace('__', '/', 1)} failed: {error_sentence(failed)}", file=sys.stderr)


@contextmanager
def _printed_progress() -> Iterator[None]:
    """Print the log of the stages inside this context to standard output, with the time since the start."""
    started = time.monotonic()
    handler = logging.StreamHandler(sys.stdout)

    def with_time(record: logging.LogRecord) -> bool:
        minutes, seconds = divmod(int(time.monotonic() - started), 60)
        record.since_start = f"{minutes}:{seconds:02d}"
        return True

    handler.addFilter(with_time)
    handler.setFormatter(logging.Formatter("%(since_start)s  %(message)s"))
    for name in OWN_LOGGERS:
        logging.getLogger(name).addHandler(handler)
        logging.getLogger(name).setLevel(logging.INFO)
    try:
        yield
    finally:
        for name in OWN_LOGGERS:
            logging.getLogger(name).removeHandler(handler)
