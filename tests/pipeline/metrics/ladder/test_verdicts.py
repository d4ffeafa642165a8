from collections.abc import Sequence

import pytest

from pipeline.metrics.ladder.verdicts import sampling_errors, verdict_by_errors
from pipeline.metrics.score import Score


@pytest.mark.parametrize(
    ("scores", "better", "verdict"),
    [
        ([1, 2, 3, 9], "lower", "sees"),
        ([1, 2, 3, 9], "higher", "misled"),
        ([1, 1.1, 0.9, 1.2], "lower", "blind"),
        ([1, 9, 7, 8], "lower", "sees"),  # a step back within 3 errors
        ([1, 9, 2, 9], "lower", "unordered"),
        ([1, 9, 2, 1], "lower", "unordered"),
        ([9, 1, 2, 30], "lower", "misled"),
        ([1, 2, float("nan"), 9], "lower", "undefined"),
    ],
)
def test_a_verdict_follows_from_differences_above_3_standard_errors(
    scores: Sequence[float], better: str, verdict: str
) -> None:
    assert verdict_by_errors([Score(value) for value in scores], [0.5] * 4, better) == verdict


def test_without_any_error_every_difference_counts_and_equality_does_not() -> None:
    assert verdict_by_errors([Score(0)] * 4, [0] * 4, "lower") == "blind"
    assert verdict_by_errors([Score(value) for value in (0, 0, 0, 1)], [0] * 4, "lower") == "sees"


def test_where_clean_images_have_no_value_nothing_is_known_of_its_error() -> None:
    assert verdict_by_errors([Score(value) for value in (0, 0, 0, 1)], [float("nan")] * 4, "lower") == "undefined"


def test_a_scores_own_error_counts_unless_it_has_none_or_images_are_there_more_than_once() -> None:
    with_error, without = Score(1, 0.1), Score(1)
    assert sampling_errors([with_error] * 4, 7, [1] * 4) == [0.1] * 4
    measured = sampling_errors([with_error, with_error, with_error, without], 7, [1] * 4)
    assert len(set(measured)) == 1
    assert 7 < measured[0] < 14  # wider than measured, as few draws tell an error badly
    assert sampling_errors([with_error] * 4, 7, [1, 4, 4, 16]) == pytest.approx(
        [measured[0] * times for times in (1, 2, 2, 4)]
    )
