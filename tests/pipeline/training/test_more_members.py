"""Members accumulate: a training with more members keeps those that are there, byte for byte, and trains the rest."""

import logging
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.paths import Paths
from pipeline.training import sweep
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.identity import former_checkpoint_identity_of
from pipeline.training.partition import Partition
from pipeline.training.records.history import Measured
from pipeline.training.train import train
from tests.pipeline.training.conftest import settings
from tests.pipeline.training.test_resume import expect_equal

STEPS = 10


def wanted(members: int, optimizer: str = "adam", *, steps: int = STEPS, **changes: Any) -> TrainingSettings:
    """A training with an average, and history intervals that its end does not meet."""
    changed = {"history_interval_steps": 4, "snapshot_interval_steps": 3, "ema_decay": 0.9, **changes}
    return replace(settings(optimizer, steps=steps, members=members), **changed)


@pytest.fixture
def straight(tensors: Artefact, tmp_path: Path) -> Paths:
    """A data folder for trainings of all members at once."""
    paths = Paths(tmp_path / "straight")
    shutil.copytree(tensors.folder, paths.tensors("mnist"))
    return paths


def weights(artefact: Artefact) -> dict[str, np.ndarray]:
    return {
        f"{file} {name}": value
        for file in ("generator", "discriminator", "generator_average")
        for name, value in load_file(artefact.path(f"{file}.safetensors")).items()
    }


def test_three_members_then_five_equal_five_trained_at_once(tensors: Artefact, paths: Paths, straight: Paths) -> None:
    three = train([wanted(3)], tensors, paths)["adam"]
    before = weights(three)
    five = train([wanted(5)], tensors, paths)["adam"]
    assert (five.details["trained_together"], five.details["members"], five.cached) == (2, 5, False)
    assert five.details["seconds"] >= three.details["seconds"]
    for name, value in weights(five).items():
        assert np.array_equal(value[:3], before[name])
    at_once = train([wanted(5)], tensors, straight)["adam"]
    expect_equal(five, at_once)
    assert five.fingerprint == at_once.fingerprint


def test_training_again_by_force_loses_no_member(tensors: Artefact, paths: Paths) -> None:
    before = train([wanted(3)], tensors, paths)["adam"]
    again = train([wanted(1)], tensors, paths, force=True)["adam"]
    assert (again.details["members"], again.details["trained_together"]) == (3, 3)
    expect_equal(before, again)


def test_fewer_members_than_there_are_train_nothing(
    tensors: Artefact, paths: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    three = train([wanted(3)], tensors, paths)["adam"]
    caplog.set_level(logging.INFO, "pipeline")
    again = train([wanted(2)], tensors, paths)["adam"]
    assert (again.cached, again.fingerprint) == (True, three.fingerprint)
    assert "adam: unchanged, not trained again: 3 members are there, 2 requested" in caplog.text


def test_partitions_that_lack_two_members_all_or_none_train_in_one_loop(
    tensors: Artefact, paths: Paths, straight: Paths, caplog: pytest.LogCaptureFixture
) -> None:
    train([wanted(1, "adam"), wanted(3, "sgd")], tensors, paths)
    caplog.set_level(logging.INFO, "pipeline")
    keys = ("adam", "rmsprop", "sgd")
    trained = train([wanted(3, key) for key in keys], tensors, paths)
    assert "training adam, rmsprop: 5 members as one model" in caplog.text
    assert "mnist_mlp adam: keeps member 0, trains members 1 to 2" in caplog.text
    assert {key: artefact.cached for key, artefact in trained.items()} == {"adam": False, "rmsprop": False, "sgd": True}
    for key, at_once in train([wanted(3, key) for key in keys], tensors, straight).items():
        expect_equal(trained[key], at_once)


class Cancelled(BaseException):
    """An interruption that is not an Exception, like Dagster's."""


def interrupt(tensors: Artefact, paths: Paths, members: int, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train until the step `at`, where a signal ends the run."""
    step = Ensemble.step

    def cancelled(self: Ensemble, current: int, **options: Any) -> Any:
        if current == at:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, current, **options)

    def cancel(_number: int, _frame: object) -> None:
        raise Cancelled

    before = signal.signal(signal.SIGINT, cancel)
    with monkeypatch.context() as patch, pytest.raises(Cancelled):
        patch.setattr(Ensemble, "step", cancelled)
        train([wanted(members)], tensors, paths, checkpoint_interval_steps=1000)
    signal.signal(signal.SIGINT, before)


def test_missing_members_that_were_interrupted_twice_end_where_five_trained_at_once_end(
    tensors: Artefact, paths: Paths, straight: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    three = train([wanted(3)], tensors, paths)["adam"]
    interrupt(tensors, paths, 5, at=4, monkeypatch=monkeypatch)
    interrupt(tensors, paths, 5, at=7, monkeypatch=monkeypatch)
    assert Partition(wanted(5), tensors, paths, three).checkpoints.steps(STEPS) == [5, 8]
    assert train([wanted(3)], tensors, paths)["adam"].cached  # the three are there until the five are
    five = train([wanted(5)], tensors, paths)["adam"]
    assert five.details["resumed_at_step"] == 8
    expect_equal(five, train([wanted(5)], tensors, straight)["adam"])


@pytest.mark.parametrize("place", ["publication.replace_training", "checkpoint.Checkpoints.remove"])
def test_a_process_that_ends_while_it_publishes_added_members_loses_nothing(
    tensors: Artefact, paths: Paths, straight: Paths, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def ended(*_: object, **__: object) -> None:
        raise Cancelled

    train([wanted(1)], tensors, paths)
    with monkeypatch.context() as patch, pytest.raises(Cancelled):
        patch.setattr(f"pipeline.training.{place}", ended)
        train([wanted(2)], tensors, paths)
    both = train([wanted(2)], tensors, paths)["adam"]
    assert both.cached == (place == "checkpoint.Checkpoints.remove")
    longer = train([wanted(2, steps=13)], tensors, paths)["adam"]
    assert longer.details["resumed_at_step"] == STEPS
    expect_equal(longer, train([wanted(2, steps=13)], tensors, straight)["adam"])


def test_a_longer_training_continues_with_members_that_were_added(
    tensors: Artefact, paths: Paths, straight: Paths
) -> None:
    for members in (2, 3, 4):
        train([wanted(members)], tensors, paths)
    longer = train([wanted(4, steps=17)], tensors, paths)["adam"]
    assert longer.details["resumed_at_step"] == STEPS
    expect_equal(longer, train([wanted(4, steps=17)], tensors, straight)["adam"])


def test_a_longer_training_starts_anew_if_the_kept_members_have_no_checkpoint(
    tensors: Artefact, paths: Paths, straight: Paths
) -> None:
    train([wanted(1)], tensors, paths)
    shutil.rmtree(paths.training("mnist_mlp", "adam") / "checkpoints")
    train([wanted(2)], tensors, paths)
    longer = train([wanted(2, steps=17)], tensors, paths)["adam"]
    assert longer.details["resumed_at_step"] == 0
    expect_equal(longer, train([wanted(2, steps=17)], tensors, straight)["adam"])


@pytest.mark.parametrize("diverging", [{0, 1}, {2, 3}, {1, 2}])
def test_members_that_diverged_stay_frozen_beside_those_that_are_added(
    tensors: Artefact, paths: Paths, straight: Paths, monkeypatch: pytest.MonkeyPatch, diverging: set[int]
) -> None:
    monkeypatch.setattr(sweep.Sweep, "_divergences", divergences_of(diverging))
    short: dict[str, Any] = {"ema_decay": None, "history_interval_steps": 2}
    train([wanted(2, **short)], tensors, paths)
    four = train([wanted(4, **short)], tensors, paths)["adam"]
    assert four.details["diverged_members"] == sorted(diverging)
    expect_same(four, train([wanted(4, **short)], tensors, straight)["adam"])
    longer = train([wanted(4, steps=13, **short)], tensors, paths)["adam"]
    # A run in which all members diverged ends without a checkpoint of its last step.
    assert longer.details["resumed_at_step"] == (STEPS if diverging == {1, 2} else 0)
    expect_same(longer, train([wanted(4, steps=13, **short)], tensors, straight)["adam"])


def divergences_of(diverging: set[int]) -> Any:
    def divergences(_: sweep.Sweep, ensemble: Ensemble, __: list[Measured]) -> dict[int, str]:
        return {number: "test" for number, member in enumerate(ensemble.members) if member.index in diverging}

    return divergences


def expect_same(one: Artefact, other: Artefact) -> None:
    assert one.details["divergences"] == other.details["divergences"]
    names = [name for name in other.files if name.endswith((".safetensors", ".png", ".gif", ".arrow"))]
    for name in names:
        assert one.path(name).read_bytes() == other.path(name).read_bytes(), name


def test_force_trains_all_members_again(tensors: Artefact, paths: Paths) -> None:
    train([wanted(1)], tensors, paths)
    both = train([wanted(2)], tensors, paths, force=True)["adam"]
    assert (both.details["trained_together"], both.details["resumed_at_step"]) == (2, 0)


def test_a_damaged_training_keeps_no_members(tensors: Artefact, paths: Paths) -> None:
    one = train([wanted(1)], tensors, paths)["adam"]
    one.path("discriminator.safetensors").write_bytes(b"damaged")
    assert train([wanted(2)], tensors, paths)["adam"].details["trained_together"] == 2


def test_another_seed_keeps_no_members(tensors: Artefact, paths: Paths) -> None:
    train([wanted(1)], tensors, paths)
    assert train([wanted(2, seed=1)], tensors, paths)["adam"].details["trained_together"] == 2


def test_a_run_that_an_older_version_interrupted_continues(
    tensors: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt(tensors, paths, 2, at=4, monkeypatch=monkeypatch)
    partition = Partition(wanted(2), tensors, paths)
    former = former_checkpoint_identity_of(partition.identity).fingerprint[:16]
    partition.checkpoints.folder.rename(partition.checkpoints.all / former)
    assert train([wanted(2)], tensors, paths)["adam"].details["resumed_at_step"] == 5
