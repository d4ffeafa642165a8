"""Assets that Dagster remakes automatically, once a person switched it on; none of them trains."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from assets.definitions import defs
from assets.graph.automation import COMPARISON_CONDITION, REPORT_CONDITION
from assets.graph.partitions import PARTITIONS, RECIPES
from assets.publishing.settings_versions import observe_settings, settings_key
from assets.settings import build_settings

RECIPE = "mnist_mlp"
SETTINGS = settings_key(RECIPE)
GROUPS = ("samples", "reports", "comparison")
CHEAP = {"report", "comparison", "champion"}


def asset(
    name: str, *deps: str, partitioned: bool = True, condition: dg.AutomationCondition | None = None
) -> dg.AssetsDefinition:
    """A stand-in for an asset of the chain: its data version is the run's config."""

    @dg.asset(
        key=[RECIPE, name],
        deps=[[RECIPE, dep] for dep in deps],
        partitions_def=PARTITIONS if partitioned else None,
        automation_condition=condition,
        group_name={"samples": "samples", "report": "reports"}.get(name, "comparison"),
        code_version="1",
    )
    def made(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return dg.MaterializeResult(data_version=dg.DataVersion(context.run.tags.get("version", "1")))

    return made


CHAIN = dg.Definitions(
    [
        build_settings(RECIPES[RECIPE]),
        asset("samples", "settings"),
        asset("report", "samples", "settings", condition=REPORT_CONDITION),
        asset("comparison", "report", "settings", partitioned=False, condition=COMPARISON_CONDITION),
        asset("champion", "comparison", "settings", partitioned=False, condition=COMPARISON_CONDITION),
    ]
)


class Automating:
    """The sensor's evaluations one after the other."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: dg.AutomationConditionCursor | None = None

    def make(self, *names: str, partition: str | None = None, version: str = "1") -> None:
        CHAIN.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey([RECIPE, name]) for name in names],
            partition_key=partition,
            tags={"version": version},
        )

    def requested(self) -> set[tuple[str, str | None]]:
        evaluated = dg.evaluate_automation_conditions(
            CHAIN, self.instance, asset_selection=dg.AssetSelection.groups(*GROUPS), cursor=self.cursor
        )
        self.cursor = evaluated.cursor
        wanted: set[tuple[str, str | None]] = set()
        for subset in (result.true_subset for result in evaluated.results):
            if not subset.is_empty:
                keys = {key.partition_key for key in subset.expensively_compute_asset_partitions()}
                wanted |= {(subset.key.path[-1], key) for key in keys}
        return wanted


@pytest.fixture
def automating() -> Iterator[Automating]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Automating(instance)


def test_new_samples_are_scored_and_new_reports_compared_without_waiting_for_missing_ones(
    automating: Automating,
) -> None:
    assert automating.requested() == set()
    automating.make("samples", partition="sgd")
    assert ("report", "sgd") in automating.requested()
    automating.make("report", partition="sgd")
    assert ("comparison", None) in automating.requested(), "reports of other partitions are missing"
    automating.make("comparison")
    assert automating.requested() == {("champion", None)}
    automating.make("champion")
    assert automating.requested() == set()


def test_assets_of_one_run_and_unchanged_assets_registered_again_start_no_run(automating: Automating) -> None:
    automating.requested()
    automating.make("samples", "report", partition="sgd")
    automating.make("comparison")
    automating.make("champion")
    automating.requested()
    assert automating.requested() == set()
    automating.make("samples", partition="sgd")
    assert automating.requested() == set()
    automating.make("samples", partition="sgd", version="2")
    assert ("report", "sgd") in automating.requested()


def test_a_changed_table_starts_nothing(automating: Automating) -> None:
    observe_settings(automating.instance, [RECIPE])
    automating.make("samples", "report", partition="sgd")
    automating.make("comparison")
    automating.make("champion")
    automating.requested()
    automating.requested()
    tags = {DATA_VERSION_TAG: "other"}
    automating.instance.report_runless_asset_event(dg.AssetObservation(SETTINGS, partition="sgd", tags=tags))
    assert automating.requested() == set()


def test_nothing_that_trains_or_takes_long_has_a_condition() -> None:
    """Only these assets have a condition, and the sensor that evaluates it is off."""
    with_condition = {spec.key.path[-1] for spec in defs.resolve_all_asset_specs() if spec.automation_condition}
    assert {"report", "comparison"} <= with_condition <= CHEAP
    training = [spec for spec in defs.resolve_all_asset_specs() if spec.group_name == "training"]
    assert training
    assert all(spec.automation_condition is None for spec in training)


@pytest.mark.parametrize("name", ["mnist_mlp/report", "mnist_mlp/comparison"])
def test_the_sensor_is_off_and_watches_the_assets_with_a_condition(name: str) -> None:
    sensor = defs.resolve_sensor_def("automation")
    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED
    assert sensor.asset_selection is not None
    looked_at = sensor.asset_selection.resolve(defs.resolve_asset_graph())
    assert dg.AssetKey(name.split("/")) in looked_at
    assert dg.AssetKey(["mnist_mlp", "generator"]) not in looked_at
