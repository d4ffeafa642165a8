"""Check results of a run of one partition belong to that partition, for each way to name it."""

from pathlib import Path

import dagster as dg
import pytest

from assets import cli
from assets.chain import partitioned_keys
from assets.definitions import defs
from assets.graph.partitions import PARTITION_TAG, PARTITIONS, RANGE_END_TAG, RANGE_START_TAG, RECIPES
from assets.instance.home import ensure_dagster_home

RECIPE = RECIPES["mnist_mlp"]
BUDGET = ["--steps", "3", "--members", "1", "--samples", "60"]


pytestmark = pytest.mark.usefixtures("no_page")


@pytest.fixture(autouse=True)
def small_world(named_small_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.metrics.reference.ANCHOR_IMAGES", 100)


def statuses() -> dict[str, dict[str, str]]:
    """Return the status that the UI shows for each check's partitions, by the check's name."""
    keys = [key for key in defs.resolve_asset_graph().asset_check_keys if key.asset_key in partitioned_keys(RECIPE)]
    assert len(keys) >= 8
    with dg.DagsterInstance.get() as instance:
        states = instance.event_log_storage.get_asset_check_state([(key, PARTITIONS) for key in keys])
    return {
        key.name: {
            partition: status.value
            for status, subset in states[key].subsets.items()
            if not subset.is_empty
            for partition in subset.subset_value.get_partition_keys()
        }
        for key in keys
    }


def expect_results_of(*partitions: str) -> None:
    for check, by_partition in statuses().items():
        assert set(by_partition) == set(partitions), check
        assert set(by_partition.values()) <= {"SUCCEEDED", "FAILED"}, check


@pytest.mark.usefixtures("prepared")
def test_a_command_for_one_configuration_files_its_check_results_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["ganforge", "materialize", "mnist_mlp", "--optimizer", "adam", *BUDGET])
    assert cli.main() == 0
    expect_results_of("adam")
    with dg.DagsterInstance.get() as instance:
        (run,) = instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: "adam"}))
        made = instance.fetch_materializations(dg.AssetKey(["mnist_mlp", "history"]), limit=9).records
    assert [(record.event_log_entry.run_id, record.partition_key) for record in made] == [(run.run_id, "adam")]


@pytest.mark.parametrize("partitions", [("sgd",), ("sgd_adam", "sgd")])
@pytest.mark.usefixtures("prepared")
def test_a_range_of_partitions_files_its_check_results_under_each(partitions: tuple[str, ...]) -> None:
    """Tags of a backfill, of a preset's job and of a schedule may name a range of one partition."""
    ensure_dagster_home()
    config = {"mnist_mlp__training": {"config": {"steps": 3, "members": 1}}}
    config["mnist_mlp__samples"] = {"config": {"images": 60}}
    with dg.DagsterInstance.get() as instance:
        defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=partitioned_keys(RECIPE),
            run_config={"ops": config},
            tags={RANGE_START_TAG: partitions[0], RANGE_END_TAG: partitions[-1]},
        )
        made = instance.fetch_materializations(dg.AssetKey(["mnist_mlp", "history"]), limit=9).records
    assert {record.partition_key for record in made} == set(partitions)
    assert len(made) == (1 if len(partitions) == 1 else 2 * len(partitions))
    expect_results_of(*partitions)
