"""Training that was killed, interrupted or given a longer budget ends exactly where unbroken training ends."""

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.optimizer_kinds import SGD
from pipeline.settings import TrainingSettings, load_optimizers
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import PROJECT, Paths
from pipeline.storage.verification import sha256_of_file
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.partition import Partition
from pipeline.training.records.history import read_history_rows
from pipeline.training.train import train
from tests.pipeline.training.conftest import settings

PROGRAM = Path(__file__).with_name("train_and_die.py")
STEPS = 40


def wanted(steps: int = STEPS, **changes: Any) -> list[TrainingSettings]:
    """A sweep of two kinds of optimizer, with an average, noise and history intervals that checkpoints do not meet."""
    changed = {"history_interval_steps": 7, "snapshot_interval_steps": 15, "ema_decay": 0.9, **changes}
    resolved = [settings(key, steps=steps) for key in ("rmsprop", "adam")]
    return [
        replace(configuration, objective=replace(configuration.objective, instance_noise=0.1), **changed)
        for configuration in resolved
    ]


def hashes(artefact: Artefact) -> dict[str, str]:
    """Return the sha256 of all files with reproducible bytes; event files hold clock times."""
    names = [name for name in artefact.files if name.endswith((".safetensors", ".png", ".gif", ".arrow"))]
    assert any(name.startswith("evaluations/") for name in names) == (not artefact.details["divergences"])
    return {name: sha256_of_file(artefact.path(name)) for name in names}


def measured(artefact: Artefact) -> list[list[float]]:
    """The history without the clock."""
    rows = read_history_rows(artefact.path("history.parquet"))
    return [[float(value) for name, value in vars(row).items() if name != "elapsed_seconds"] for row in rows]


def expect_equal(one: Artefact, other: Artefact) -> None:
    assert hashes(one) == hashes(other)
    np.testing.assert_allclose(measured(one), measured(other), rtol=1e-9)


@contextmanager
def elsewhere(tensors: Artefact, folder: Path) -> Iterator[Paths]:
    """A data folder of its own, with the same tensors."""
    paths = Paths(folder)
    shutil.copytree(tensors.folder, paths.tensors("mnist"))
    yield paths


def train_and_die(tensors: Artefact, folder: Path, times: Sequence[int | str]) -> dict[str, Artefact]:
    with elsewhere(tensors, folder / "killed") as paths:
        (folder / "settings.json").write_text(json.dumps([configuration.to_json() for configuration in wanted()]))
        (folder / "times.json").write_text(json.dumps(times))
        command = [sys.executable, str(PROGRAM), str(folder / "settings.json"), str(folder / "times.json")]
        environment = {**os.environ, "GANFORGE_DATA": str(paths.root), "PYTHONPATH": str(PROJECT)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"killed at {times}: {done.stdout}{done.stderr}"
        trained = train(wanted(), tensors, paths)
        assert all(artefact.cached for artefact in trained.values())
        return trained


def expect_kills_to_change_nothing(tensors: Artefact, paths: Paths, folder: Path, kills: int) -> None:
    times = sorted(random.sample(range(STEPS), kills))
    killed = train_and_die(tensors, folder, ["save", "snapshot", *times, "evaluation", "publish", "published"])
    assert not [path for artefact in killed.values() for path in artefact.folder.rglob(".*.partial")]
    unbroken = train(wanted(), tensors, paths)
    for key in unbroken:
        assert killed[key].details["resumed_at_step"] == STEPS  # by the process that only had to publish
        assert hashes(killed[key]) == hashes(unbroken[key]), f"killed at {times}"
        expect_equal(killed[key], unbroken[key])


def test_training_killed_in_five_random_steps_and_while_writing_ends_with_the_same_hashes(
    tensors: Artefact, paths: Paths, tmp_path: Path
) -> None:
    expect_kills_to_change_nothing(tensors, paths, tmp_path, kills=5)


def test_killed_between_the_checkpoints_of_two_partitions_training_ends_with_the_same_hashes(
    tensors: Artefact, paths: Paths, tmp_path: Path
) -> None:
    """They then continue from different steps, one after another."""
    killed = train_and_die(tensors, tmp_path, ["saved"])
    assert [killed[key].details["resumed_at_step"] for key in ("rmsprop", "adam")] == [5, 0]
    for key, unbroken in train(wanted(), tensors, paths).items():
        expect_equal(killed[key], unbroken)


@pytest.mark.slow
def test_killed_inside_twenty_random_steps_training_ends_with_the_same_hashes(
    tensors: Artefact, paths: Paths, tmp_path: Path
) -> None:
    expect_kills_to_change_nothing(tensors, paths, tmp_path, kills=20)


@pytest.fixture(params=[8, 2])
def in_stacks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The four members in one stack, and in two that train in turn."""
    monkeypatch.setattr("pipeline.training.engine.ensemble.DENSE_STACK", request.param)


@pytest.mark.usefixtures("in_stacks")
def test_a_longer_budget_continues_and_ends_where_one_run_of_that_length_ends(
    tensors: Artefact, paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pipeline")
    train(wanted(STEPS // 2), tensors, paths)
    longer = train(wanted(), tensors, paths)
    assert f"from step {STEPS // 2}" in caplog.text
    with elsewhere(tensors, tmp_path / "unbroken") as other:
        for key, unbroken in train(wanted(), tensors, other).items():
            assert longer[key].details["resumed_at_step"] == STEPS // 2
            expect_equal(longer[key], unbroken)


def test_a_shorter_budget_than_the_checkpoints_starts_anew(tensors: Artefact, paths: Paths) -> None:
    train(wanted(), tensors, paths)
    shorter = train(wanted(STEPS // 2), tensors, paths)["adam"]
    assert shorter.details["resumed_at_step"] == 0
    assert f"snapshots/step_{STEPS:06d}.png" not in shorter.files


class Cancelled(BaseException):
    """An interruption that is not an Exception, like Dagster's."""


@pytest.fixture
def cancelled_by_sigint() -> Iterator[None]:
    def cancel(_number: int, _frame: object) -> None:
        raise Cancelled

    before = signal.signal(signal.SIGINT, cancel)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("cancelled_by_sigint")
def test_a_cancelled_run_saves_its_current_step_and_continues_from_there(
    tensors: Artefact, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Ensemble.step

    def cancelled(self: Ensemble, at: int, **options: Any) -> Any:
        if at == 17:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, at, **options)

    monkeypatch.setattr(Ensemble, "step", cancelled)
    with pytest.raises(Cancelled):
        train(wanted(), tensors, paths, checkpoint_interval_steps=1000)
    assert Partition(wanted()[0], tensors, paths).checkpoints.steps(STEPS) == [18]
    monkeypatch.setattr(Ensemble, "step", step)
    resumed = train(wanted(), tensors, paths)
    with elsewhere(tensors, tmp_path / "unbroken") as other:
        for key, unbroken in train(wanted(), tensors, other).items():
            assert resumed[key].details["resumed_at_step"] == 18
            expect_equal(resumed[key], unbroken)


@pytest.mark.usefixtures("in_stacks")
def test_a_member_that_diverges_after_a_resumption_falls_back_to_the_same_weights(
    tensors: Artefact, paths: Paths, tmp_path: Path
) -> None:
    """It diverges in the interval that the resumption cuts in two: its last sound weights are older than that."""
    rate = SGD(50.0, momentum=0.9)
    wild = replace(load_optimizers()["sgd"], key="wild", generator=rate, discriminator=rate)

    def sweep(steps: int) -> list[TrainingSettings]:
        return [replace(settings(key, steps=steps), history_interval_steps=8) for key in (wild, "adam")]

    train(sweep(4), tensors, paths)
    resumed = train(sweep(20), tensors, paths)
    with elsewhere(tensors, tmp_path / "unbroken") as other:
        unbroken = train(sweep(20), tensors, other)
    assert unbroken["wild"].details["divergences"]
    for key in unbroken:
        assert resumed[key].details["divergences"] == unbroken[key].details["divergences"]
        expect_equal(resumed[key], unbroken[key])


def test_a_partition_with_only_frozen_members_does_not_prevent_a_longer_budget_of_the_rest(
    tensors: Artefact, paths: Paths, tmp_path: Path
) -> None:
    rate = replace(load_optimizers()["sgd"].generator, learning_rate=1e30)
    wild = replace(load_optimizers()["sgd"], key="wild", generator=rate, discriminator=rate)

    def sweep(steps: int) -> list[TrainingSettings]:
        return [replace(settings(key, steps=steps), history_interval_steps=4) for key in (wild, "adam")]

    train(sweep(10), tensors, paths)
    resumed = train(sweep(20), tensors, paths)
    assert resumed["wild"].details["diverged_members"] == [0, 1]
    assert resumed["adam"].details["resumed_at_step"] == 10
    with elsewhere(tensors, tmp_path / "unbroken") as other:
        for key, unbroken in train(sweep(20), tensors, other).items():
            expect_equal(resumed[key], unbroken)


def test_a_budget_that_was_exceeded_and_is_requested_again_has_its_whole_history(
    tensors: Artefact, paths: Paths
) -> None:
    shorter, longer = (replace(settings("adam", steps=steps), history_interval_steps=8) for steps in (6, 9))
    first = measured(train([shorter], tensors, paths)["adam"])
    train([longer], tensors, paths, earlier_trainings=0)
    again = train([shorter], tensors, paths)["adam"]
    assert again.details["resumed_at_step"] == 6
    np.testing.assert_allclose(measured(again), first)


def test_changed_settings_do_not_continue_from_checkpoints_of_other_settings(tensors: Artefact, paths: Paths) -> None:
    train([settings("adam", steps=6)], tensors, paths)
    assert train([settings("adam", steps=9, seed=1)], tensors, paths)["adam"].details["resumed_at_step"] == 0


def test_force_starts_from_step_0(tensors: Artefact, paths: Paths) -> None:
    train([settings("adam", steps=6)], tensors, paths)
    again = train([settings("adam", steps=6)], tensors, paths, force=True)["adam"]
    assert (again.cached, again.details["resumed_at_step"]) == (False, 0)


def test_the_last_two_checkpoints_are_kept(tensors: Artefact, paths: Paths) -> None:
    train([settings("adam", steps=11)], tensors, paths, checkpoint_interval_steps=3)
    kept = Partition(settings("adam", steps=11), tensors, paths).checkpoints
    assert kept.steps(at_most=100) == [9, 11]


def test_a_damaged_checkpoint_is_skipped_and_logged(
    tensors: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    train([settings("adam", steps=11)], tensors, paths, checkpoint_interval_steps=3)
    checkpoints = Partition(settings("adam"), tensors, paths).checkpoints
    state = checkpoints.folder / "step_00000011" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-1] + b"?")
    longer = train([settings("adam", steps=15)], tensors, paths)["adam"]
    assert longer.details["resumed_at_step"] == 9
    assert "step_00000011: damaged (state.safetensors differs from the file that was written), skipped" in caplog.text


def test_partitions_at_different_steps_train_in_turn_and_the_log_names_the_reason(
    tensors: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    train([settings("adam", steps=6)], tensors, paths)
    caplog.set_level(logging.INFO, "pipeline")
    trained = train([settings(key, steps=12) for key in ("adam", "sgd")], tensors, paths)
    assert {key: artefact.details["resumed_at_step"] for key, artefact in trained.items()} == {"adam": 6, "sgd": 0}
    assert "since they continue from different steps (adam: step 6; sgd: step 0)" in caplog.text


def test_two_processes_do_not_train_the_same_settings_at_once(tensors: Artefact, paths: Paths) -> None:
    partition = Partition(settings("adam"), tensors, paths)
    with (
        partition.checkpoints.locked(),
        pytest.raises(OSError, match="another process is training the same settings there; wait for it or stop it"),
    ):
        train([settings("adam")], tensors, paths)
    with partition.checkpoints.locked(), pytest.raises(OSError, match="another process"):
        train([settings("adam")], tensors, paths, force=True)


def test_half_written_files_of_a_killed_process_are_removed(tensors: Artefact, paths: Paths) -> None:
    partition = Partition(settings("adam"), tensors, paths)
    half, abandoned = partition.checkpoints.folder / ".step_1.x.partial", partition.folder.parent / ".adam.x.partial"
    for folder in (half, abandoned):
        folder.mkdir(parents=True)
    os.utime(abandoned, (0, 0))
    picture = partition.checkpoints.folder / "snapshots" / ".step_000000.png.1.partial"
    within = half / ".state.json.1.partial"
    for folder in (picture, within):
        folder.parent.mkdir(exist_ok=True)
        folder.write_bytes(b"half")
    train([settings("adam")], tensors, paths)
    assert not any(path.exists() for path in (half, abandoned, picture))


def test_the_same_configuration_twice_is_one_sentence(tensors: Artefact, paths: Paths) -> None:
    with pytest.raises(ValueError, match="found adam more than once, expected each once"):
        train([settings("adam"), settings("adam")], tensors, paths)


def test_settings_that_cannot_be_trained_are_refused_before_any_training(tensors: Artefact, paths: Paths) -> None:
    large = settings(replace(load_optimizers()["sgd"], batch_size=512))
    with pytest.raises(ValueError, match="mnist_mlp sgd: found 300 training images, expected at least batch_size=512"):
        train([settings("adam"), large], tensors, paths)
    assert not paths.training("mnist_mlp", "adam").exists()


def test_checkpoints_are_no_part_of_the_artefact(tensors: Artefact, paths: Paths) -> None:
    artefact = train([settings("adam")], tensors, paths)["adam"]
    assert not any(name.startswith("checkpoints") for name in artefact.files)
    assert train([settings("adam")], tensors, paths)["adam"].cached
