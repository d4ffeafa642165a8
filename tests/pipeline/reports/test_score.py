"""The columns of a score; whole reports are made in tests/end_to_end."""

import math

import pytest

from pipeline.metrics.score import Score
from pipeline.reports.score import _numbers


def test_the_interval_is_1_96_standard_errors_to_either_side() -> None:
    numbers = _numbers(Score(10.0, standard_error=2.0))
    assert (numbers["interval_low"], numbers["interval_high"]) == pytest.approx((6.08, 13.92), abs=1e-3)


@pytest.mark.parametrize("score", [None, Score(math.nan, standard_error=1.0), Score(3.0)])
def test_a_score_without_an_error_or_a_value_has_no_interval(score: Score | None) -> None:
    numbers = _numbers(score)
    assert (numbers["interval_low"], numbers["interval_high"]) == (None, None)
    assert numbers["value"] == (3.0 if score is not None and score.value == 3.0 else None)
