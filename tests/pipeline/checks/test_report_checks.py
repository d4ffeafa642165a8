import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pipeline.checks import memorisation, metric_regression, mode_drop
from pipeline.checks.inputs import ReportInputs
from pipeline.findings import Finding
from pipeline.metrics import missing_classes
from tests.pipeline.checks.check_inputs import fids, report, settings

# ---------------------------------------------------------------------------------------------------------------------
# Mode drop


def classes(*counts: Sequence[int], floor: float = 0.0) -> Finding:
    rows = [
        {"member": member, "metric": "missing_classes", "value": missing(count), "by_class": list(map(float, count))}
        | {"floor": floor, "n_generated": sum(count)}
        for member, count in enumerate(counts)
    ]
    return mode_drop.CHECK(ReportInputs(report(rows), settings=settings()))


def missing(counts: Sequence[int]) -> float:
    return float(sum(count < 0.1 * sum(counts) / len(counts) for count in counts))


EVEN = [100] * 10
TWO_GONE = [0, 0, *[125] * 8]


def test_the_share_that_counts_as_missing_is_that_of_the_metric() -> None:
    assert mode_drop.LEAST_SHARE_OF_EQUAL == missing_classes.LEAST_SHARE_OF_EQUAL


def test_a_class_below_a_tenth_of_its_share_is_dropped_and_named() -> None:
    finding = classes(EVEN, [9, 99, *[111] * 8])
    assert (finding.passed, finding.severity) == (False, "warn")
    assert finding.summary == (
        "classes are missing in 1 of 2 members (1): member 1 misses 1 (class 0: 9 images), real images 0"
    )
    assert finding.advice.startswith("train longer than 4,500 steps if scores still improve, or lower the generator's")
    assert classes(EVEN, [10, 90, *[112] * 8]).passed


def test_classes_that_real_images_do_not_show_either_may_be_missing() -> None:
    assert classes(TWO_GONE, floor=2.0).passed
    assert not classes(TWO_GONE, floor=1.0).passed


def test_it_is_an_error_where_half_of_the_members_miss_half_of_the_classes() -> None:
    half_gone, four_gone = [0] * 5 + [200] * 5, [0] * 4 + [166] * 6
    assert classes(half_gone, EVEN).severity == "error"
    assert classes(half_gone, EVEN, EVEN).severity == "warn"
    assert classes(four_gone, four_gone).severity == "warn"


def test_older_reports_without_counts_name_no_classes() -> None:
    rows = [{"member": 0, "metric": "missing_classes", "value": 3.0, "floor": 0.0}]
    finding = mode_drop.CHECK(ReportInputs(report(rows)))
    assert finding.summary == "classes are missing in the only member: member 0 misses 3, real images 0"


def test_a_data_set_without_classes_is_not_judged() -> None:
    finding = mode_drop.CHECK(ReportInputs(fids(1.0, 2.0)))
    assert finding.summary == "not judged: the report has no missing_classes, which needs a data set with classes"


# ---------------------------------------------------------------------------------------------------------------------
# Memorisation


def copied(*values: float, floor: float = 0.6, images: int = 10_000) -> Finding:
    """Return the finding on members with that authenticity."""
    rows = [
        {"member": member, "metric": "authenticity", "value": value, "floor": floor, "n_generated": images}
        | {"standard_error": math.sqrt(value * (1 - value) / images), "n_floor": images}
        for member, value in enumerate(values)
    ]
    return memorisation.CHECK(ReportInputs(report(rows), settings=settings()))


def test_authenticity_5_percent_below_that_of_real_images_is_memorisation() -> None:
    assert copied(0.575).passed
    finding = copied(0.9, 0.565)
    assert (finding.passed, finding.severity) == (False, "error")
    assert finding.summary == (
        "images are closer to the training images than held-out real ones in 1 of 2 members (1): member 1 has "
        "authenticity 0.565, real images 0.6"
    )
    assert finding.advice.startswith("look at the pairs of nearest training images beside the report")


def test_a_difference_that_few_images_explain_is_none() -> None:
    # three standard errors of a difference of two shares of 300 images are 0.12
    assert copied(0.49, images=300).passed
    assert not copied(0.47, images=300).passed


def test_images_that_are_farther_than_real_ones_are_no_copies() -> None:
    assert copied(0.95, 0.61, 0.6).passed


def test_a_distance_far_below_the_floor_is_memorisation_too() -> None:
    def distance(value: float) -> Finding:
        row = {"member": 0, "metric": "memorisation_distance", "value": value, "standard_error": 1e-4}
        return memorisation.CHECK(ReportInputs(report([{**row, "floor": 0.0100, "n_generated": 2000}])))

    assert not distance(0.0094).passed
    assert distance(0.0096).passed
    assert distance(0.04).passed
    assert not distance(0.0).passed  # all images are copies


def test_a_report_without_these_scores_is_not_judged() -> None:
    finding = memorisation.CHECK(ReportInputs(fids(1.0)))
    assert finding.summary == "not judged: the report has neither authenticity nor memorisation_distance with a floor"


# ---------------------------------------------------------------------------------------------------------------------
# Metric regression

BEFORE = {"report_id": "1f0c", "training_fingerprint": "old"}
NOW = {"report_id": "2a1b", "training_fingerprint": "new"}


def regression(
    now: Sequence[float | None],
    before: Sequence[float | None],
    facts_now: Mapping[str, Any] = {},
    facts_before: Mapping[str, Any] = {},
) -> Finding:
    newest, previous = fids(*now, **{**NOW, **facts_now}), fids(*before, **{**BEFORE, **facts_before})
    return metric_regression.CHECK(ReportInputs(newest, previous, settings=settings()))


def test_fid_that_rose_in_every_member_is_a_regression() -> None:
    finding = regression([110, 111, 113], [100, 101, 102])
    assert (finding.passed, finding.severity) == (False, "warn")
    assert finding.summary == (
        "FID is worse than that of the training before: +10.3 (95 % interval +8.9 to +11.8), 3 pairs of members; the "
        "settings are the same"
    )
    assert finding.evidence["previous_report"] == "1f0c"
    assert finding.evidence["verdicts"]["fid"]["verdict"] == "worse"


def test_fid_that_fell_or_differs_within_the_members_spread_is_none() -> None:
    assert regression([90, 91, 93], [100, 101, 102]).passed
    undecided = regression([100, 120, 95], [101, 99, 100])
    assert undecided.passed
    assert undecided.summary.startswith("FID is not significantly different from that of the training before: +5")
    assert undecided.evidence["judged"]


def test_members_of_other_seeds_are_not_paired() -> None:
    now, before = [110.0, 100.0, 90.0], [108.0, 98.0, 88.0]  # 2 more in every pair
    seeds = ({"seed": 1, "settings": '{"seed": 1}'}, {"seed": 0, "settings": '{"seed": 0}'})
    assert regression([110, 100, 91], before, *seeds).passed
    other = regression([value * 3 for value in now], before, *seeds)
    assert not other.passed
    assert other.summary.endswith("3 members at least on either side; settings that differ: seed 0 then 1")
    assert other.advice.startswith("only the seed differs: look at what changed in the data and in the code")
    assert other.advice.endswith("or train with members = 5 to see whether the difference stays")


def test_settings_that_differ_are_named_and_advised_to_go_back() -> None:
    facts = [{"settings": f'{{"steps": {steps}, "width": 8}}'} for steps in (500, 4500)]
    finding = regression([210, 211, 213], [100, 101, 102], *facts)
    assert finding.summary.endswith("settings that differ: steps 4500 then 500")
    assert finding.advice == "set steps back from 500 to 4500"
    assert finding.evidence["previous_then_newest"] == {"steps": [4500, 500]}


@pytest.mark.parametrize(
    ("facts_now", "why"),
    [
        ({"protocol": '{"n_generated": 500}'}, "the scores were measured differently: n_generated None and 500; score"),
        ({"training_fingerprint": "old"}, "both reports are of the same training"),
    ],
)
def test_reports_that_cannot_be_compared_are_not_judged(facts_now: dict[str, str], why: str) -> None:
    finding = regression([200, 201, 202], [100, 101, 102], facts_now)
    assert finding.passed
    assert finding.summary.startswith(f"not judged: {why}")


def test_without_an_earlier_report_it_is_not_judged() -> None:
    finding = metric_regression.CHECK(ReportInputs(fids(1.0)))
    assert finding.summary == "not judged: no earlier report of another training"


def test_reports_with_only_diverged_members_are_not_compared() -> None:
    finding = regression([None, None], [100, 101])
    assert finding.passed
    assert finding.summary.startswith("FID cannot be compared with the training before: needs at least 2 members")
