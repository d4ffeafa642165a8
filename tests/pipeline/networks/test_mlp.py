import math

import pytest
import torch

from pipeline.networks.architectures.mlp import WIDTH, Discriminator, Generator
from pipeline.networks.layers import Dense, LogitLayer, sigmoid
from pipeline.networks.stacked import Stacked

DIGITS = (1, 28, 28)


def streams(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def parameters_a_member(network: Stacked) -> int:
    return sum(parameter[0].numel() for parameter in network.parameters())


def test_the_parameter_counts_are_the_notebooks() -> None:
    assert parameters_a_member(Generator(3, DIGITS, WIDTH)) == 114_064
    assert parameters_a_member(Discriminator(3, DIGITS, WIDTH)) == 100_609


def test_images_lie_between_minus_one_and_one() -> None:
    generator = Generator(1, DIGITS, WIDTH)
    generator.initialise(streams(1))
    images = generator(torch.randn(1, 64, 100) * 100)
    assert images.abs().max() <= 1.0


def test_a_stack_of_dense_layers_equals_each_layer_alone() -> None:
    dense = Dense(2, 5, 3)
    dense.initialise(streams(2))
    inputs = torch.randn(2, 7, 5)
    alone = [torch.nn.functional.linear(inputs[m], dense.weight[m].T, dense.bias[m, 0]) for m in range(2)]
    assert torch.allclose(dense(inputs), torch.stack(alone), atol=1e-6)


def test_a_stack_of_scores_equals_linear_layers_of_one_output() -> None:
    score = LogitLayer(2, 5)
    score.initialise(streams(2))
    inputs = torch.randn(2, 7, 5)
    alone = [torch.nn.functional.linear(inputs[m], score.weight[m], score.bias[m]).squeeze(1) for m in range(2)]
    assert torch.allclose(score(inputs), torch.stack(alone), atol=1e-6)
    with pytest.raises(ValueError, match="found 1 output, expected at least 2; use LogitLayer for one output"):
        Dense(2, 5, 1)


def test_the_sigmoid_and_its_derivatives_are_torchs_within_rounding() -> None:
    inputs = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([0.0, 1e-8, -1e3, 1e3])])
    assert (sigmoid(inputs) - torch.sigmoid(inputs.double())).abs().max().item() < 1e-7
    point = inputs.requires_grad_()
    (ours_slope,) = torch.autograd.grad(sigmoid(point).sum(), point)
    (torchs_slope,) = torch.autograd.grad(torch.sigmoid(point).sum(), point)
    assert torch.allclose(ours_slope, torchs_slope, atol=2e-7)
    assert torch.isnan(sigmoid(torch.tensor([float("nan")]))).all()


@pytest.mark.parametrize("rows", [1, 2, 7])
def test_a_dense_layer_gives_each_member_the_bits_it_has_alone(rows: int) -> None:
    layer, inputs = Dense(4, 37, 21), torch.randn(4, rows, 37, requires_grad=True)
    layer.initialise(streams(4))
    outputs = layer(inputs)
    gradients = torch.autograd.grad(outputs.square().sum(), [*layer.parameters(), inputs])
    for member in range(4):
        row = slice(member, member + 1)
        alone = Dense(1, 37, 21)
        alone.load_state_dict({name: value[row] for name, value in layer.state_dict().items()})
        inputs_alone = inputs[row].detach().requires_grad_()
        outputs_alone = alone(inputs_alone)
        gradients_alone = torch.autograd.grad(outputs_alone.square().sum(), [*alone.parameters(), inputs_alone])
        assert torch.equal(outputs_alone, outputs[row])
        assert all(torch.equal(solo, stacked[row]) for solo, stacked in zip(gradients_alone, gradients, strict=True))
        assert torch.allclose(outputs_alone, inputs[row] @ layer.weight[row] + layer.bias[row], atol=1e-5)


def test_initial_weights_are_glorot_uniform_and_biases_zero() -> None:
    dense = Dense(1, 784, 128)
    dense.initialise(streams(1))
    limit = math.sqrt(6 / (784 + 128))  # Glorot & Bengio 2010, equation 16
    assert dense.weight.abs().max().item() <= limit
    assert abs(dense.weight.std().item() / (limit / math.sqrt(3)) - 1) < 0.01
    assert not dense.bias.any()


def test_a_members_initial_weights_do_not_depend_on_the_others() -> None:
    stacked, alone = Generator(3, DIGITS, WIDTH), Generator(1, DIGITS, WIDTH)
    stacked.initialise(streams(3))
    alone.initialise([torch.Generator().manual_seed(2)])
    for name, value in alone.state_dict().items():
        assert torch.equal(stacked.state_dict()[name][2], value[0])


def test_flattened_parameters_stay_the_networks_own() -> None:
    generator = Generator(2, DIGITS, WIDTH)
    generator.initialise(streams(2))
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    flat = generator.flatten()
    assert flat.shape == (2, 114_064)
    assert all(torch.equal(before[name], value) for name, value in generator.state_dict().items())
    flat[1].zero_()
    assert all(
        not value[1].any() and (value[0] == before[name][0]).all() for name, value in generator.state_dict().items()
    )
