"""Images kept along training: their steps, their content, and that a longer budget finds them."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.networks import network_for
from pipeline.pixels import to_pixels
from pipeline.settings import TrainingSettings
from pipeline.storage.artefact import Artefact
from pipeline.storage.identity import Identity
from pipeline.storage.images import Pixels, read_images
from pipeline.storage.paths import Paths
from pipeline.storage.pictures import GAP_PIXELS
from pipeline.training import CODE_VERSION, sweep
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.member import Member
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.identity import checkpoint_identity, training_identity
from pipeline.training.partition import Partition
from pipeline.training.records import scored_images as evaluations
from pipeline.training.records import snapshots
from pipeline.training.records.history import Measured
from pipeline.training.records.scored_images import (
    evaluation_files,
    files_by_step,
    generate_evaluations,
    is_kept,
    scored_latents,
    stride,
    write_evaluation,
)
from pipeline.training.train import train
from pipeline.training.trained import load_generator
from tests.pipeline.training.conftest import settings
from tests.pipeline.training.test_resume import elsewhere, expect_equal
from tests.pipeline.training.test_train import diverging

IMAGES = 30
INTERVAL = 2
CPU = torch.device("cpu")
MLP = network_for("mlp", (1, 28, 28))
BLACK = TrainingImages(torch.zeros(64, 1, 28, 28, dtype=torch.uint8), CPU)


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluations, "EVALUATION_IMAGES", IMAGES)
    monkeypatch.setattr(evaluations, "BATCH_IMAGES", 8)  # the last batch is smaller


def wanted(steps: int, optimizer: str = "adam") -> TrainingSettings:
    return replace(settings(optimizer, steps=steps), snapshot_interval_steps=INTERVAL)


def ensemble(*members: Member) -> Ensemble:
    return Ensemble(members, MLP, BLACK)


def kept(budget: int, interval: int = 500) -> set[int]:
    return {step for step in range(budget + 1) if is_kept(step, interval, budget)}


def test_all_of_eight_intervals_are_kept_and_every_second_of_nine() -> None:
    assert [stride(intervals) for intervals in (0, 1, 8, 9, 16, 17, 64, 65)] == [1, 1, 1, 2, 2, 4, 8, 16]
    assert kept(4000) == set(range(500, 4001, 500))
    assert kept(4500) == {1000, 2000, 3000, 4000}
    assert kept(499) == set()


def test_at_most_eight_steps_and_the_last_are_kept_for_any_budget() -> None:
    assert max(len(kept(budget, interval=1)) for budget in range(1, 300)) == 8


def test_a_shorter_budget_keeps_the_steps_that_a_longer_one_keeps_before_its_end() -> None:
    for budget in range(1, 70):
        for longer in (budget + 1, 2 * budget, 3 * budget + 1):
            assert {step for step in kept(longer, interval=1) if step <= budget} <= kept(budget, interval=1)


def test_a_training_keeps_images_of_every_member_at_its_intervals_and_at_its_end(
    tensors: Artefact, paths: Paths
) -> None:
    artefact = train([wanted(19)], tensors, paths)["adam"]  # 9 intervals
    files = evaluation_files(artefact)
    assert list(files) == [4, 8, 12, 16, 19]
    assert all(str(path.relative_to(artefact.folder)) in artefact.files for path in files.values())
    images = read_images(files[8])
    assert images.pixels.shape == (2 * IMAGES, 1, 28, 28)
    assert images.pixels.dtype == np.uint8
    assert images.columns["member"].tolist() == [0] * IMAGES + [1] * IMAGES
    assert images.metadata == {"step": "8"}
    assert not np.array_equal(images.pixels, read_images(files[12]).pixels)


def test_the_last_images_are_those_of_the_published_generator_from_the_fixed_latents(
    tensors: Artefact, paths: Paths
) -> None:
    with_images = wanted(3)
    artefact = train([with_images], tensors, paths)["adam"]
    members = [Member(with_images, 0), Member(with_images, 1)]
    with torch.no_grad():
        drawn = load_generator(artefact, CPU)(scored_latents(members, MLP))
    images = read_images(evaluation_files(artefact)[3])
    assert np.abs(images.pixels.astype(int) - to_pixels(drawn).flatten(0, 1).numpy()).max() <= 1  # rounding of batches


def test_where_an_average_is_kept_it_draws_the_images_and_the_snapshots(tensors: Artefact, paths: Paths) -> None:
    own = replace(wanted(4), ema_decay=0.8)
    artefact = train([own], tensors, paths)["adam"]
    members = [Member(own, 0), Member(own, 1)]
    latents = {
        "evaluations": scored_latents(members, MLP),
        "snapshots": snapshots.snapshot_latents(members, MLP),
    }
    shown = {
        "evaluations": read_images(evaluation_files(artefact)[4]).pixels.reshape(2, IMAGES, 28, 28),
        "snapshots": tiles(artefact.path(f"snapshots/{snapshots.snapshot_name(4)}")),
    }
    for name, pixels in shown.items():
        off = {}
        for weights in ("raw", "average"):
            with torch.no_grad():
                drawn = to_pixels(load_generator(artefact, CPU, weights)(latents[name])).squeeze(2).numpy()
            off[weights] = np.abs(pixels.astype(int) - drawn).max()
        assert off["average"] <= 1, name  # rounding of batches
        assert off["raw"] > 1, name
    assert artefact.details["weights_along_training"] == "average"


def tiles(path: Path) -> np.ndarray:
    """Cut a snapshot into its images, (M, 16, 28, 28)."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("L"))[:: snapshots.SCALE, :: snapshots.SCALE]
    rows = [pixels[member * (28 + GAP_PIXELS) :][:28] for member in range(2)]
    return np.stack([[row[:, column * (28 + GAP_PIXELS) :][:, :28] for column in range(16)] for row in rows])


def test_a_training_without_an_average_keeps_its_fingerprint_its_checkpoints_and_its_details(
    tensors: Artefact, paths: Paths
) -> None:
    three = wanted(3)
    without_budget = {name: value for name, value in three.to_json().items() if name not in ("steps", "members")}
    way = Identity("checkpoint", CODE_VERSION, {"settings": without_budget, "tensors": tensors.fingerprint})
    assert checkpoint_identity(three, tensors) == way
    assert "weights_along_training" not in train([three], tensors, paths)["adam"].details


def test_a_training_with_an_average_does_not_continue_from_checkpoints_with_raw_images(
    tensors: Artefact,
) -> None:
    averaged = replace(wanted(3), ema_decay=0.8)
    without_budget = {name: value for name, value in averaged.to_json().items() if name not in ("steps", "members")}
    before = Identity("checkpoint", CODE_VERSION, {"settings": without_budget, "tensors": tensors.fingerprint})
    assert checkpoint_identity(averaged, tensors).fingerprint != before.fingerprint
    identity = Identity("training", CODE_VERSION, {"settings": averaged.to_json(), "tensors": tensors.fingerprint})
    assert training_identity(averaged, tensors).fingerprint == identity.fingerprint  # its weights are what they were


def test_latents_are_the_same_for_every_configuration_and_of_no_other_purpose_or_member() -> None:
    one, other = (ensemble(Member(wanted(4, key), 0), Member(wanted(4, key), 1)) for key in ("adam", "sgd"))
    latents = scored_latents(one.members, MLP)
    assert latents.shape == (2, IMAGES, 100)
    assert torch.equal(latents, scored_latents(other.members, MLP))
    assert torch.equal(latents[1:], scored_latents([Member(wanted(4), 1)], MLP))
    assert not torch.equal(latents[0], latents[1])
    assert not torch.isin(latents[0, 0], one.stacks[0].latents.at(0)).any()


def test_generating_images_does_not_change_the_trained_weights() -> None:
    members = ensemble(Member(replace(wanted(4), network="dcgan", ema_decay=0.9), 0))
    before = {name: value.clone() for name, value in members.state(0).items()}
    list(generate_evaluations(members))
    for name, value in members.state(0).items():
        assert torch.equal(value, before[name]), name
    assert members.stacks[0].networks.generator.training


def test_an_error_while_they_are_drawn_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    def breaking() -> Iterator[tuple[int, Pixels]]:
        yield 0, np.zeros((2, 1, 28, 28), np.uint8)
        raise RuntimeError("the device is lost")

    write_evaluation(tmp_path, 4, [(0, np.ones((2, 1, 28, 28), np.uint8))])
    with pytest.raises(RuntimeError, match="lost"):
        write_evaluation(tmp_path, 4, breaking())
    (left,) = tmp_path.iterdir()
    assert read_images(left).pixels.all()


def test_a_full_disk_is_the_error_that_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="no space left"):
        write_evaluation(tmp_path, 4, [(0, np.ones((2, 1, 28, 28), np.uint8))])


def test_a_member_with_images_that_are_not_finite_is_left_out() -> None:
    members = ensemble(Member(wanted(4), 0), Member(wanted(4), 1))
    with torch.no_grad():
        members.stacks[0].networks.generator_weights[0] = float("nan")
    broken, sound = generate_evaluations(members)
    assert broken is None
    assert sound is not None and sound.shape == (IMAGES, 1, 28, 28)


def test_a_diverged_member_is_left_out_from_then_on(
    tensors: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(measured: Measured, trained: TrainingSettings, *, weights_are_finite: bool) -> str | None:
        judged.calls += 1  # type: ignore[attr-defined]
        return "said so by the test" if judged.calls == 3 else None  # type: ignore[attr-defined]

    judged.calls = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(sweep, "divergence", judged)
    artefact = train([replace(wanted(6), history_interval_steps=2)], tensors, paths)["adam"]
    assert artefact.details["divergences"][0]["step"] == 4
    members = {step: read_images(path).columns["member"] for step, path in evaluation_files(artefact).items()}
    assert {step: sorted(set(numbers.tolist())) for step, numbers in members.items()} == {2: [0, 1], 4: [1], 6: [1]}


def test_no_images_are_kept_where_every_member_diverged_not_even_earlier_ones(tensors: Artefact, paths: Paths) -> None:
    wild = replace(diverging(), snapshot_interval_steps=INTERVAL)
    left = Partition(wild, tensors, paths).evaluations
    left.mkdir(parents=True)
    (left / "step_00000004.arrow").write_bytes(b"of a run that went another way")
    artefact = train([wild, replace(wanted(6), history_interval_steps=2)], tensors, paths)["wild"]
    assert artefact.details["diverged_members"] == [0, 1]
    assert evaluation_files(artefact) == {}


def test_a_longer_budget_keeps_the_same_images_as_one_run_of_that_length(
    tensors: Artefact, paths: Paths, tmp_path: Path
) -> None:
    """Three intervals, all kept, and then nine, of which every second is."""
    train([wanted(7)], tensors, paths)
    resumed = train([wanted(19)], tensors, paths)["adam"]
    assert resumed.details["resumed_at_step"] == 7
    with elsewhere(tensors, tmp_path / "unbroken") as other:
        expect_equal(resumed, train([wanted(19)], tensors, other)["adam"])


def test_a_budget_that_was_exceeded_and_is_requested_again_has_all_its_images(tensors: Artefact, paths: Paths) -> None:
    """Nine intervals keep every second step, eight keep all: those of the shorter budget's checkpoint stay."""
    first = train([wanted(16)], tensors, paths)["adam"].files
    train([wanted(18)], tensors, paths, earlier_trainings=0)
    again = train([wanted(16)], tensors, paths)["adam"]
    assert again.details["resumed_at_step"] == 16
    assert {name: record for name, record in first.items() if name.startswith("evaluations/")} == {
        name: record for name, record in again.files.items() if name.startswith("evaluations/")
    }


class StoppedError(Exception):
    pass


def test_a_shorter_budget_continues_an_interrupted_longer_one_with_all_its_images(
    tensors: Artefact, paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longer budget keeps every fourth of its 17 intervals; the shorter one keeps each of its 8."""
    whole_save = Partition.save

    def save_and_stop(self: Partition, step: int, *rest: Any) -> None:
        whole_save(self, step, *rest)
        if step == 10:
            raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(Partition, "save", save_and_stop)
        with pytest.raises(StoppedError):
            train([wanted(17 * INTERVAL)], tensors, paths, checkpoint_interval_steps=5)
    shorter = train([wanted(8 * INTERVAL)], tensors, paths)["adam"]
    assert shorter.details["resumed_at_step"] == 10
    assert list(evaluation_files(shorter)) == [2, 4, 6, 8, 10, 12, 14, 16]
    with elsewhere(tensors, tmp_path / "unbroken") as other:
        expect_equal(shorter, train([wanted(8 * INTERVAL)], tensors, other)["adam"])


def test_images_that_no_checkpoint_needs_any_more_are_removed(tensors: Artefact, paths: Paths) -> None:
    """33 steps are 16 intervals, of which every second is kept; 31, a checkpoint's place, needs no more of them."""
    train([wanted(7)], tensors, paths)
    folder = Partition(wanted(7), tensors, paths).evaluations
    assert list(files_by_step(folder)) == [2, 4, 6, 7]
    train([wanted(33)], tensors, paths, checkpoint_interval_steps=31)
    assert Partition(wanted(33), tensors, paths).checkpoints.steps(at_most=100) == [31, 33]
    assert list(files_by_step(folder)) == [4, 8, 12, 16, 20, 24, 28, 32, 33]
