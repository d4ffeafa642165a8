import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.networks import network_for
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.losses import LOSS_FUNCTIONS
from pipeline.training.engine.member import Member
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.records.history import (
    BLOCK_STEPS,
    HeldOutLosses,
    HistoryRow,
    IntervalMeans,
    Measured,
    history_row,
    last_interval,
    read_history_rows,
    step_means,
    write_history,
)
from pipeline.training.replay.step import StepOutputs
from tests.pipeline.training.conftest import settings

DIGITS = (1, 28, 28)

STEPS = 2 * BLOCK_STEPS + 22
BATCH = 64  # whole vectors of any CPU: sums then do not depend on where blocks end, to the bit
LABELS = (0.9, 0.7)


@pytest.fixture(scope="module")
def ensemble() -> Ensemble:
    """Two members with labels of their own."""
    of_recipe = settings("adam")
    members = [
        Member(replace(of_recipe, objective=replace(of_recipe.objective, real_label=label)), index)
        for index, label in enumerate(LABELS)
    ]
    pixels = torch.zeros(64, 1, 28, 28, dtype=torch.uint8)
    return Ensemble(members, network_for("mlp", DIGITS), TrainingImages(pixels, torch.device("cpu")))


def outputs(step: int) -> StepOutputs:
    """Return possible outputs of a step."""
    stream = torch.Generator().manual_seed(step)
    logits, penalty = 3 * torch.randn(2, 3 * BATCH, generator=stream), torch.rand(2, generator=stream)
    norms = torch.tensor([[1.0, 2.0], [3.0, 4.0]]) * step if step == STEPS - 1 else None
    return StepOutputs(logits, penalty, norms)


def add(interval: IntervalMeans, start: int, stop: int) -> None:
    for step in range(start, stop):
        interval.add(outputs(step))


def expected_of(member: int) -> Measured:
    """Plain means over all steps and images, by the textbook's formulas in double precision."""
    steps = [outputs(step) for step in range(STEPS)]
    real, generated, judged = (
        torch.stack([output.logits[member] for output in steps]).double().sigmoid().chunk(3, dim=1)
    )
    label = LABELS[member]
    means = (
        -(label * real.log() + (1 - label) * (1 - real).log()),
        -(1 - generated).log(),
        -judged.log(),
        torch.cat([real > 0.5, generated <= 0.5]).double(),
        (generated > 0.5).double(),
        real,
        generated,
        torch.stack([output.penalty[member] for output in steps if output.penalty is not None]).double(),
    )
    last: Tensor | None = steps[-1].gradient_norms
    assert last is not None
    return Measured(*(mean.mean().item() for mean in means), *last[:, member].tolist())


def values(measured: Measured) -> list[float]:
    return list(vars(measured).values())


def test_the_means_of_a_step_are_those_worked_by_hand() -> None:
    nine = math.log(9)  # σ(log 9) = 0.9
    logits = torch.tensor([[nine, 0.0, nine], [0.0, -nine, nine], [nine, nine, -nine]]).view(1, 1, 9)
    means = step_means(logits, 3, LOSS_FUNCTIONS["non_saturating"], torch.tensor([[1.0]]))
    assert all(value.shape == (1, 1) for value in means)
    expected = [
        (-2 * math.log(0.9) - math.log(0.5)) / 3,
        (-math.log(0.5) - math.log(0.9) - math.log(0.1)) / 3,
        (-2 * math.log(0.9) - math.log(0.1)) / 3,
        4 / 6,  # undecided counts as generated
        1 / 3,
        (0.9 + 0.5 + 0.9) / 3,
        (0.5 + 0.1 + 0.9) / 3,
    ]
    assert [value.item() for value in means] == pytest.approx(expected, rel=1e-6)


def test_an_intervals_measures_are_plain_means_over_its_steps_and_the_norms_of_the_last(ensemble: Ensemble) -> None:
    interval = IntervalMeans(ensemble)
    add(interval, 0, STEPS)
    for member, measured in enumerate(interval.measure()):
        assert values(measured) == pytest.approx(values(expected_of(member)), rel=1e-5)


def test_measuring_on_the_way_changes_nothing(ensemble: Ensemble) -> None:
    watched, unwatched = IntervalMeans(ensemble), IntervalMeans(ensemble)
    add(watched, 0, 70)
    assert math.isnan(watched.measure()[0].generator_gradient_norm)
    add(watched, 70, STEPS)
    add(unwatched, 0, STEPS)
    assert watched.measure() == unwatched.measure()


def test_an_interval_begins_anew(ensemble: Ensemble) -> None:
    again, fresh = IntervalMeans(ensemble), IntervalMeans(ensemble)
    add(again, 0, 70)
    again.restart()
    with pytest.raises(RuntimeError, match="no step was added"):
        again.measure()
    add(again, 70, STEPS)
    add(fresh, 70, STEPS)
    assert again.measure() == fresh.measure()


@pytest.mark.parametrize("steps_before", [10, BLOCK_STEPS, 100])
def test_an_interrupted_and_resumed_interval_measures_the_same_as_an_unbroken_one(
    ensemble: Ensemble, steps_before: int
) -> None:
    unbroken, before, after = (IntervalMeans(ensemble) for _ in range(3))
    add(unbroken, 0, STEPS)
    add(before, 0, steps_before)
    for rows in (slice(0, 1), slice(1, 2)):  # as two partitions keep them
        after.load(rows, {name: value.clone() for name, value in before.state(rows).items()})
    add(after, steps_before, STEPS)
    assert after.measure() == unbroken.measure()


# ---------------------------------------------------------------------------------------------------------------------
# Evaluation


def test_the_evaluation_judges_with_unsmoothed_labels(ensemble: Ensemble) -> None:
    for name, value in (("hidden.weight", 0.0), ("hidden.bias", 0.0), ("output.bias", 1.0)):  # every logit is 1
        ensemble.stacks[0].networks.discriminator.get_parameter(name).data.fill_(value)
    held_out = torch.zeros(20, 1, 28, 28, dtype=torch.uint8)
    p = 1 / (1 + math.exp(-1))
    for discriminator, generator in HeldOutLosses(held_out, 16).at(ensemble, 0):
        assert discriminator == pytest.approx(-math.log(p) - math.log(1 - p), rel=1e-6)
        assert generator == pytest.approx(-math.log(p), rel=1e-6)


def test_an_evaluation_needs_images_enough() -> None:
    with pytest.raises(ValueError, match="found 3 held-out images, expected at least evaluation_images=16"):
        HeldOutLosses(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), 16)


# ---------------------------------------------------------------------------------------------------------------------
# Rows


def row(step: int, member: int, generator_loss: float, *, diverged: bool = False) -> HistoryRow:
    measured = Measured(0.5, 0.25, generator_loss, 0.75, 0.125, 0.625, 0.375, 0.0, 2.0, 3.0)
    return history_row(Member(settings("adam"), member), measured, (1.5, 0.75), step, 1.23456, diverged=diverged)


def test_images_seen_count_every_round_of_the_discriminator() -> None:
    of_recipe = settings("adam")
    five_rounds = replace(of_recipe, objective=replace(of_recipe.objective, n_critic=5))
    measured = Measured(*[0.0] * 10)
    row = history_row(Member(five_rounds, 1), measured, (0.0, 0.0), 100, 0.0, diverged=False)
    assert (row.step, row.member, row.images_seen) == (100, 1, 100 * 5 * 64)


def test_rows_survive_the_file_nan_and_divergence_included(tmp_path: Path) -> None:
    rows = [row(100, 0, 1.0), row(100, 1, math.nan, diverged=True), row(200, 0, math.inf)]
    write_history(tmp_path / "history.parquet", rows)
    read = read_history_rows(tmp_path / "history.parquet")
    assert [repr(row) for row in read] == [repr(row) for row in rows]  # NaN does not equal itself
    assert [row.diverged for row in read] == [False, True, False]


def test_a_history_without_rows_survives_too(tmp_path: Path) -> None:
    write_history(tmp_path / "history.parquet", [])
    assert read_history_rows(tmp_path / "history.parquet") == []


def test_the_last_interval_is_averaged_over_the_members_that_reached_it(tmp_path: Path) -> None:
    rows = [row(100, 0, 9.0), row(100, 1, 9.0), row(100, 2, 9.0, diverged=True), row(200, 0, 1.0), row(200, 1, 2.0)]
    write_history(tmp_path / "history.parquet", rows)
    last_row = last_interval(tmp_path / "history.parquet")
    assert (last_row["generator_loss"], last_row["evaluation_generator_loss"]) == (1.5, 0.75)
    assert not {"step", "member", "diverged", "elapsed_seconds"} & set(last_row)


def test_the_last_interval_of_a_member_with_nan_is_nan(tmp_path: Path) -> None:
    write_history(tmp_path / "history.parquet", [row(100, 0, 1.0), row(100, 1, math.nan, diverged=True)])
    assert math.isnan(last_interval(tmp_path / "history.parquet")["generator_loss"])
