import pytest
import torch

from pipeline.pixels import to_network, to_pixels

ALL_LEVELS = torch.arange(256, dtype=torch.uint8)


def test_the_two_conversions_are_inverses_on_all_256_levels() -> None:
    assert torch.equal(to_pixels(to_network(ALL_LEVELS)), ALL_LEVELS)


def test_black_is_minus_one_and_white_is_one() -> None:
    images = to_network(ALL_LEVELS)
    assert images.dtype == torch.float32
    assert (images[0].item(), images[255].item()) == (-1.0, 1.0)
    assert torch.allclose(images.double(), ALL_LEVELS.double() / 127.5 - 1, atol=1e-7)


def test_half_way_values_round_up_and_the_range_is_clipped() -> None:
    assert to_pixels(torch.tensor([0.0])).tolist() == [128]  # exactly between levels 127 and 128
    assert to_pixels(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_rounding_has_no_bias() -> None:
    images = torch.rand(200_000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    exact = (images.double() + 1) * 127.5
    assert abs((to_pixels(images).double() - exact).mean().item()) < 0.01  # truncation would give -0.5


def test_conversions_leave_their_input_alone() -> None:
    images = torch.tensor([0.25])
    to_pixels(images)
    assert images.item() == 0.25


def test_nan_is_an_error_and_not_a_grey() -> None:
    with pytest.raises(ValueError, match="NaN or infinite"):
        to_pixels(torch.tensor([0.0, float("nan")]))
