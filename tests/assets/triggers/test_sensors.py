"""Chains that start because files or tables changed."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from assets.chain import CHAINS
from assets.definitions import defs
from assets.graph.partitions import OPTIMIZERS, RANGE_END_TAG, RANGE_START_TAG, RECIPES
from assets.triggers.operations import load_operations
from assets.triggers.schedules import build_retraining_job
from assets.triggers.sensors import build_configurations_sensor, build_raw_data_sensor
from assets.triggers.watched_files import digest
from pipeline import settings
from tests.assets.triggers.ticking import ops_of, ticking

OPERATIONS = load_operations(())
IN_USE = {"mnist_mlp": ["sgd", "adam"], "mnist_dcgan": ["adam"], "fashion_mnist_mlp": ["sgd"]}
SGD = 'both = { kind = "sgd", learning_rate = 0.01'
MINE = '\n[mine]\nboth = { kind = "sgd", learning_rate = 0.1 }\n'

Asked = list[tuple[str, str]]  # recipe and configurations of each request


@pytest.fixture(autouse=True)
def in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some recipes have trainings."""
    monkeypatch.setattr("assets.triggers.sensors.trained_configurations", lambda recipe, _: IN_USE.get(recipe.key, []))


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the files that the user names as MNIST."""
    folder = tmp_path / "digits"
    folder.mkdir()
    (folder / "images").write_bytes(b"1")
    monkeypatch.setenv("GANFORGE_MNIST", str(folder))
    return folder


class Looking:
    """A sensor's looks one after the other, each with the cursor of the last."""

    def __init__(self, build: Callable[..., dg.SensorDefinition], operations: object = OPERATIONS) -> None:
        jobs = [build_retraining_job(RECIPES[key], CHAINS[key]) for key in RECIPES]
        self.sensor = build(CHAINS, jobs, operations)
        self.instance = dg.DagsterInstance.ephemeral()
        self.cursor: str | None = None
        self.keys: list[str] = []
        self.said = ""
        self.events: list[tuple[str, str | None]] = []

    def look(self) -> Asked:
        with dg.build_sensor_context(self.instance, cursor=self.cursor) as context:
            evaluation = self.sensor.evaluate_tick(context)
        self.cursor = evaluation.cursor
        self.said = evaluation.skip_message or ""
        self.events = [(event.asset_key.to_user_string(), event.partition) for event in evaluation.asset_events]
        for event in evaluation.asset_events:
            assert isinstance(event, dg.AssetObservation)
            self.instance.report_runless_asset_event(event)
        requests = evaluation.run_requests or []
        self.keys += [str(request.run_key) for request in requests]
        assert all(request.job_name == f"{request.tags['ganforge/recipe']}_retraining" for request in requests)
        return [(request.tags["ganforge/recipe"], request.tags["ganforge/optimizers"]) for request in requests]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def test_both_sensors_are_off() -> None:
    for name in ("raw_data", "configurations"):
        assert defs.resolve_sensor_def(name).default_status == dg.DefaultSensorStatus.STOPPED


# ---------------------------------------------------------------------------------------------------------------------
# Raw data


def test_new_files_start_the_chains_in_use_of_their_data_set_once_they_have_settled(files: Path) -> None:
    looking = Looking(build_raw_data_sensor)
    assert looking.look() == []
    assert looking.look() == []
    (files / "images").write_bytes(b"22")
    assert looking.look() == []
    assert looking.said == "mnist: the files changed; waits until two ticks find the same files"
    (files / "labels").write_bytes(b"3")
    assert looking.look() == [], "files that still arrive are not settled"
    expected = [("mnist_mlp", "sgd,adam"), ("mnist_dcgan", "adam")]
    assert looking.look() == expected
    assert looking.look() == []
    assert looking.said == "no change"
    assert len(set(looking.keys)) == 2


def test_files_that_are_changed_there_and_back_run_each_time(files: Path) -> None:
    looking = Looking(build_raw_data_sensor)
    looking.look()
    first = (files / "images").stat()
    for text in (b"22", b"1", b"22"):
        (files / "images").write_bytes(text)
        os.utime(files / "images", ns=(first.st_atime_ns, first.st_mtime_ns))
        looking.look()
        assert looking.look()
    assert len(set(looking.keys)) == 6


def test_files_that_were_not_there_start_chains_when_they_come_and_none_when_they_go(files: Path) -> None:
    shutil.rmtree(files)
    looking = Looking(build_raw_data_sensor)
    looking.look()
    files.mkdir()
    assert (looking.look(), looking.look()) == ([], [])
    (files / "images").write_bytes(b"1")
    assert looking.look() == []
    assert len(looking.look()) == 2
    shutil.rmtree(files)
    assert (looking.look(), looking.look()) == ([], [])


def test_a_source_that_is_named_later_is_new(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANFORGE_MNIST")
    looking = Looking(build_raw_data_sensor)
    assert looking.look() == []
    assert looking.said == "first look: no named files"
    monkeypatch.setenv("GANFORGE_MNIST", str(files))
    assert looking.look() == []
    assert len(looking.look()) == 2


def test_only_recipes_and_configurations_of_the_settings_start(files: Path) -> None:
    chosen = replace(OPERATIONS.retraining, recipes=("mnist_mlp",), optimizers=("adam",), steps=3)
    looking = Looking(build_raw_data_sensor, replace(OPERATIONS, retraining=chosen))
    looking.look()
    (files / "images").write_bytes(b"22")
    looking.look()
    assert looking.look() == [("mnist_mlp", "adam")]


def test_the_digest_sees_names_sizes_and_times_below_but_no_hidden_files(tmp_path: Path) -> None:
    assert digest(tmp_path) is None
    assert digest(tmp_path / "nothing") is None
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"1")
    digests = {digest(tmp_path), digest(tmp_path / "a" / "b")}
    assert None not in digests
    (tmp_path / ".part").write_bytes(b"")
    assert digest(tmp_path) in digests
    os.utime(tmp_path / "a" / "b", ns=(1, 1))
    digests.add(digest(tmp_path))
    (tmp_path / "a" / "b").rename(tmp_path / "a" / "c")
    digests.add(digest(tmp_path))
    assert len(digests) == 4


# ---------------------------------------------------------------------------------------------------------------------
# Configurations


def test_a_changed_rate_starts_that_configuration_of_every_recipe_in_use_and_is_observed(tables: Path) -> None:
    looking = Looking(build_configurations_sensor)
    assert looking.look() == []
    assert len(looking.events) == len(RECIPES) * len(OPTIMIZERS), "the first look tells Dagster what there is"
    assert looking.look() == []
    assert (looking.events, looking.said) == ([], "no change")
    edit(tables / "optimizers.toml", SGD, SGD.replace("0.01", "0.02"))
    assert looking.look() == [("mnist_mlp", "sgd"), ("mnist_dcgan", "sgd"), ("fashion_mnist_mlp", "sgd")]
    assert set(looking.events) == {(f"{recipe}/settings", "sgd") for recipe in RECIPES}
    assert looking.look() == []
    edit(tables / "optimizers.toml", SGD.replace("0.01", "0.02"), SGD)
    assert len(looking.look()) == 3
    assert len(set(looking.keys)) == 6, "there and back runs twice"


def test_a_cursor_that_was_reset_does_not_make_a_later_change_look_like_an_earlier_one(tables: Path) -> None:
    looking, other = Looking(build_configurations_sensor), SGD.replace("0.01", "0.02")
    for old, new in ((SGD, other), (other, SGD)):
        looking.cursor = None
        looking.look()
        edit(tables / "optimizers.toml", old, new)
        assert len(looking.look()) == 3
    assert len(set(looking.keys)) == 6


def test_other_words_start_nothing(tables: Path) -> None:
    looking = Looking(build_configurations_sensor)
    looking.look()
    edit(tables / "optimizers.toml", "RMSprop for both networks", "Other words")
    assert (looking.look(), looking.events) == ([], [])


def test_a_changed_recipe_starts_the_configurations_it_was_trained_with(tables: Path) -> None:
    looking = Looking(build_configurations_sensor)
    looking.look()
    text = (tables / "recipes.toml").read_text()
    (tables / "recipes.toml").write_text(text.replace("full_steps = 93700", "full_steps = 93701"))
    assert looking.look() == [], "a plain run does not ask for the full budget"
    text = (tables / "recipes.toml").read_text()
    (tables / "recipes.toml").write_text(text.replace("real_label = 0.9 ", "real_label = 0.8 ", 1))  # of mnist_mlp
    assert looking.look() == [("mnist_mlp", "sgd,adam")]
    assert set(looking.events) == {("mnist_mlp/settings", key) for key in OPTIMIZERS}


def test_an_entry_that_the_definitions_do_not_know_yet_waits_for_them(
    tables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = Looking(build_configurations_sensor)
    looking.look()
    with (tables / "optimizers.toml").open("a") as file:
        file.write(MINE)
    for _ in range(2):
        assert looking.look() == []
        assert looking.said.startswith("mine: not known to the loaded definitions yet; follows when the daemon")
    first_look_too_early = Looking(build_configurations_sensor)
    first_look_too_early.look()
    monkeypatch.setitem(OPTIMIZERS, "mine", settings.load_optimizers()["mine"])  # as after a reload
    loaded = replace(OPERATIONS.retraining, optimizers=tuple(OPTIMIZERS))
    after = Looking(build_configurations_sensor, replace(OPERATIONS, retraining=loaded))
    after.cursor = looking.cursor
    expected = [("mnist_mlp", "mine"), ("mnist_dcgan", "mine"), ("fashion_mnist_mlp", "mine")]
    assert after.look() == expected
    assert after.look() == []
    after.cursor = first_look_too_early.cursor
    assert after.look() == expected


def test_a_mistake_in_a_table_is_one_sentence_and_nothing_is_forgotten(tables: Path) -> None:
    looking = Looking(build_configurations_sensor)
    looking.look()
    remembered = looking.cursor
    edit(tables / "optimizers.toml", SGD, SGD.replace("0.01", "-1"))
    assert looking.look() == []
    assert looking.said.endswith("[sgd] both: learning_rate is -1, expected a number above 0")
    assert (looking.cursor, looking.events) == (remembered, [])
    edit(tables / "optimizers.toml", SGD.replace("0.01", "-1"), SGD.replace("0.01", "0.02"))
    assert len(looking.look()) == 3


# ---------------------------------------------------------------------------------------------------------------------
# The daemon's way


@pytest.mark.filterwarnings("ignore:Property `ScheduleDefinition.environment_vars`")  # Dagster's own look at it
def test_the_daemon_queues_the_runs_that_sensors_request_and_none_twice(tables: Path, files: Path) -> None:
    with ticking() as clock:
        clock.switch_on("raw_data", "sensor")
        clock.switch_on("configurations", "sensor")
        assert clock.pass_time(seconds=61) == []
        edit(tables / "optimizers.toml", SGD, SGD.replace("0.01", "0.02"))
        (files / "images").write_bytes(b"22")
        runs = clock.pass_time(seconds=61)
        assert {(run.job_name, run.tags[RANGE_START_TAG], run.tags[RANGE_END_TAG]) for run in runs} == {
            (f"{recipe}_retraining", "sgd", "sgd") for recipe in IN_USE
        }
        assert all(ops_of(run)[f"{run.tags['ganforge/recipe']}__training"] for run in runs)
        observed = clock.instance.fetch_observations(dg.AssetKey(["mnist_mlp", "settings"]), limit=1).records[0]
        assert observed.partition_key == "sgd"
        runs = clock.pass_time(seconds=61)
        assert [(run.job_name, run.tags["ganforge/optimizers"]) for run in runs] == [
            ("mnist_mlp_retraining", "sgd,adam"),
            ("mnist_dcgan_retraining", "adam"),
        ]
        assert clock.pass_time(seconds=61) == []
