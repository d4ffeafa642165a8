"""The lists in docs/operations.md are complete: variables, folders, sensors and times of retention."""

import re
from inspect import signature

from assets.definitions import defs
from assets.triggers.operations import load_operations
from pipeline.storage.paths import PROJECT, Paths

PAGE = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
SOURCES = [path for package in ("pipeline", "assets") for path in (PROJECT / package).rglob("*.py")]


def test_every_variable_that_the_code_reads_is_listed_and_no_other() -> None:
    read = {name for path in SOURCES for name in re.findall(r"\bGANFORGE_[A-Z]+(?:_[A-Z]+)*\b", path.read_text())}
    assert set(re.findall(r"\bGANFORGE_[A-Z]+(?:_[A-Z]+)*\b", PAGE)) == read


def test_every_folder_of_the_data_folder_is_listed() -> None:
    names = [name for name in vars(Paths) if not name.startswith("_") and name != "default"]
    methods = [getattr(Paths(PROJECT), name) for name in names]
    folders = {method(*signature(method).parameters).relative_to(PROJECT).parts[0] for method in methods}
    listed = set(re.findall(r"`(\w+)/`", PAGE.split("| folder |")[1].split("\n\n")[0]))
    assert listed == folders


def test_every_sensor_is_listed_and_is_off() -> None:
    sensors = {sensor.name: sensor for sensor in defs.sensors or ()}
    assert set(re.findall(r"^\| sensor `(\w+)`", PAGE, re.MULTILINE)) == set(sensors)
    assert {sensor.default_status.value for sensor in sensors.values()} == {"STOPPED"}


def test_the_days_that_things_are_kept_are_the_settings() -> None:
    retention = load_operations().retention
    assert f": {retention.checkpoint_days}, {retention.run_days} and {retention.tick_days} days)" in PAGE
