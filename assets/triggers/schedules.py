"""Schedules: every recipe's configurations are trained, sampled, scored and compared again at times that a person sets.

`<recipe>_retraining` is a job and the schedule that starts it, off until a person switches it on. The seed of a tick is
the minutes from 1970 to its time. Each tick therefore has different weights, latents and order of images, and a
repeated tick has the same ones. The new training replaces the old one; the reports of both stay.

After a downtime Dagster makes up for the last missed tick only (`_scheduler/scheduler.py`, "not trying to catch up").
It does so for every schedule without time partitions. A tick that was cut off is repeated, and its run key keeps it
from starting a run twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.triggers.operations import Retraining
from assets.triggers.requests import request_chain, retraining_job_name
from pipeline.settings import Recipe

SECONDS_PER_MINUTE = 60


def build_retraining_job(recipe: Recipe, chain: Sequence[dg.AssetKey]) -> UnresolvedAssetJobDefinition:
    """Return the job of one recipe: its chain from raw files to comparison, for the partitions that a run names."""
    return dg.define_asset_job(
        retraining_job_name(recipe),
        selection=dg.AssetSelection.assets(*chain),
        description=f"{recipe.description}: trained, sampled, scored and compared again. Started by its schedule and "
        "by the sensors raw_data and configurations.",
    )


def build_retraining_schedule(
    recipe: Recipe, chain: Sequence[dg.AssetKey], job: UnresolvedAssetJobDefinition, retraining: Retraining
) -> dg.ScheduleDefinition:
    """Return the schedule that starts one recipe's job."""

    @dg.schedule(
        name=retraining_job_name(recipe),
        job=job,
        cron_schedule=retraining.cron,
        execution_timezone=retraining.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Trains every configuration again with the tick's seed, then samples, scores and compares.",
    )
    def retrain(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
        tick = context.scheduled_execution_time
        why = tick.strftime("%Y-%m-%dT%H:%M%z")
        yield from request_chain(recipe, chain, retraining.optimizers, retraining, tick_seed(tick), why)

    return retrain


def tick_seed(tick: datetime) -> int:
    """Return the minutes from 1970 to a tick. They stay below 2³¹ for another four thousand years."""
    return int(tick.timestamp()) // SECONDS_PER_MINUTE


def build_retraining(
    recipes: Mapping[str, Recipe], chains: Mapping[str, Sequence[dg.AssetKey]], retraining: Retraining
) -> tuple[list[UnresolvedAssetJobDefinition], list[dg.ScheduleDefinition]]:
    """Return the jobs and schedules of the recipes that the settings name; `chains` by recipe."""
    jobs = {key: build_retraining_job(recipes[key], chains[key]) for key in retraining.recipes}
    schedules = [build_retraining_schedule(recipes[key], chains[key], jobs[key], retraining) for key in jobs]
    return list(jobs.values()), schedules
