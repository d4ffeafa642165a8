"""Run: a recipe's chain from the command line, through the same assets and the same Dagster instance as the UI."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from assets.definitions import defs
from assets.orchestration.home import ensure_dagster_home
from assets.orchestration.partitions import OPTIMIZERS, RECIPES, contiguous_ranges
from assets.orchestration.publishing import OWN_LOGGERS
from assets.training import OUTPUTS
from pipeline.settings import LEAST_SAMPLES, Recipe, resolve, step_budget
from pipeline.tables import find

PARTITIONED = (*OUTPUTS, "samples", "report")
SHARED = ("raw", "tensors", "classifier", "reference")
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def materialize_chain(
    recipe_key: str,
    *,
    optimizers: list[str] | None,
    steps: str | None,
    members: int | None,
    samples: int | None,
    seed: int,
    force: bool,
) -> int:
    """Make the chain for these configurations (default: all). Exit code 0, or 1 where an asset failed."""
    recipe = find(RECIPES, recipe_key, "recipe")
    keys = [key for entry in optimizers or list(OPTIMIZERS) for key in entry.split(",") if key]
    for key in keys:
        find(OPTIMIZERS, key, "optimizer configuration")
    config = _run_config(recipe, steps, members, samples, seed, force)
    ensure_dagster_home()
    with dg.DagsterInstance.get() as instance, _printed_progress():
        if not _run(_keys(recipe.dataset, SHARED), [], config, instance):
            return 1
        runs = contiguous_ranges(keys) if recipe.sweep else [[key] for key in keys]
        outcomes = [_run(_keys(recipe.key, PARTITIONED), some, config, instance) for some in runs]
        outcomes.append(_run(_keys(recipe.key, ("comparison",)), [], config, instance))
        return 0 if all(outcomes) else 1


def _keys(prefix: str, names: tuple[str, ...]) -> list[dg.AssetKey]:
    return [dg.AssetKey([prefix, name]) for name in names]


def _run_config(
    recipe: Recipe, steps: str | None, members: int | None, samples: int | None, seed: int, force: bool
) -> dict[str, Any]:
    """Each op's config, checked before anything runs."""
    budget = step_budget(recipe, steps)
    if samples is not None and samples < LEAST_SAMPLES:
        raise ValueError(f"--samples: found {samples}, expected at least {LEAST_SAMPLES} images a member")
    resolve(recipe, next(iter(OPTIMIZERS.values())), steps=budget, members=members, seed=seed)
    training = {"steps": budget, "members": members, "seed": seed, "force": force}
    ops: dict[str, dict[str, Any]] = {
        **{f"{recipe.dataset}__{name}": {"force": force} for name in SHARED},
        f"{recipe.key}__training": training,
        f"{recipe.key}__samples": {"images": samples, "force": force},
        f"{recipe.key}__report": {"force": force},
        f"{recipe.key}__comparison": {"force": force},
    }
    return {
        name: {"config": {field: value for field, value in config.items() if value is not None}}
        for name, config in ops.items()
    }


def _run(
    selection: list[dg.AssetKey], partitions: list[str], config: dict[str, Any], instance: dg.DagsterInstance
) -> bool:
    job = defs.resolve_implicit_global_asset_job_def()
    names = {defs.resolve_assets_def(key).node_def.name for key in selection}
    result = job.execute_in_process(
        instance=instance,
        asset_selection=selection,
        run_config={
            "ops": {name: config[name] for name in names},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
        tags={RANGE_START_TAG: partitions[0], RANGE_END_TAG: partitions[-1]} if partitions else {},
        raise_on_error=False,
    )
    for event in result.get_step_failure_events():
        _print_failure(event)
    return result.success


def _print_failure(event: dg.DagsterEvent) -> None:
    """The step and the first cause, as one sentence; an interruption goes on up to the command."""
    error = event.step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    if error is not None and error.cls_name == "DagsterExecutionInterruptedError":
        raise KeyboardInterrupt
    reason = error.message.strip().removeprefix(f"{error.cls_name}: ") if error else "no reason given"
    print(f"ganforge: {str(event.step_key).replace('__', '/', 1)} failed: {reason}", file=sys.stderr)


@contextmanager
def _printed_progress() -> Iterator[None]:
    """Meanwhile, what the stages log goes to standard output, a line each with the time since the start."""
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
