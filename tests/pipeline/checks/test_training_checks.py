import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.checks import discriminator_loss_variance, discriminator_pinned, diverged_members, trained_on_gpu
from pipeline.checks.inputs import TrainingInputs
from pipeline.optimizer_kinds import Adam
from pipeline.settings import TrainingSettings
from pipeline.storage.details import read_details
from pipeline.training.details import TrainingDetails
from pipeline.training.divergence import divergence
from pipeline.training.records.history import Measured
from tests.pipeline.checks.check_inputs import history, settings
from tests.pipeline.manifests import training_details

SOUND = Measured(
    discriminator_loss_real=0.5,
    discriminator_loss_generated=0.5,
    generator_loss=1.0,
    discriminator_accuracy=0.8,
    adversarial_accuracy=0.2,
    discriminator_output_real=0.8,
    discriminator_output_generated=0.2,
    discriminator_penalty=0.0,
    discriminator_gradient_norm=1.0,
    generator_gradient_norm=1.0,
)


def diverged(
    *divergences: tuple[int, int, str], members: int = 3, of: TrainingSettings | None = None
) -> TrainingInputs:
    listed = [dict(zip(("member", "step", "reason"), divergence, strict=True)) for divergence in divergences]
    of = of or settings(members=members)
    details = training_details(divergences=[{**divergence, "weights_step": 0} for divergence in listed])
    return TrainingInputs(None, of, read_details(details, TrainingDetails, Path("manifest.json"), ""))


# ---------------------------------------------------------------------------------------------------------------------
# Diverged members


def test_members_that_were_trained_to_the_end_pass() -> None:
    finding = diverged_members.CHECK(diverged())
    assert finding.passed
    assert finding.summary == "none of 3 members diverged"
    assert finding.advice == ""


def test_some_diverged_members_are_a_warning_and_all_of_them_an_error() -> None:
    some = diverged_members.CHECK(diverged((1, 50, "a gradient has norm 2e+04 (limit 10000): lower its rates")))
    assert (some.passed, some.severity) == (False, "warn")
    assert some.summary == (
        "1 of 3 members (1) diverged: member 1 at step 50 (a gradient has norm 2e+04 (limit 10000))"
    )
    every = diverged_members.CHECK(diverged(*((member, 1200, "") for member in range(3))))
    assert (every.passed, every.severity) == (False, "error")
    assert every.summary.startswith("all 3 members diverged: member 0 at step 1,200")


def test_rates_that_are_too_high_are_to_be_a_tenth() -> None:
    finding = diverged_members.CHECK(diverged((0, 50, "its weights or losses are not finite: lower its rates")))
    assert finding.advice == (
        "lower the generator's learning_rate from 0.0001 to 1e-05 and the discriminator's learning_rate from 0.001 to "
        "0.0001, or set clip_norm = 1.0 for the generator and the discriminator"
    )


def test_the_advice_on_a_pinned_discriminator_follows_the_reason_that_training_recorded() -> None:
    of = settings(real_label=1.0)
    pinned = replace(SOUND, discriminator_loss_real=0.0, discriminator_loss_generated=1e-6)
    reason = divergence(pinned, of, weights_are_finite=True)
    assert reason is not None
    finding = diverged_members.CHECK(diverged((0, 50, reason), of=of))
    assert finding.advice.startswith("lower the discriminator's learning_rate from 0.001 to 0.0001, or set real_label")


def test_without_an_artefact_the_history_names_the_diverged_members() -> None:
    table = history([[1, 1], [1]], settings(members=2))
    table = table.set_column(table.column_names.index("diverged"), "diverged", [[False, False, True]])
    finding = diverged_members.CHECK(TrainingInputs(table, None))
    assert finding.summary == "1 of 2 members (1) diverged: member 1 at step 100"
    assert finding.evidence["divergences"] == [{"member": 1, "step": 100, "reason": None}]


# ---------------------------------------------------------------------------------------------------------------------
# Discriminator pinned


def pinned(tail: float, count: int = 40, of: TrainingSettings | None = None) -> bool:
    of = of or settings(members=1)
    share = np.full(count, 0.5)
    share[-count // 5 :] = tail
    return not discriminator_pinned.CHECK(TrainingInputs(history([share], of), of)).passed


@pytest.mark.parametrize("loss", ["non_saturating", "minimax", "least_squares", "hinge"])
@pytest.mark.parametrize("label", [0.9, 1.0])
def test_it_is_pinned_below_a_hundredth_of_an_undecided_ones_excess_for_every_loss(loss: str, label: float) -> None:
    of = settings(members=1, loss=loss, real_label=label)
    assert pinned(0.0099, of=of)
    assert not pinned(0.0101, of=of)


def test_a_discriminator_pinned_only_before_the_last_fifth_has_recovered() -> None:
    of, share = settings(members=1), np.full(40, 0.001)
    share[-8:] = 0.5
    assert discriminator_pinned.CHECK(TrainingInputs(history([share], of), of)).passed


def test_a_spike_does_not_hide_that_it_is_pinned() -> None:
    of, share = settings(members=1), np.full(40, 0.001)
    share[-3] = 2.0
    assert not discriminator_pinned.CHECK(TrainingInputs(history([share], of), of)).passed


def test_the_smoothed_label_is_accounted_for() -> None:
    smoothed, hard = settings(members=1), settings(members=1, real_label=1.0)
    table = history([np.full(10, 0.001)], smoothed)  # a loss of 0.326, far from 0 where labels are not smoothed
    assert not discriminator_pinned.CHECK(TrainingInputs(table, smoothed)).passed
    assert discriminator_pinned.CHECK(TrainingInputs(table, hard)).passed


def test_the_finding_names_members_steps_and_the_rate_to_try() -> None:
    of = settings(members=2, real_label=1.0)
    finding = discriminator_pinned.CHECK(TrainingInputs(history([np.full(40, 0.5), np.full(40, 0.004)], of), of))
    assert finding.summary == (
        "the discriminator's loss is pinned at its least value in 1 of 2 members (1): member 1 has 0.004 of an "
        "undecided discriminator's excess (limit 0.01) and an accuracy of 0.900 from step 3,300 to 4,000"
    )
    assert finding.advice == (
        "lower the discriminator's learning_rate from 0.001 to 0.0005, or set real_label = 0.9, or set "
        "instance_noise = 0.1"
    )


def test_a_generator_that_is_much_faster_is_slowed_first() -> None:
    rates = [Adam(rate) for rate in (0.02, 0.0002)]
    of = replace(settings(members=1, n_critic=5), generator=rates[0], discriminator=rates[1])
    finding = discriminator_pinned.CHECK(TrainingInputs(history([np.full(40, 0.004)], of), of))
    assert finding.advice.startswith(
        "lower the generator's learning_rate from 0.02 to 0.002, or set n_critic = 1 (it is 5), or lower the disc"
    )


def test_a_wasserstein_loss_and_a_run_of_two_intervals_are_not_judged() -> None:
    of = settings(members=1, loss="wasserstein")
    finding = discriminator_pinned.CHECK(TrainingInputs(history([np.zeros(40)], of), of))
    assert finding.summary == "not judged: a wasserstein loss has no least value"
    of = settings(members=1)
    short = discriminator_pinned.CHECK(TrainingInputs(history([np.zeros(2)], of), of))
    assert short.summary == "not judged: no member has 3 intervals with finite losses"
    assert short.passed
    assert short.evidence == {"judged": False}


# ---------------------------------------------------------------------------------------------------------------------
# Variance of the discriminator's loss


def swinging(middle: float, last: float, first: float = 0.0, of: TrainingSettings | None = None) -> bool:
    """Return whether the check fails on 3 · 10 changes of these sizes, up and down."""
    of = of or settings(members=1)
    changes = np.repeat([first, middle, last], 10) * np.tile([1, -1], 15)
    share = 1 + np.concatenate([[0.0], np.cumsum(changes)])
    return not discriminator_loss_variance.CHECK(TrainingInputs(history([share], of), of)).passed


def test_it_explodes_at_four_times_the_spread_before_and_a_tenth_of_the_unit() -> None:
    assert swinging(0.11 / 4.05, 0.11)
    assert not swinging(0.11 / 3.95, 0.11)
    assert swinging(0.01, 0.101)
    assert not swinging(0.01, 0.099)


def test_it_is_huge_from_a_fifth_of_the_unit_on_whether_it_grows_or_not() -> None:
    assert swinging(0.201, 0.201)
    assert not swinging(0.199, 0.199)


def test_swings_that_calm_down_are_healthy() -> None:
    assert not swinging(0.05, 0.02, first=3.0)
    assert not swinging(0.5, 0.1)


def test_one_spike_in_the_last_third_is_not_seen_and_two_are() -> None:
    of, share = settings(members=1), np.full(37, 1.0)
    share[28] += 5
    assert discriminator_loss_variance.CHECK(TrainingInputs(history([share], of), of)).passed
    share[33] += 5  # 4 of 12 changes: more than a quarter
    assert not discriminator_loss_variance.CHECK(TrainingInputs(history([share], of), of)).passed


def test_a_wasserstein_loss_is_measured_by_its_own_size_and_fails_only_when_it_explodes() -> None:
    of = settings(members=1, loss="wasserstein")
    assert swinging(0.02, 0.2, of=of)
    assert not swinging(0.2, 0.2, of=of)
    assert not swinging(0.02, 0.05, of=of)


def test_a_run_of_23_intervals_is_not_judged() -> None:
    of = settings(members=1)
    share = 1 + 0.9 * np.resize([1, -1], 24)
    assert not discriminator_loss_variance.CHECK(TrainingInputs(history([share], of), of)).passed
    short = discriminator_loss_variance.CHECK(TrainingInputs(history([share[:23]], of), of))
    assert short.summary == "not judged: no member has 24 intervals with finite losses"


def test_advice_leaves_out_settings_that_are_already_set() -> None:
    of = settings(members=1, r1=1.0)
    noisy = Adam(0.01, beta1=0.9, clip_norm=1.0)
    of = replace(of, discriminator=noisy, generator=noisy)
    share = 1 + 0.5 * np.resize([1, -1], 30)
    finding = discriminator_loss_variance.CHECK(TrainingInputs(history([share], of), of))
    assert finding.advice == (
        "lower the discriminator's learning_rate from 0.01 to 0.005, or set the discriminator's beta1 = 0.5 (it is 0.9)"
    )
    assert math.isclose(finding.evidence["members"][0]["ratio"], 1.0)


@pytest.mark.parametrize(("device", "passed"), [("CPU, 2 threads", False), ("NVIDIA H200", True)])
def test_a_training_on_a_cpu_is_a_warning_with_the_budget_as_advice(device: str, passed: bool) -> None:
    manifest = training_details(device=device, steps=4500, seconds=9.0)
    details = read_details(manifest, TrainingDetails, Path("manifest.json"), "")
    finding = trained_on_gpu.CHECK(TrainingInputs(None, None, details))
    assert (finding.passed, finding.severity, finding.summary) == (passed, "warn", f"trained on {device}")
    assert ("--steps" in finding.advice) != passed
