from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pipeline.checks import advice, collapsed_scores, generator_loss_misleads
from pipeline.checks.inputs import ReportInputs
from pipeline.findings import Finding
from tests.pipeline.checks.check_inputs import history, scores, settings


def collapse(*fids: Sequence[float | None]) -> Finding:
    return collapsed_scores.CHECK(ReportInputs(None, scores_by_step=scores(fids), settings=settings()))


def test_two_evaluations_in_a_row_more_than_30_percent_above_the_best_are_a_collapse() -> None:
    assert not collapse([300, 100, 131, 131]).passed
    assert collapse([300, 100, 129, 131]).passed
    assert collapse([300, 100, 131, 129]).passed
    assert collapse([300, 100, 130, 130]).passed


def test_one_bad_evaluation_is_none() -> None:
    assert collapse([300, 100, 900, 101, 900, 101]).passed


def test_the_best_so_far_counts_and_not_the_best_of_all() -> None:
    assert collapse([300, 290, 280, 100, 90]).passed


def test_a_collapse_is_a_warning_unless_every_member_ends_in_it() -> None:
    sound = [300, 100, 90, 80, 70]
    recovered = [300, 100, 200, 200, 90]
    collapsed = [300, 100, 120, 200, 200]
    assert collapse(sound, recovered).severity == "warn"
    assert collapse(sound, collapsed).severity == "warn"
    assert collapse(recovered, collapsed).severity == "warn"
    assert collapse(collapsed, collapsed).severity == "error"
    one_bad_at_the_end = [300, 100, 200, 200, 90, 200]
    assert collapse(one_bad_at_the_end, collapsed).severity == "warn"


def test_the_finding_names_the_best_step_and_to_stop_there() -> None:
    finding = collapse([300, 100, 120, 200, 260], [300, 100, 90, 80, 70])
    assert finding.summary == (
        "FID rose 30% above its best twice in a row in 1 of 2 members (0): member 0 had 100 at step 1,000 and 2.6 "
        "times as much at step 2,500"
    )
    assert finding.advice.startswith(
        "set steps = 1000, where FID was best, or lower the generator's learning_rate from"
    )
    assert "set ema_decay" in finding.advice
    assert finding.evidence["members"][1]["collapsed_at_step"] is None


def test_too_few_evaluations_and_none_at_all_are_not_judged() -> None:
    assert collapse([100, 900]).summary == "not judged: no member has 3 evaluations with a fid"
    assert collapse([100, None, 900]).evidence == {"judged": False}
    absent = collapsed_scores.CHECK(ReportInputs(None))
    assert (absent.passed, absent.summary) == (True, "not judged: no scores along training")


# ---------------------------------------------------------------------------------------------------------------------
# Generator loss misleads


def misleads(fids: Sequence[float], losses: Sequence[float], noise: float = 0.0) -> Finding:
    """FIDs every 500 steps; generator losses every 100, moving evenly from one evaluation's to the next, and noise."""
    every_100 = np.interp(np.arange(1, 5 * len(fids) + 1), 5 * np.arange(1, len(fids) + 1), losses)
    return beside(fids, every_100 + noise * np.resize([1, -1], len(every_100)))


def beside(fids: Sequence[float], every_100: np.ndarray) -> Finding:
    of = settings(members=1)
    table = history([np.ones_like(every_100)], of, [every_100])
    return generator_loss_misleads.CHECK(ReportInputs(None, None, scores([fids]), table, of))


def test_a_loss_that_falls_while_fid_rises_misleads() -> None:
    finding = misleads([300, 200, 250, 300, 350], [3.0, 3.0, 2.6, 2.2, 1.8])
    assert (finding.passed, finding.severity) == (False, "warn")
    assert finding.summary.startswith(
        "the generator's loss falls while FID becomes worse in the only member: from step 1,000 to 2,500 member 0"
    )
    assert finding.summary.endswith("and its FID rose from 200 to 325")
    assert finding.advice == (
        "do not judge by this loss; set steps = 1000, where FID was best, or lower the generator's learning_rate from "
        "0.0001 to 5e-05, or set n_critic = 2"
    )


@pytest.mark.parametrize("losses", [[3.0, 3.0, 3.0, 3.0, 3.0], [3.0, 3.0, 3.4, 3.8, 4.2], [3.0, 3.0, 2.99, 2.98, 2.97]])
def test_a_loss_that_does_not_fall_fails_no_check(losses: list[float]) -> None:
    assert misleads([300, 200, 250, 300, 350], losses).passed


def test_a_loss_that_falls_as_fid_falls_or_settles_is_healthy() -> None:
    assert misleads([300, 250, 200, 150, 140], [3.0, 2.8, 2.6, 2.2, 1.8]).passed
    assert misleads([300, 200, 205, 210, 215], [3.0, 3.0, 2.6, 2.2, 1.8]).passed


def test_fid_has_to_be_15_percent_worse() -> None:
    falling = [3.0, 3.0, 2.6, 2.2, 1.8]
    assert misleads([300, 200, 210, 227, 232], falling).passed  # 229.5 is less than 230
    assert not misleads([300, 200, 210, 228, 233], falling).passed


def test_the_loss_has_to_fall_by_a_twentieth_of_its_size() -> None:
    worse = [300, 200, 250, 300, 350]
    assert misleads(worse, [3.0, 3.0, 2.96, 2.9, 2.84]).passed
    assert not misleads(worse, [3.0, 3.0, 2.9, 2.8, 2.7]).passed


def test_the_loss_has_to_fall_by_more_than_it_changes_anyway() -> None:
    worse, falling = [300, 200, 250, 300, 350], [3.0, 3.0, 2.6, 2.2, 1.8]
    assert not misleads(worse, falling, noise=0.1).passed
    assert misleads(worse, falling, noise=0.4).passed


def test_a_fid_or_a_loss_that_jumps_up_and_down_has_no_trend() -> None:
    worse, falling = [300, 200, 250, 300, 350], [3.0, 3.0, 2.6, 2.2, 1.8]
    assert misleads([100, 300, 101, 120, 118], falling).passed
    assert not misleads([100, 101, 115, 118, 120], falling).passed
    assert beside(worse[1:], np.repeat([3.0, 1.5, 2.9, 2.0], 5)).passed


def test_the_loss_at_an_evaluation_is_the_mean_of_all_intervals_since_the_one_before() -> None:
    worse, losses = [300, 200, 250, 300, 350], np.full(25, 3.0)
    losses[4::5] = [3.0, 3.0, 2.8, 2.6, 2.4]  # the intervals that end at an evaluation
    assert beside(worse, losses).passed
    losses[:] = np.repeat([3.0, 3.0, 2.8, 2.6, 2.4], 5)
    assert not beside(worse, losses).passed


def test_three_evaluations_from_the_best_one_on_are_needed() -> None:
    assert misleads([300, 250, 200, 400], [3.0, 3.0, 3.0, 2.0]).passed
    assert not misleads([300, 200, 300, 400], [3.0, 3.0, 2.5, 2.0]).passed


def test_without_scores_or_history_it_is_not_judged() -> None:
    of = settings(members=1)
    table = history([[1.0] * 10], of)
    summaries = [
        generator_loss_misleads.CHECK(ReportInputs(None, history=table)).summary,
        generator_loss_misleads.CHECK(ReportInputs(None, scores_by_step=scores([[1, 2, 3]]))).summary,
        generator_loss_misleads.CHECK(ReportInputs(None, scores_by_step=scores([[1, 2]]), history=table)).summary,
    ]
    assert summaries == [
        "not judged: no scores along training",
        "not judged: no history",
        "not judged: no member has 3 evaluations with a fid and its losses",
    ]


@pytest.mark.parametrize(("steps", "decay"), [(4_500, 0.99), (20_000, 0.999)])
def test_the_average_that_is_advised_is_over_a_small_part_of_the_training(steps: int, decay: float) -> None:
    changed = replace(settings(), steps=steps)
    said = f"set ema_decay = {decay}: the average of the generator's weights is then sampled and scored"
    assert advice.averaged(changed) == said
    assert advice.averaged(replace(changed, ema_decay=0.9)) is None
