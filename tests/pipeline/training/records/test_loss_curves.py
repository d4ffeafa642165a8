import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipeline.training.records.loss_curves import ACCURACIES, LOSS_TITLES, draw_curves, over_members, plot_curves


def history(losses: list[float]) -> pa.Table:
    """Two members at steps 10, 20, 30; the second has ended before the last."""
    columns = dict.fromkeys((*LOSS_TITLES, *ACCURACIES), losses)
    return pa.table({"step": [10, 10, 20, 20, 30], "member": [0, 1, 0, 1, 0], **columns})


def test_a_band_reaches_from_the_least_member_to_the_greatest_around_their_mean() -> None:
    low, mean, high = over_members(history([1.0, 3.0, 2.0, 2.0, 5.0]), "generator_loss", np.array([10, 20, 30]))
    assert (low.tolist(), mean.tolist(), high.tolist()) == ([1, 2, 5], [2, 2, 5], [3, 2, 5])


def test_values_that_are_not_finite_are_left_out_of_the_picture() -> None:
    bands = over_members(history([np.nan, np.inf, 2.0, np.nan, 5.0]), "generator_loss", np.array([10, 20, 30]))
    for band in bands:
        assert np.isnan(band[0])
        assert band[1:].tolist() == [2, 5]


@pytest.mark.parametrize("losses", [[1.0, 3.0, 2.0, 2.0, 5.0], [np.nan] * 5])
def test_the_picture_is_small_enough_for_dagsters_event_log(losses: list[float]) -> None:
    png = draw_curves(history(losses))
    assert len(png) < 75_000
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.size == (900, 320)


def test_every_loss_and_accuracy_is_a_line_by_training_step() -> None:
    panels = plot_curves(history([1.0, 3.0, 2.0, 2.0, 5.0])).axes
    for axes, columns in zip(panels, (LOSS_TITLES, ACCURACIES), strict=True):
        assert [line.get_label() for line in axes.lines] == list(columns.values())
        for line in axes.lines:
            assert np.asarray(line.get_xdata()).tolist() == [10, 20, 30]
            assert np.asarray(line.get_ydata()).tolist() == [2, 2, 5]


def test_a_single_interval_is_a_dot_and_not_an_empty_panel() -> None:
    one = history([1.0, 3.0, 2.0, 2.0, 5.0]).slice(0, 2)
    assert all(line.get_marker() == "." for axes in plot_curves(one).axes for line in axes.lines)
