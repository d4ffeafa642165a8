"""Scheduled retraining: the request of a tick, the run that Dagster makes of it, and its training."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from assets.definitions import defs
from assets.graph.partitions import OPTIMIZERS, RANGE_END_TAG, RANGE_START_TAG, RECIPES
from assets.triggers.operations import Retraining, load_operations
from assets.triggers.requests import request_chain
from assets.triggers.schedules import build_retraining_job, build_retraining_schedule, tick_seed
from pipeline.settings import LARGEST_SEED
from pipeline.storage.artefact import Artefact
from tests.assets.triggers.ticking import START, Ticking, ops_of, ticking
from tests.pipeline.manifests import tensors_details

NIGHT = datetime(2030, 1, 2, 3, 0, tzinfo=UTC)
CHAIN = [
    dg.AssetKey(path.split("/"))
    for path in (
        *("mnist/raw", "mnist/tensors", "mnist/classifier", "mnist/reference"),
        *(f"mnist_mlp/{name}" for name in ("generator", "discriminator", "history", "snapshots")),
        *(f"mnist_mlp/{name}" for name in ("samples", "report", "comparison")),
    )
]
ALL = load_operations(()).retraining


def requests(retraining: Retraining = ALL, tick: datetime = NIGHT) -> list[dg.RunRequest]:
    recipe = RECIPES["mnist_mlp"]
    job = build_retraining_job(recipe, CHAIN)
    schedule = build_retraining_schedule(recipe, CHAIN, job, retraining)
    with dg.build_schedule_context(scheduled_execution_time=tick) as context:
        return list(schedule.evaluate_tick(context).run_requests or [])


def test_every_recipe_has_a_job_and_a_schedule_that_is_off() -> None:
    for recipe in RECIPES.values():
        name = f"{recipe.key}_retraining"
        assert defs.resolve_schedule_def(name).default_status == dg.DefaultScheduleStatus.STOPPED
        made = {key.to_user_string() for key in defs.resolve_job_def(name).asset_layer.selected_asset_keys}
        data = {f"{recipe.dataset}/{stage}" for stage in ("tensors", "classifier", "reference")}
        names = ("generator", "discriminator", "history", "snapshots", "samples", "report", "comparison")
        assert data | {f"{recipe.key}/{name}" for name in names} <= made
        assert not [key for key in made if key.endswith("/settings")]


def test_a_tick_retrains_every_configuration_in_one_run_with_its_own_seed() -> None:
    (request,) = requests()
    first, last = next(iter(OPTIMIZERS)), list(OPTIMIZERS)[-1]
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == (first, last)
    seed = (NIGHT - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(minutes=1)
    assert request.run_config == {
        "ops": {"mnist_mlp__training": {"config": {"seed": seed}}, "mnist_mlp__samples": {"config": {}}}
    }
    assert request.tags["ganforge/seed"] == str(seed)
    assert request.tags["ganforge/recipe"] == "mnist_mlp"
    assert request.tags["ganforge/optimizers"] == ",".join(OPTIMIZERS)
    assert request.asset_selection == CHAIN


def test_configurations_with_others_between_them_are_runs_of_their_own() -> None:
    requested = requests(replace(ALL, optimizers=("adam_ttur", "sgd", "adam")))
    assert [request.tags["ganforge/optimizers"] for request in requested] == ["adam_ttur", "sgd,adam"]
    assert len({request.run_key for request in requested}) == 2


def test_a_recipe_without_sweeps_has_a_run_for_each_partition() -> None:
    recipe = replace(RECIPES["mnist_mlp"], sweep=False)
    requested = list(request_chain(recipe, CHAIN, ["sgd", "adam"], ALL, 0, "tick"))
    assert [(request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) for request in requested] == [
        ("sgd", "sgd"),
        ("adam", "adam"),
    ]


def test_the_same_tick_requests_the_same_runs_and_the_next_requests_different_ones() -> None:
    (first,), (again,), (next_night,) = requests(), requests(), requests(tick=NIGHT + timedelta(days=1))
    assert first == again
    assert first.run_key != next_night.run_key
    assert first.tags["ganforge/seed"] != next_night.tags["ganforge/seed"]


def test_the_settings_override_the_budget() -> None:
    (request,) = requests(replace(ALL, steps=2, members=1, samples=60))
    assert request.run_config["ops"]["mnist_mlp__training"]["config"].items() >= {"steps": 2, "members": 1}.items()
    assert request.run_config["ops"]["mnist_mlp__samples"] == {"config": {"images": 60}}


def test_seeds_fit_for_a_thousand_years_and_the_hour_that_comes_twice_has_two() -> None:
    assert 0 <= tick_seed(datetime(3000, 1, 1, tzinfo=UTC)) <= LARGEST_SEED
    summer = datetime(2030, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Zurich"))
    winter = summer.replace(fold=1)
    assert tick_seed(winter) - tick_seed(summer) == 60
    assert requests(tick=summer)[0].run_key != requests(tick=winter)[0].run_key


def test_data_without_labels_are_retrained_without_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = Artefact(tmp_path, "", {}, tensors_details(labels="none"), "")
    monkeypatch.setattr("assets.triggers.requests.read_artefact", lambda _: tensors)
    names = {key.to_user_string() for key in requests()[0].asset_selection or []}
    assert {"mnist/tensors", "mnist_mlp/generator", "mnist_mlp/samples"} <= names
    assert not {"mnist/classifier", "mnist/reference", "mnist_mlp/report", "mnist_mlp/comparison"} & names


@pytest.fixture
def clock() -> Iterator[Ticking]:
    with ticking() as instance:
        yield instance


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")  # Dagster's own look at it
def test_of_the_ticks_missed_in_a_downtime_the_last_is_made_up_for_once(clock: Ticking) -> None:
    """START is noon; the schedule ticks at 3:00 in UTC."""
    clock.switch_on("mnist_mlp_retraining", "schedule")
    assert clock.pass_time(hours=14) == []
    (run,) = clock.pass_time(hours=1)
    assert run.job_name == "mnist_mlp_retraining"
    assert run.tags["ganforge/seed"] == str(tick_seed(START + timedelta(hours=15)))
    assert ops_of(run)["mnist_mlp__training"] == {"config": {"seed": int(run.tags["ganforge/seed"])}}
    assert clock.pass_time(minutes=1) == []
    (after_downtime,) = clock.pass_time(days=3)
    assert after_downtime.tags["ganforge/seed"] == str(tick_seed(START + timedelta(days=3, hours=15)))
    assert clock.pass_time(minutes=1) == []
