"""An edited table makes assets stale in Dagster's own API; a small data set and a tiny budget."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import StaleStatus
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._utils.test.data_versions import get_stale_status_resolver

from assets import cli
from assets.definitions import defs
from assets.graph.partitions import OPTIMIZERS
from assets.publishing.settings_versions import observe_settings, settings_key
from pipeline import settings
from pipeline.storage.artefact import read_artefact
from pipeline.storage.paths import Paths
from tests.end_to_end.conftest import CHAIN_BUDGET, CHAIN_OPTIMIZERS

PARTITIONED = ("generator", "discriminator", "history", "snapshots", "samples", "report")
OF_ALL = ("comparison", "champion")


pytestmark = pytest.mark.usefixtures("no_page")


def materialize(monkeypatch: pytest.MonkeyPatch, *optimizers: str) -> None:
    monkeypatch.setattr("sys.argv", ["ganforge", "materialize", "mnist_mlp", "--optimizer", *optimizers, *CHAIN_BUDGET])
    assert cli.main() == 0


def named(dependency: AssetKeyPartitionKey | None) -> str:
    assert dependency is not None
    return f"{dependency.asset_key.to_user_string()} {dependency.partition_key}"


def stale(instance: dg.DagsterInstance) -> dict[tuple[str, str | None], set[str]]:
    """Return the stale assets of the recipe by name and partition, each with its causes."""
    resolver = get_stale_status_resolver(instance, list(defs.resolve_asset_graph().assets_defs))
    wanted = [(name, partition) for name in PARTITIONED for partition in CHAIN_OPTIMIZERS]
    stale: dict[tuple[str, str | None], set[str]] = {}
    for name, partition in [*wanted, *((name, None) for name in OF_ALL)]:
        key = dg.AssetKey(["mnist_mlp", name])
        status = resolver.get_status(key, partition)
        assert status in (StaleStatus.FRESH, StaleStatus.STALE)
        if status == StaleStatus.STALE:
            causes = resolver.get_stale_causes(key, partition)
            stale[name, partition] = {f"{cause.reason}: {named(cause.dependency)}" for cause in causes}
    return stale


@pytest.mark.usefixtures("copied_chain")
def test_one_edited_rate_makes_exactly_that_partition_and_those_downstream_stale(
    tables: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance, paths: Paths
) -> None:
    assert stale(instance) == {}
    before = {key: read_artefact(paths.training("mnist_mlp", key)) for key in CHAIN_OPTIMIZERS}

    text = (tables / "optimizers.toml").read_text()
    rate = 'both = { kind = "sgd", learning_rate = 0.01'
    assert text.count(rate) == 1
    (tables / "optimizers.toml").write_text(text.replace(rate, rate.replace("0.01", "0.02")))
    assert stale(instance) == {}, "nobody looked yet"
    assert observe_settings(instance, ["mnist_mlp"]) == [("mnist_mlp", "sgd")]

    cause = {"has a new dependency data version: mnist_mlp/settings sgd"}
    of_partition: dict[tuple[str, str | None], set[str]] = {(name, "sgd"): cause for name in PARTITIONED}
    assert stale(instance) == of_partition | {(name, None): cause for name in OF_ALL}

    for chosen in (CHAIN_OPTIMIZERS, ["sgd"]):  # by a process that read the tables before
        materialize(monkeypatch, *chosen)
        assert {place for place in stale(instance) if place[1] is not None} == set(of_partition)

    monkeypatch.setitem(OPTIMIZERS, "sgd", settings.load_optimizers()["sgd"])  # the table of the next process
    materialize(monkeypatch, "sgd")
    assert stale(instance) == {}
    after = {key: read_artefact(paths.training("mnist_mlp", key)) for key in CHAIN_OPTIMIZERS}
    changed = [key for key in CHAIN_OPTIMIZERS if before[key] != after[key]]
    assert changed == ["sgd"], "training of the other partition was touched"


def test_the_settings_are_a_source_and_nothing_makes_them() -> None:
    graph = defs.resolve_asset_graph()
    node = graph.get(settings_key("mnist_mlp"))
    assert (node.is_external, node.is_observable, node.is_materializable) == (True, True, False)
