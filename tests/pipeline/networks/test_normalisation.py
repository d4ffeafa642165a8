import copy
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Protocol

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.networks import normalisation
from pipeline.networks.convolution import Conv2d, ConvTranspose2d
from pipeline.networks.layers import Dense
from pipeline.networks.normalisation import BatchNorm, apply_spectral_norm
from pipeline.networks.stacked import Layer, SpectralNorm, Stacked

both_ways = pytest.mark.parametrize("folded", [True, False])
both_shapes = pytest.mark.parametrize("shape", [(6, 5), (6, 5, 4, 4)])


def streams(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def choose(folded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalisation, "runs_folded", lambda inputs: folded)


def drawn_norm(*seeds: int) -> BatchNorm:
    norm = BatchNorm(len(seeds), 5, std=0.3)
    norm.initialise(streams(*seeds))
    return norm


def some_inputs(shape: tuple[int, ...], *seeds: int) -> Tensor:
    return torch.stack([torch.randn(shape, generator=stream) * 2 + 0.5 for stream in streams(*seeds)])


def outputs_and_gradients(norm: torch.nn.Module, inputs: Tensor) -> list[Tensor]:
    """Outputs and the gradients by inputs and parameters, of a loss that batch normalisation does not flatten."""
    inputs = inputs.clone().requires_grad_()
    outputs = norm(inputs)
    loss = (outputs * inputs.detach().sin()).sum() + outputs.pow(3).sum()
    return [outputs, *torch.autograd.grad(loss, [inputs, *norm.parameters()])]


def close(one: Tensor, other: Tensor, tolerance: float = 1e-5) -> bool:
    return torch.allclose(one, other, rtol=tolerance, atol=tolerance * max(1.0, other.abs().max().item()))


def assert_same(norm: BatchNorm, values: list[Tensor], other: BatchNorm, expected: list[Tensor]) -> None:
    assert all(close(one, wanted) for one, wanted in zip(values, expected, strict=True))
    assert close(norm.running_mean, other.running_mean)
    assert close(norm.running_variance, other.running_variance)


@both_ways
@both_shapes
def test_each_member_equals_torchs_own_batch_norm(
    folded: bool, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(folded, monkeypatch)
    norm = drawn_norm(0, 1, 2)
    torchs = [torch.nn.BatchNorm1d(5) if len(shape) == 2 else torch.nn.BatchNorm2d(5) for _ in range(3)]
    for member, alone in enumerate(torchs):
        alone.weight.data = norm.scale[member].detach().clone()
    for batch in range(4):
        inputs = some_inputs(shape, batch, batch + 10, batch + 20)
        values = outputs_and_gradients(norm, inputs)
        for member, alone in enumerate(torchs):
            expected = outputs_and_gradients(alone, inputs[member])
            assert all(close(many[member], one) for many, one in zip(values, expected, strict=True))
            assert alone.running_mean is not None and alone.running_var is not None
            assert torch.allclose(norm.running_mean[member], alone.running_mean, atol=1e-6)
            assert torch.allclose(norm.running_variance[member], alone.running_var, atol=1e-6)
    norm.eval()
    before = norm.running_mean.clone()
    inputs = some_inputs(shape, 7, 8, 9)
    for member, alone in enumerate(torchs):
        assert torch.allclose(norm(inputs)[member], alone.eval()(inputs[member]), atol=1e-6)
    assert torch.equal(norm.running_mean, before)


@both_shapes
def test_a_member_is_bit_identical_alone_and_in_a_stack(shape: tuple[int, ...]) -> None:
    stacked, alone = drawn_norm(3, 4, 5), drawn_norm(5)
    many = outputs_and_gradients(stacked, some_inputs(shape, 3, 4, 5))
    one = outputs_and_gradients(alone, some_inputs(shape, 5))
    assert all(torch.equal(in_stack[2], by_itself[0]) for in_stack, by_itself in zip(many, one, strict=True))
    assert torch.equal(stacked.running_mean[2], alone.running_mean[0])
    assert torch.equal(stacked.running_variance[2], alone.running_variance[0])


@both_ways
@pytest.mark.parametrize("over_ranks", [True, False])
def test_a_members_nan_stays_its_own(folded: bool, over_ranks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(folded, monkeypatch)
    norm, inputs = drawn_norm(0, 1, 2), some_inputs((6, 5, 4, 4), 0, 1, 2)
    norm.across_ranks = unchanged if over_ranks else None
    inputs[1, 0] = math.nan
    for values in (*outputs_and_gradients(norm, inputs), norm.running_mean, norm.running_variance):
        assert values[[0, 2]].isfinite().all()
        assert not values[1].isfinite().all()


@both_ways
@pytest.mark.parametrize("over_ranks", [True, False])
def test_flattened_parameters_change_nothing(folded: bool, over_ranks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(folded, monkeypatch)
    network, inputs = OneLayer(drawn_norm(0, 1), 2), some_inputs((6, 5, 4, 4), 0, 1)
    assert isinstance(network.layer, BatchNorm)
    network.layer.across_ranks = unchanged if over_ranks else None
    before = outputs_and_gradients(network.layer, inputs)
    network.flatten()
    assert all(
        torch.equal(one, other) for one, other in zip(before, outputs_and_gradients(network.layer, inputs), strict=True)
    )


def unchanged(values: Tensor) -> Tensor:
    return values


@both_shapes
def test_one_rank_normalises_as_if_there_were_no_ranks(shape: tuple[int, ...]) -> None:
    ordinary, ranked = drawn_norm(0, 1), drawn_norm(0, 1)
    ranked.across_ranks = unchanged
    for batch in range(3):
        inputs = some_inputs(shape, batch, batch + 10)
        expected = outputs_and_gradients(ordinary, inputs)
        assert_same(ranked, outputs_and_gradients(ranked, inputs), ordinary, expected)
    ordinary.eval(), ranked.eval()
    assert close(ranked(inputs), ordinary(inputs))


class TwoRanks:
    """Two threads that exchange tensors: the average of both, with the gradient of both."""

    def __init__(self) -> None:
        self.barrier, self.tensors = Barrier(2, timeout=30), [torch.empty(0)] * 2

    def average(self, rank: int) -> Callable[[Tensor], Tensor]:
        def exchange(part: Tensor) -> Tensor:
            self.tensors[rank] = part
            self.barrier.wait()
            return (self.tensors[0] + self.tensors[1]) / 2

        return exchange


@both_shapes
def test_two_ranks_with_half_a_batch_each_equal_one_with_the_whole(shape: tuple[int, ...]) -> None:
    undivided, inputs = drawn_norm(0, 1), some_inputs(shape, 0, 1).requires_grad_()
    halves, ranks = [copy.deepcopy(undivided), copy.deepcopy(undivided)], TwoRanks()
    for rank, norm in enumerate(halves):
        norm.across_ranks, norm.ranks = ranks.average(rank), 2
    with ThreadPoolExecutor(2) as threads:
        outputs = torch.cat(list(threads.map(lambda norm, half: norm(half), halves, inputs.split(3, dim=1))), dim=1)
    expected = undivided(inputs)
    assert close(outputs, expected)
    weights = inputs.detach().sin()
    by_inputs, *by_parameters = torch.autograd.grad(
        (outputs * weights).sum(), [inputs, *halves[0].parameters(), *halves[1].parameters()]
    )
    whole_by_inputs, *whole_by_parameters = torch.autograd.grad(
        (expected * weights).sum(), [inputs, *undivided.parameters()]
    )
    assert close(by_inputs, whole_by_inputs)
    assert all(
        close(one + two, both)
        for one, two, both in zip(by_parameters[:2], by_parameters[2:], whole_by_parameters, strict=True)
    )
    for norm in halves:
        assert close(norm.running_mean, undivided.running_mean)
        assert close(norm.running_variance, undivided.running_variance)


def test_scales_are_drawn_around_one_each_member_from_its_own_stream() -> None:
    norm = BatchNorm(3, 10_000, std=0.02)
    norm.initialise(streams(4, 5, 6))
    alone = BatchNorm(1, 10_000, std=0.02)
    alone.initialise(streams(6))
    assert torch.equal(norm.scale[2], alone.scale[0])
    assert abs(norm.scale.mean().item() - 1) < 1e-3
    assert abs(norm.scale.std().item() / 0.02 - 1) < 0.02
    assert not norm.shift.any()


class OneLayer(Stacked):
    def __init__(self, layer: Layer, members: int) -> None:
        super().__init__()
        self.members, self.layer = members, layer

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs)  # type: ignore[no-any-return]


def normalised(kind: str, *seeds: int) -> OneLayer:
    layers: dict[str, Callable[[], Layer]] = {
        "dense": lambda: Dense(len(seeds), 7, 5),
        "convolution": lambda: Conv2d(len(seeds), 3, 5, 2),
        "transposed": lambda: ConvTranspose2d(len(seeds), 3, 5, 2),
    }
    network = OneLayer(layers[kind](), len(seeds))
    apply_spectral_norm(network)
    network.initialise(streams(*seeds))
    return network


INPUTS = {"dense": (4, 7), "convolution": (4, 3, 6, 6), "transposed": (4, 3, 6, 6)}
OUTPUT_DIM_OF_ONE = {"dense": 1, "convolution": 0, "transposed": 1}  # as torch has them, without the members
every_kind = pytest.mark.parametrize("kind", INPUTS)


def as_matrix(weight: Tensor, kind: str) -> Tensor:
    """One member's weight as torch's spectral norm sees it."""
    return weight.movedim(OUTPUT_DIM_OF_ONE[kind], 0).flatten(1)


@every_kind
def test_after_many_steps_each_members_weight_is_divided_by_its_largest_singular_value(kind: str) -> None:
    network = normalised(kind, 0, 1, 2)
    for _ in range(300):
        network(torch.zeros(3, *INPUTS[kind]))
    for training in (True, False):
        network.train(training)
        weight = network.layer.effective_weight()
        for member_weight, effective in zip(network.layer.weight, weight, strict=True):
            largest = torch.linalg.svdvals(as_matrix(member_weight, kind))[0]
            assert torch.allclose(effective, member_weight / largest, atol=1e-5)


@every_kind
def test_the_gradient_is_that_of_the_weight_divided_by_its_exact_norm(kind: str) -> None:
    network = normalised(kind, 0, 1)
    for _ in range(300):
        network(torch.zeros(2, *INPUTS[kind]))
    exact = network.layer.weight.detach().clone().requires_grad_()
    norms = torch.stack([torch.linalg.matrix_norm(as_matrix(member_weight, kind), ord=2) for member_weight in exact])
    divided = exact / norms.reshape(-1, *[1] * (exact.ndim - 1))
    (expected,) = torch.autograd.grad(divided.pow(3).sum(), exact)
    (gradient,) = torch.autograd.grad(network.layer.effective_weight().pow(3).sum(), network.layer.weight)
    assert torch.allclose(gradient, expected, atol=1e-4)


class PowerIteration(Protocol):
    """The vectors that torch's spectral norm keeps between its steps."""

    _u: torch.Tensor
    _v: torch.Tensor


def power_iteration(layer: torch.nn.Module) -> PowerIteration:
    iteration: PowerIteration = layer.get_submodule("parametrizations.weight.0")  # type: ignore[assignment]
    return iteration


def test_power_iterations_agree_with_torchs_step_by_step() -> None:
    network = normalised("convolution", 0, 1)
    norm = network.layer.spectral_norm
    assert norm is not None
    torchs = [torch.nn.Conv2d(3, 5, 2) for _ in range(2)]
    for member, alone in enumerate(torchs):
        alone.weight.data = network.layer.weight[member].detach().clone()
        torch.nn.utils.parametrizations.spectral_norm(alone)
        matrix, state = as_matrix(network.layer.weight[member].detach(), "convolution"), power_iteration(alone)
        state._v.copy_(F.normalize(matrix.T @ norm.u[member], dim=0))  # torch begins its step half a step later
    for _ in range(3):
        effective = network.layer.effective_weight()
        for member, alone in enumerate(torchs):
            state = power_iteration(alone)
            weight_of_member, v = effective[member], state._v.clone()
            alone.weight  # noqa: B018, reading it makes torch's step: u from v, then v from u
            matrix = as_matrix(network.layer.weight[member], "convolution")
            assert torch.allclose(norm.u[member], state._u, atol=1e-6)
            assert torch.allclose(weight_of_member, network.layer.weight[member] / (state._u @ matrix @ v), atol=1e-6)


@every_kind
def test_a_spectrally_normalised_member_is_bit_identical_alone_and_in_a_stack(kind: str) -> None:
    stacked, alone = normalised(kind, 3, 4, 5), normalised(kind, 5)
    stacked.flatten(), alone.flatten()
    for _ in range(3):
        many, one = stacked.layer.effective_weight(), alone.layer.effective_weight()
        assert torch.equal(many[2], one[0])


def test_evaluation_keeps_the_estimate() -> None:
    network = normalised("dense", 0)
    assert network.layer.spectral_norm is not None
    before = network.layer.spectral_norm.u.clone()
    network.eval()(torch.zeros(1, 4, 7))
    assert torch.equal(network.layer.spectral_norm.u, before)
    assert torch.allclose(before.norm(dim=1), torch.ones(1))
    network.train()(torch.zeros(1, 4, 7))
    assert not torch.equal(network.layer.spectral_norm.u, before)


def test_a_second_forward_leaves_the_firsts_gradient_alone() -> None:
    network, inputs = normalised("convolution", 0, 1), torch.randn(2, 4, 3, 6, 6)
    twin = copy.deepcopy(network)
    (expected,) = torch.autograd.grad(twin(inputs).square().sum(), twin.layer.weight)
    first = network(inputs)
    network(inputs)
    (gradient,) = torch.autograd.grad(first.square().sum(), network.layer.weight)
    assert torch.equal(gradient, expected)


def test_a_members_nan_weight_leaves_the_others_norm_alone() -> None:
    network = normalised("dense", 0, 1, 2)
    network.layer.weight.data[1, 0, 0] = math.nan
    weight = network.layer.effective_weight()
    assert weight[[0, 2]].isfinite().all()
    assert isinstance(network.layer.spectral_norm, SpectralNorm)
    assert network.layer.spectral_norm.u[[0, 2]].isfinite().all()
