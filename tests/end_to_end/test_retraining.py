"""A schedule's tick trains: its job, executed in this process with the config and tags of the tick's request."""

from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from assets.chain import CHAINS
from assets.definitions import defs
from assets.graph.partitions import RECIPES
from assets.triggers.operations import load_operations
from assets.triggers.schedules import build_retraining_job, build_retraining_schedule, tick_seed
from pipeline.reports import store
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths

NIGHT = datetime(2030, 1, 2, 3, 0, tzinfo=UTC)
OPTIMIZERS = ("sgd_adam", "sgd")
RETRAINING = replace(load_operations(()).retraining, optimizers=OPTIMIZERS, steps=2, members=1, samples=60)


pytestmark = pytest.mark.usefixtures("no_page")


def run_tick(tick: datetime, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    recipe, chain = RECIPES["mnist_mlp"], CHAINS["mnist_mlp"]
    schedule = build_retraining_schedule(recipe, chain, build_retraining_job(recipe, chain), RETRAINING)
    with dg.build_schedule_context(scheduled_execution_time=tick) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or []
    job = defs.resolve_job_def(str(request.job_name))
    return job.execute_in_process(
        instance=instance, run_config=request.run_config, tags=request.tags, asset_selection=request.asset_selection
    )


@pytest.mark.usefixtures("prepared")
def test_a_tick_trains_and_scores_every_configuration_with_its_own_seed(paths: Paths) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_tick(NIGHT, instance)
    assert result.success
    for optimizer in OPTIMIZERS:
        artefact = read_artefact(paths.training("mnist_mlp", optimizer))
        assert artefact is not None
        assert (artefact.details["seed"], artefact.details["steps"]) == (tick_seed(NIGHT), 2)
        report = store.latest(paths.reports(), "mnist_mlp", optimizer)
        assert report is not None
        assert (report.seed, report.n_generated) == (tick_seed(NIGHT), 60)
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert {"mnist/tensors", "mnist_mlp/samples", "mnist_mlp/comparison"} <= made
