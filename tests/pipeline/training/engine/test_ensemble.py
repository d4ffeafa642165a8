"""Ensembles of one or more stacks: every operation works on every network, and gives the bits of members alone."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from pipeline.networks import Network, network_for
from pipeline.training.engine.ensemble import Ensemble, stack_sizes
from pipeline.training.engine.member import Member
from pipeline.training.engine.stack import Stack
from pipeline.training.engine.training_images import TrainingImages
from tests.pipeline.training.engine.test_stack import CPU, DIGITS, settings

MLP, DCGAN = network_for("mlp", DIGITS), network_for("dcgan", DIGITS, width=4)


@pytest.fixture(scope="module")
def images() -> TrainingImages:
    stream = torch.Generator().manual_seed(0)
    return TrainingImages(torch.randint(0, 256, (300, *DIGITS), dtype=torch.uint8, generator=stream), CPU)


@pytest.fixture(params=["mlp", "dcgan"])
def network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network for which the members below are in several stacks: dense ones of two, convolutional ones of one."""
    monkeypatch.setattr("pipeline.training.engine.ensemble.DENSE_STACK", 2)
    return MLP if request.param == "mlp" else DCGAN


def members_of(network: Network) -> list[Member]:
    """Return two members of two configurations, all with averages."""
    by_key = {key: replace(settings(key, network=network.name), ema_decay=0.9) for key in ("adam", "sgd")}
    return [Member(by_key[key], index) for key in by_key for index in range(2)]


def train(ensemble: Ensemble | Stack, steps: int, start: int = 0) -> None:
    for step in range(start, start + steps):
        ensemble.step(step)


def expect_equal_states(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert set(one) == set(other)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def test_every_operation_gives_each_member_the_bits_it_has_alone(images: TrainingImages, network: Network) -> None:
    members = members_of(network)
    ensemble, solos = Ensemble(members, network, images), [Ensemble([member], network, images) for member in members]
    assert len(ensemble.stacks) > 1
    for trained in (ensemble, *solos):
        train(trained, 3)
    stream = torch.Generator().manual_seed(1)
    latents = torch.randn(4, 5, network.latent_size, generator=stream)
    given = torch.rand(4, 5, *DIGITS, generator=stream) * 2 - 1
    with ensemble.eval_mode():
        outputs = ensemble.generate(latents), ensemble.generate_scored(latents), ensemble.discriminate(given)
    assert [tuple(output.shape) for output in outputs] == [(4, 5, *DIGITS), (4, 5, *DIGITS), (4, 5)]
    assert not any(output.requires_grad for output in outputs)
    for number, solo in enumerate(solos):
        row = slice(number, number + 1)
        with solo.eval_mode():
            alone = solo.generate(latents[row]), solo.generate_scored(latents[row]), solo.discriminate(given[row])
        for output, expected in zip(outputs, alone, strict=True):
            assert torch.equal(output[row], expected)
        expect_equal_states(ensemble.state(number), solo.state(0))
        expect_equal_states(ensemble.network_state(number), solo.network_state(0))
    assert ensemble.finite_members() == [True] * 4
    assert torch.equal(ensemble.real_label, torch.cat([solo.real_label for solo in solos]))


def test_inputs_of_a_step_are_those_of_the_members_alone(images: TrainingImages, network: Network) -> None:
    members = members_of(network)
    by_stack = Ensemble(members, network, images).inputs_at(7)
    (alone,) = Ensemble(members[3:], network, images).inputs_at(7)
    for ours, expected in ((by_stack[-1].latents, alone.latents), (by_stack[-1].images, alone.images)):
        assert torch.equal(ours[0][-1], expected[0][0])
    assert torch.equal(by_stack[-1].rates[..., -1], alone.rates[..., 0])


def test_in_eval_mode_a_network_follows_no_batch_and_afterwards_it_trains_again(images: TrainingImages) -> None:
    ensemble = Ensemble(members_of(DCGAN), DCGAN, images)
    before = {name: value.clone() for name, value in ensemble.network_state(1).items()}
    with ensemble.eval_mode():
        ensemble.generate(torch.ones(4, 5, DCGAN.latent_size))
    expect_equal_states(ensemble.network_state(1), before)
    assert all(stack.networks.generator.training for stack in ensemble.stacks)


def test_states_are_loaded_into_and_copied_from_any_stack(images: TrainingImages, network: Network) -> None:
    trained, fresh = (Ensemble(members_of(network), network, images) for _ in range(2))
    train(trained, 3)
    for number in range(4):
        fresh.load(number, trained.state(number))
    copies = {name: value.new_empty(4, *value.shape[1:]) for name, value in fresh.network_state(0).items()}
    fresh.copy_network_states(copies)
    for number in range(4):
        row = {name: value[number : number + 1] for name, value in copies.items()}
        expect_equal_states(row, trained.network_state(number))
    train(trained, 2, start=3)
    train(fresh, 2, start=3)
    for number in range(4):
        expect_equal_states(fresh.state(number), trained.state(number))


def test_a_member_that_does_not_exist_is_named(images: TrainingImages) -> None:
    with pytest.raises(IndexError, match="found member 4 of 4"):
        Ensemble(members_of(DCGAN), DCGAN, images).state(4)


def test_an_ensemble_of_several_stacks_equals_one_batched_stack(images: TrainingImages) -> None:
    members = [Member(settings(key, network="dcgan"), index) for key in ("adam", "sgd") for index in range(2)]
    ensemble, batched = Ensemble(members, DCGAN, images), Stack(members, DCGAN, images)
    outputs = ensemble.step(0, measure_gradients=True), batched.step(0, measure_gradients=True)
    assert all(output.penalty is None for output in outputs)
    for name in ("logits", "gradient_norms"):
        torch.testing.assert_close(*(getattr(output, name) for output in outputs))
    train(ensemble, 2, start=1)
    train(batched, 2, start=1)
    for number in range(4):
        torch.testing.assert_close(ensemble.state(number), batched.state(slice(number, number + 1)))
    smaller = ensemble.without([1])
    assert [member.index for member in smaller.members] == [0, 0, 1]
    expect_equal_states(smaller.state(2), ensemble.state(3))


def test_on_a_cpu_convolutional_members_have_one_stack_each_and_dense_ones_equal_shares() -> None:
    assert stack_sizes(3, DCGAN, CPU) == [1, 1, 1]
    assert stack_sizes(30, DCGAN, torch.device("cuda")) == [30]
    sizes = {members: stack_sizes(members, MLP, CPU) for members in (1, 9, 11, 13, 24, 25)}
    assert sizes == {1: [1], 9: [9], 11: [11], 13: [7, 6], 24: [8, 8, 8], 25: [9, 8, 8]}


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_dense_stacks_that_train_in_turn_equal_one_stack(
    images: TrainingImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three partitions of two members in stacks of three, then without one of them."""
    monkeypatch.setattr("pipeline.training.engine.ensemble.DENSE_STACK", 3)
    members = [Member(settings(key), index) for key in ("adam", "sgd", "rmsprop") for index in range(2)]
    ensemble, batched = Ensemble(members, MLP, images), Stack(members, MLP, images)
    assert [len(stack.members) for stack in ensemble.stacks] == [3, 3]
    for step in range(4):
        assert torch.equal(ensemble.step(step).logits, batched.step(step).logits)
    for number in range(6):
        expect_equal_states(ensemble.state(number), batched.state(slice(number, number + 1)))
    smaller = ensemble.without([3])
    assert [len(stack.members) for stack in smaller.stacks] == [3, 2]  # as a resumed run has them
    for step in range(4, 8):
        rows = [0, 1, 2, 4, 5]
        assert torch.equal(smaller.step(step).logits, batched.step(step).logits[rows])


def test_states_of_one_stack_are_loaded_into_several_and_copied_from_them(
    images: TrainingImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.training.engine.ensemble.DENSE_STACK", 3)
    members = [Member(settings(key), index) for key in ("adam", "sgd", "rmsprop") for index in range(2)]
    ensemble, batched = Ensemble(members, MLP, images), Stack(members, MLP, images)
    train(batched, 3)
    for number in range(6):
        ensemble.load(number, batched.state(slice(number, number + 1)))
    expected = batched.networks.state(slice(0, 6))
    copies = {name: torch.empty_like(value) for name, value in expected.items()}
    ensemble.copy_network_states(copies)
    expect_equal_states(copies, expected)
    for step in range(3, 6):
        assert torch.equal(ensemble.step(step).logits, batched.step(step).logits)


def test_the_members_that_stay_continue_with_the_same_bits(images: TrainingImages) -> None:
    members = [Member(settings(key), index) for key in ("adam", "rmsprop") for index in range(2)]
    ensemble = Ensemble(members, MLP, images)
    train(ensemble, 5)
    smaller = ensemble.without([1])
    train(smaller, 5, start=5)
    train(ensemble, 5, start=5)
    assert [member.index for member in smaller.members] == [0, 0, 1]
    for new, old in enumerate((0, 2, 3)):
        expect_equal_states(smaller.state(new), ensemble.state(old))
