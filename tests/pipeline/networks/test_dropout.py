import pytest
import torch
from torch import Tensor

from pipeline.networks.dropout import Dropout


class SeededNoise:
    """Each member's numbers from its own seed."""

    def __init__(self, *seeds: int) -> None:
        self.streams = [torch.Generator().manual_seed(seed) for seed in seeds]

    def uniform(self, shape: tuple[int, ...]) -> Tensor:
        return torch.stack([torch.rand(shape, generator=stream) for stream in self.streams])


def dropout(rates: list[float], *seeds: int) -> Dropout:
    layer = Dropout(len(rates))
    layer.noise = SeededNoise(*seeds)
    layer.set_rates(rates)
    return layer


@pytest.mark.parametrize("shape", [(64, 300), (64, 3, 10, 10)])
def test_each_member_drops_its_own_share_and_scales_the_rest(shape: tuple[int, ...]) -> None:
    rates = [0.0, 0.25, 0.5]
    inputs = torch.rand(3, *shape) + 1
    outputs = dropout(rates, 0, 1, 2)(inputs)
    for rate, output, before in zip(rates, outputs, inputs, strict=True):
        kept = output != 0
        assert abs(kept.float().mean().item() - (1 - rate)) < 0.01
        assert torch.allclose(output[kept], before[kept] / (1 - rate))
        assert abs(output.mean().item() / before.mean().item() - 1) < 0.02


def test_a_member_without_a_rate_beside_others_keeps_its_inputs_to_the_bit() -> None:
    inputs = torch.randn(2, 64, 300)
    assert torch.equal(dropout([0.0, 0.5], 0, 1)(inputs)[0], inputs[0])


def test_a_member_drops_the_same_alone_and_in_a_stack() -> None:
    inputs = torch.randn(3, 8, 20)
    stacked, alone = dropout([0.3, 0.4, 0.5], 0, 1, 2), dropout([0.5], 2)
    assert torch.equal(stacked(inputs)[2], alone(inputs[2:])[0])


def test_dropped_inputs_have_no_gradient() -> None:
    inputs = torch.ones(1, 4, 50, requires_grad=True)
    outputs = dropout([0.5], 0)(inputs)
    outputs.sum().backward()
    assert inputs.grad is not None
    assert torch.equal(inputs.grad, outputs.detach())


def test_evaluation_and_rates_of_zero_return_the_inputs_themselves() -> None:
    inputs = torch.randn(2, 8, 20)
    assert dropout([0.5, 0.5], 0, 1).eval()(inputs) is inputs
    assert Dropout(2)(inputs) is inputs
    layer = dropout([0.5, 0.5], 0, 1)
    layer.set_rates([0.0, 0.0])
    assert layer(inputs) is inputs


def test_a_rate_without_random_numbers_is_refused_in_training_only() -> None:
    layer, inputs = Dropout(1), torch.randn(1, 8, 20)
    layer.set_rates([0.5])
    with pytest.raises(RuntimeError, match="dropout has a rate but no random numbers; set `noise` before training"):
        layer(inputs)
    assert layer.eval()(inputs) is inputs


def test_rates_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="found 1 dropout rates for 2 members, expected one each"):
        Dropout(2).set_rates([0.5])
    with pytest.raises(ValueError, match="expected each from 0 to less than 1"):
        Dropout(2).set_rates([0.5, 1.0])


def test_rates_are_no_part_of_the_saved_weights() -> None:
    assert not Dropout(2).state_dict()
