"""A backfill of all partitions in a running UI, requested through GraphQL as by "Materialize all"."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._utils.test.data_versions import get_stale_status_resolver

from assets.chain import PARTITIONED, partitioned_keys
from assets.definitions import defs
from assets.graph.partitions import OPTIMIZERS, RECIPES
from assets.instance.home import ensure_dagster_home
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import PROJECT, Paths
from tests.end_to_end.conftest import COMMAND
from tests.end_to_end.graphql import ask, events, wait_until
from tests.end_to_end.restartable_ui import RestartableUi

pytestmark = pytest.mark.slow

FIRST = ["materialize", "mnist_mlp", "--optimizer", "sgd", "--steps", "2", "--members", "1", "--samples", "60"]
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
ENDED = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { __typename
    ... on PartitionBackfill { status runs { runId status } error { message } } } }"""
CHECKS = """query($asset: AssetKeyInput!, $check: String!) {
    assetCheckExecutions(assetKey: $asset, checkName: $check, limit: 100) {
        runId status evaluation { partition success } } }"""
RECIPE = RECIPES["mnist_mlp"]


@pytest.fixture
def ui(named_small_mnist: object, paths: Paths) -> Iterator[RestartableUi]:
    """Start a UI over the artefacts of a data set and one finished partition."""
    subprocess.run([*COMMAND, *FIRST], cwd=PROJECT, check=True, timeout=300, capture_output=True)
    with RestartableUi(paths) as restartable:
        yield restartable


def backfill(ui: RestartableUi) -> dict[str, Any]:
    """Launch the backfill, wait for its end and return it."""
    ops = {
        "mnist_mlp__training": {"config": {"steps": 3, "members": 1, "seed": 1}},
        "mnist_mlp__samples": {"config": {"images": 60}},
    }
    params = {
        "tags": [],
        "assetSelection": [{"path": list(key.path)} for key in partitioned_keys(RECIPE)],
        "partitionNames": list(OPTIMIZERS),
        "fromFailure": False,
        "runConfigData": {"ops": ops},
    }
    launched = ask(ui.served, BACKFILL, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended() -> dict[str, Any] | None:
        status: dict[str, Any] = ask(ui.served, ENDED, id=launched["backfillId"])["partitionBackfillOrError"]
        return None if status["status"] in ("REQUESTED", "FAILING") else status

    backfill: dict[str, Any] = wait_until(ended, "the backfill ends")
    return backfill


def test_a_backfill_trains_the_sweep_in_one_run_and_each_partition_has_its_own_results(
    ui: RestartableUi, paths: Paths
) -> None:
    ended = backfill(ui)
    assert (ended["status"], ended["error"]) == ("COMPLETED_SUCCESS", None)
    ((run,),) = [[run["runId"] for run in ended["runs"]]]
    messages = [event["message"] for event in events(ui.served, run, "LogMessageEvent")]
    (trained,) = [message for message in messages if "mnist_mlp: training " in message]
    assert f"{len(OPTIMIZERS)} members as one model" in trained
    ensure_dagster_home()
    with dg.DagsterInstance.get() as instance:
        versions = {key: versions_by_partition(instance, key, run) for key in partitioned_keys(RECIPE)}
        causes = stale_causes(instance)
    for key in partitioned_keys(RECIPE)[:4]:
        assert versions[key] == {name: fingerprint(paths, name) for name in OPTIMIZERS}
    for by_partition in versions.values():
        assert len(set(by_partition.values())) == len(OPTIMIZERS)
    assert causes == {(name, partition): [] for name in PARTITIONED for partition in OPTIMIZERS}
    for check in own_checks():
        assert set(checked(ui, check, run)) == set(OPTIMIZERS), check


def own_checks() -> list[dg.AssetCheckKey]:
    """Return the paths of the assets that are made for every partition."""
    keys = defs.resolve_asset_graph().asset_check_keys
    partitioned = [key for key in keys if key.asset_key in partitioned_keys(RECIPE)]
    assert partitioned
    return partitioned


def checked(ui: RestartableUi, check: dg.AssetCheckKey, run: str) -> list[str]:
    """Return the partitions for which a run has evaluated a check."""
    asked = {"asset": {"path": list(check.asset_key.path)}, "check": check.name}
    executions = ask(ui.served, CHECKS, **asked)["assetCheckExecutions"]
    evaluations = [
        execution["evaluation"] for execution in executions if execution["runId"] == run and execution["evaluation"]
    ]
    return [evaluation["partition"] for evaluation in evaluations if evaluation["partition"]]


def fingerprint(paths: Paths, optimizer: str) -> str:
    artefact = read_artefact(paths.training("mnist_mlp", optimizer))
    assert artefact is not None
    return artefact.fingerprint


def versions_by_partition(instance: dg.DagsterInstance, key: dg.AssetKey, run: str) -> dict[str, str]:
    """Return the data version of each partition's newest materialization; it must be of this run and partition."""
    versions = {}
    for optimizer in OPTIMIZERS:
        asked = dg.AssetRecordsFilter(key, asset_partitions=[optimizer])
        (record,) = instance.fetch_materializations(asked, limit=1).records
        made = record.asset_materialization
        assert made is not None
        assert (record.event_log_entry.run_id, made.partition) == (run, optimizer)
        assert {optimizer, f"optimizer={optimizer}"} & set(Path(str(made.metadata["path"].value)).parts)
        versions[optimizer] = (made.tags or {})["dagster/data_version"]
    return versions


def stale_causes(instance: dg.DagsterInstance) -> dict[tuple[str, str], list[str]]:
    """Return the causes of staleness per partition, from the current graph and the instance after the run."""
    resolver = get_stale_status_resolver(instance, list(defs.resolve_asset_graph().assets_defs))
    return {
        (key.path[-1], partition): [cause.reason for cause in resolver.get_stale_causes(key, partition)]
        for key in partitioned_keys(RECIPE)
        for partition in OPTIMIZERS
    }
