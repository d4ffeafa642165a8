import math

import numpy as np
import pytest

from pipeline.checks.member_curves import HISTORY_COLUMNS, SCORE_COLUMNS, loss_curves, score_curves
from pipeline.checks.member_scores import name_members
from pipeline.reports.by_step import SCHEMA
from pipeline.training.records.history import COLUMNS
from tests.pipeline.checks.check_inputs import history, scores, settings


def test_the_columns_read_from_a_history_and_from_scores_are_written_there() -> None:
    assert set(HISTORY_COLUMNS) <= set(COLUMNS)
    assert set(SCORE_COLUMNS) == set(SCHEMA.names)


def test_members_are_taken_apart_and_their_steps_put_in_order() -> None:
    table = history([[1, 2, 3], [4, 5]], settings())
    shuffled = table.take([4, 2, 0, 3, 1])
    first, second = loss_curves(shuffled)
    assert (first.member, first.steps.tolist()) == (0, [100, 200, 300])
    assert (second.member, second.steps.tolist()) == (1, [100, 200])
    assert np.diff(first.discriminator_loss).min() > 0


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_steps_without_finite_losses_are_left_out(broken: float) -> None:
    table = history([[1, 1, 1]], settings(), generator_losses=[[1, 1, broken]])
    assert loss_curves(table)[0].steps.tolist() == [100, 200]


def test_scores_that_are_not_defined_are_left_out() -> None:
    first, second = score_curves(scores([[9, None, 7], [8]]), "fid")
    assert (first.steps.tolist(), first.values.tolist()) == ([500, 1500], [9, 7])
    assert second.member == 1
    assert score_curves(scores([[None]]), "fid") == []


def test_a_missing_column_is_reported_with_the_existing_columns() -> None:
    with pytest.raises(ValueError, match=r"history: found columns step, member, .*expected generator_loss too"):
        loss_curves(history([[1]], settings()).drop_columns(["generator_loss"]))
    with pytest.raises(ValueError, match=r"scores along training: .*expected value too"):
        score_curves(scores([[1]]).drop_columns(["value"]), "fid")


def test_members_are_name_members() -> None:
    assert name_members([0, 2], 3) == "2 of 3 members (0, 2)"
    assert name_members([0, 1], 2) == "all 2 members"
    assert name_members([0], 1) == "the only member"
