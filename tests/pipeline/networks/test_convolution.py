import math

import pytest
import torch
from torch import Tensor

from pipeline.networks import convolution
from pipeline.networks.convolution import Conv2d, Convolution, ConvTranspose2d, fold, unfold
from pipeline.networks.stacked import Stacked

KINDS = {Conv2d: torch.nn.Conv2d, ConvTranspose2d: torch.nn.ConvTranspose2d}
both_kinds = pytest.mark.parametrize("kind", KINDS)


class OneLayer(Stacked):
    def __init__(self, layer: Convolution, members: int) -> None:
        super().__init__()
        self.members, self.layer = members, layer


def streams(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def drawn(kind: type[Convolution], *seeds: int, bias: bool = True) -> Convolution:
    layer = kind(len(seeds), 3, 5, 4, stride=2, padding=1, bias=bias)
    layer.initialise(streams(*seeds))
    if layer.bias is not None:
        for bias_of_one, stream in zip(layer.bias.data, streams(*seeds), strict=True):
            bias_of_one.copy_(torch.randn(5, generator=stream))
    return layer


def some_inputs(*seeds: int) -> Tensor:
    return torch.stack([torch.randn(6, 3, 8, 8, generator=stream) for stream in streams(*seeds)])


def outputs_and_gradients(layer: Convolution, inputs: Tensor) -> list[Tensor]:
    """Outputs and the gradients by inputs and parameters, of a loss that treats no output like another."""
    inputs = inputs.clone().requires_grad_()
    outputs = layer(inputs)
    return [outputs, *torch.autograd.grad(outputs.square().sum(), [inputs, *layer.parameters()])]


@both_kinds
@pytest.mark.parametrize("bias", [True, False])
def test_each_member_equals_torchs_own_layer(kind: type[Convolution], bias: bool) -> None:
    layer, inputs = drawn(kind, 0, 1, 2, bias=bias), some_inputs(0, 1, 2)
    outputs = layer(inputs)
    for member in range(3):
        alone = KINDS[kind](3, 5, 4, stride=2, padding=1, bias=bias)
        alone.weight.data = layer.weight[member].detach()
        if alone.bias is not None and layer.bias is not None:
            alone.bias.data = layer.bias[member].detach()
        assert torch.allclose(outputs[member], alone(inputs[member]), atol=1e-6)


@both_kinds
def test_a_member_is_bit_identical_alone_and_in_a_stack(kind: type[Convolution]) -> None:
    stacked = outputs_and_gradients(drawn(kind, 7, 8, 9), some_inputs(7, 8, 9))
    alone = outputs_and_gradients(drawn(kind, 9), some_inputs(9))
    assert all(torch.equal(many[2], one[0]) for many, one in zip(stacked, alone, strict=True))


@both_kinds
@pytest.mark.parametrize("bias", [True, False])
def test_members_folded_into_channels_agree_with_one_by_one(
    kind: type[Convolution], bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer, inputs = drawn(kind, 0, 1, 2, bias=bias), some_inputs(0, 1, 2)
    one_by_one = outputs_and_gradients(layer, inputs)
    monkeypatch.setattr(convolution, "runs_folded", lambda inputs: True)
    folded = outputs_and_gradients(layer, inputs)
    for one, other in zip(one_by_one, folded, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5 * one.abs().max().item())


@both_kinds
@pytest.mark.parametrize("folded", [True, False])
def test_flattened_parameters_change_nothing(
    kind: type[Convolution], folded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "runs_folded", lambda inputs: folded)
    layer, inputs = drawn(kind, 0, 1), some_inputs(0, 1)
    before = outputs_and_gradients(layer, inputs)
    OneLayer(layer, 2).flatten()
    after = outputs_and_gradients(layer, inputs)
    assert all(torch.allclose(one, other, rtol=1e-6) for one, other in zip(before, after, strict=True))


def test_unfolding_undoes_folding() -> None:
    inputs = some_inputs(0, 1, 2)
    assert fold(inputs).shape == (6, 9, 8, 8)
    assert torch.equal(fold(inputs)[:, 3:6], inputs[1])
    assert torch.equal(unfold(fold(inputs), 3), inputs)


@both_kinds
@pytest.mark.parametrize("folded", [True, False])
def test_a_members_nan_stays_its_own(kind: type[Convolution], folded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "runs_folded", lambda inputs: folded)
    layer, inputs = drawn(kind, 0, 1, 2), some_inputs(0, 1, 2)
    layer.weight.data[1, 0, 0, 0, 0] = math.nan
    outputs, by_inputs, *by_parameters = outputs_and_gradients(layer, inputs)
    for values in (outputs, by_inputs, *by_parameters):
        assert values[[0, 2]].isfinite().all()
        assert not values[1].isfinite().all()


@both_kinds
def test_initial_weights_are_glorot_uniform_and_biases_zero(kind: type[Convolution]) -> None:
    layer = kind(1, 64, 32, 4)
    layer.initialise(streams(0))
    limit = math.sqrt(6 / (64 * 4 * 4 + 32 * 4 * 4))  # Glorot & Bengio 2010, equation 16, with kernels as Keras counts
    assert layer.weight.abs().max().item() <= limit
    assert abs(layer.weight.std().item() / (limit / math.sqrt(3)) - 1) < 0.01
    assert layer.bias is not None
    assert not layer.bias.any()


@both_kinds
def test_a_standard_deviation_makes_initial_weights_normal(kind: type[Convolution]) -> None:
    layer = kind(1, 64, 32, 4, std=0.02)
    layer.initialise(streams(0))
    assert abs(layer.weight.std().item() / 0.02 - 1) < 0.01
    assert abs((layer.weight.abs() < 0.02).float().mean().item() - 0.6827) < 0.01


@both_kinds
def test_a_members_initial_weights_do_not_depend_on_the_others(kind: type[Convolution]) -> None:
    assert torch.equal(drawn(kind, 4, 5, 6).weight[2], drawn(kind, 6).weight[0])
