import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.networks import network_for
from pipeline.settings import TrainingSettings, load_optimizers, load_recipes, resolve
from pipeline.training.engine.ensemble import Ensemble
from pipeline.training.engine.member import Member
from pipeline.training.engine.random_streams import LATENT_BLOCK_STEPS
from pipeline.training.engine.stack import Stack
from pipeline.training.engine.training_images import TrainingImages
from pipeline.training.replay.step import StepInputs

DIGITS = (1, 28, 28)

CPU = torch.device("cpu")
CONFIGURATIONS = ["sgd", "sgd_adam", "adam", "rmsprop", "adam_ttur", "rmsprop_adam"]


@pytest.fixture(scope="module")
def images() -> TrainingImages:
    stream = torch.Generator().manual_seed(0)
    return TrainingImages(torch.randint(0, 256, (300, 1, 28, 28), dtype=torch.uint8, generator=stream), CPU)


def settings(optimizer: str, seed: int = 0, *, network: str = "mlp", **objective: Any) -> TrainingSettings:
    resolved = resolve(load_recipes()["mnist_mlp"], load_optimizers()[optimizer], steps=100, members=2, seed=seed)
    return replace(resolved, network=network, objective=replace(resolved.objective, **objective))


def stack_of(members: list[Member], images: TrainingImages) -> Stack:
    return Stack(members, network_for(members[0].settings.network, DIGITS), images)


def train(stack: Stack, steps: int, start: int = 0) -> Stack:
    for step in range(start, start + steps):
        stack.step(step)
    return stack


def digest(weights: Tensor) -> str:
    return hashlib.sha256(weights.numpy().tobytes()).hexdigest()


def weights(stack: Stack, member: int) -> list[Tensor]:
    return [stack.networks.generator_weights[member], stack.networks.discriminator_weights[member]]


def relative_difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).norm() / other.norm())


def spy_on_updates(stack: Stack) -> list[str]:
    """Return a list that grows by the name of each network that changes; the other network must not change then."""
    changed: list[str] = []
    others = {"generator": stack.networks.discriminator_weights, "discriminator": stack.networks.generator_weights}
    for name, optimizer in (
        ("generator", stack.training.generator_optimizer),
        ("discriminator", stack.training.discriminator_optimizer),
    ):

        def update(gradients: Any, rates: Any, name: str = name, own: Any = optimizer.update) -> None:
            before = digest(others[name])
            own(gradients, rates)
            assert digest(others[name]) == before, f"the update of the {name} touched the other network"
            changed.append(name)

        optimizer.update = update  # type: ignore[method-assign]
    return changed


def test_no_update_of_one_network_touches_the_other_and_the_generator_comes_last(images: TrainingImages) -> None:
    stack = stack_of([Member(settings("adam"), 0)], images)
    changed = spy_on_updates(stack)
    stack.step(0)
    assert changed == ["discriminator", "discriminator", "generator"]


@pytest.mark.parametrize(("update", "rounds", "expected"), [("joint", 1, 1), ("mixed", 1, 1), ("separate", 3, 6)])
def test_the_discriminator_is_updated_as_often_as_the_settings_say(
    images: TrainingImages, update: str, rounds: int, expected: int
) -> None:
    stack = stack_of([Member(settings("adam", discriminator_update=update, n_critic=rounds), 0)], images)
    changed = spy_on_updates(stack)
    stack.step(0)
    assert changed == ["discriminator"] * expected + ["generator"]


def test_every_round_of_the_discriminator_sees_images_and_latents_of_its_own(images: TrainingImages) -> None:
    stack = stack_of([Member(settings("adam", n_critic=3), 0)], images)
    first, second = stack.inputs_at(0), stack.inputs_at(1)
    seen = [*first.images, *second.images], [*first.latents, *second.latents]
    for before in seen:
        assert len({digest(tensor.contiguous()) for tensor in before}) == 6


def test_the_optimizers_update_the_weights_of_the_networks(images: TrainingImages) -> None:
    stack = stack_of([Member(settings("adam"), 0)], images)
    weight = stack.networks.generator.get_parameter("hidden.weight")
    before = weight.detach().clone()
    stack.step(0)
    assert not torch.equal(weight, before)


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set the number of threads: they divide the work of one member differently from that of several."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def expect_the_solo_run(stacked: Stack, number: int, images: TrainingImages, steps: int) -> None:
    """Train one member of a stack alone; its weights must have the same bits."""
    member = stacked.members[number]
    solo = train(stack_of([member], images), steps)
    for alone, together in zip(weights(solo, 0), weights(stacked, number), strict=True):
        assert torch.equal(alone, together), f"{member.settings.optimizer} member {member.index}"


@pytest.mark.parametrize(
    ("threads", "batch_size", "steps"),
    [(1, 64, LATENT_BLOCK_STEPS + 2), (2, 64, 6), (3, 64, 6), (1, 1, 6), (1, 33, LATENT_BLOCK_STEPS + 2), (3, 100, 6)],
    indirect=["threads"],
)
def test_every_member_of_a_mixed_sweep_has_the_weights_of_its_solo_run(
    images: TrainingImages, threads: int, batch_size: int, steps: int
) -> None:
    """Compare bits, also for batch sizes that are not multiples of the processor's vectors."""
    configurations = [replace(settings(key), batch_size=batch_size) for key in CONFIGURATIONS]
    members = [Member(configuration, index) for configuration in configurations for index in range(2)]
    together = train(stack_of(members, images), steps)
    for number in (0, 3, 4, 6, 9, 10):
        expect_the_solo_run(together, number, images, steps)


OBJECTIVES: dict[str, dict[str, Any]] = {
    "least squares, flipped labels": {"loss": "least_squares", "label_flip": 0.1},
    "hinge with spectral norm": {"loss": "hinge", "spectral_norm": True, "real_label": 1.0},
    "Wasserstein with gradient penalty": {"loss": "wasserstein", "n_critic": 2, "gradient_penalty": 10.0},
    "Wasserstein, clipped": {"loss": "wasserstein", "weight_clip": 0.01},
    "minimax with R1, joint": {"loss": "minimax", "r1": 10.0, "discriminator_update": "joint"},
    "latents of the generator's own, images as Keras predicts them": {
        "generator_batch_size": 32,
        "generated_in": "evaluation",
    },
    "noise that fades, mixed batch": {
        "instance_noise": 0.3,
        "instance_noise_steps": 15,
        "discriminator_update": "mixed",
    },
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_members_equal_their_solo_runs_under_every_objective(images: TrainingImages, name: str) -> None:
    configurations = [replace(settings(key, **OBJECTIVES[name]), batch_size=33) for key in ("adam", "rmsprop")]
    members = [Member(configuration, index) for configuration in configurations for index in range(2)]
    together = train(stack_of(members, images), LATENT_BLOCK_STEPS + 2)
    for number in (1, 2):
        expect_the_solo_run(together, number, images, LATENT_BLOCK_STEPS + 2)


def bultens(optimizer: str) -> TrainingSettings:
    """His recipe at a sixteenth of the width and batch, under one of the configurations."""
    recipe, configuration = load_recipes()["mnist_conv"], replace(load_optimizers()[optimizer], batch_size=16)
    resolved = resolve(recipe, configuration, width=2, members=2)
    return replace(resolved, objective=replace(resolved.objective, generator_batch_size=24))


def test_bultens_members_equal_their_solo_runs_with_dropouts_of_their_own() -> None:
    # A bias before a normalisation has no gradient but rounding's, which Adam enlarges.
    stream = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (64, *DIGITS), dtype=torch.uint8, generator=stream)
    network = network_for("mnist_conv", DIGITS, 2)
    images = TrainingImages(pixels, CPU, network.value_range)
    members = [Member(bultens(key), index) for key in ("rmsprop_adam", "rmsprop_adam_tweaked") for index in range(2)]
    batched, ensemble = Stack(members, network, images), Ensemble(members, network, images)
    assert (int(images.pixels.min()), int(images.pixels.max())) == (0, 1)
    assert batched.step(0).logits.shape == ensemble.step(0).logits.shape == (4, 16 + 16 + 24)
    train(batched, 4, start=1)
    for step in range(1, 5):
        ensemble.step(step)
    for number, stack in enumerate(ensemble.stacks):
        for one, stacked in zip(weights(stack, 0), weights(batched, number), strict=True):
            assert relative_difference(one, stacked) < 1e-4
    alone = train(Stack([members[2]], network, images), 5)
    for solo, stacked in zip(weights(alone, 0), weights(batched, 2), strict=True):
        assert relative_difference(stacked, solo) < 1e-4
    other = replace(members[2].settings, dropout=0.4)
    without = train(Stack([Member(other, 0)], network, images), 5)
    assert relative_difference(weights(without, 0)[1], weights(alone, 0)[1]) > 1e-4  # the dropout is at work


def test_members_of_a_convolutional_network_equal_their_solo_runs(images: TrainingImages) -> None:
    members = [Member(settings(key, network="dcgan"), index) for key in ("adam", "sgd") for index in range(2)]
    together = train(stack_of(members, images), 6)
    for member in (0, 3):
        alone = train(stack_of([members[member]], images), 6)
        for solo, stacked in zip(weights(alone, 0), weights(together, member), strict=True):
            assert relative_difference(stacked, solo) < 1e-5


def test_members_keep_their_own_smoothing_flips_and_penalties(images: TrainingImages) -> None:
    one = settings("adam", real_label=0.9, r1=1.0, label_flip=0.3)
    other = settings("adam", real_label=0.7, r1=5.0, label_flip=0.1)
    members = [Member(one, 0), Member(other, 0)]
    together = train(stack_of(members, images), 10).networks.discriminator_weights
    for row, member in enumerate(members):
        alone = train(stack_of([member], images), 10).networks.discriminator_weights
        assert torch.equal(together[row], alone[0])
    assert relative_difference(together[0], together[1]) > 1e-4


def test_a_diverged_member_leaves_the_others_bit_identical(images: TrainingImages) -> None:
    members = [Member(settings("adam"), 0), Member(settings("rmsprop"), 0), Member(settings("rmsprop"), 1)]
    sound, sick = stack_of(members, images), stack_of(members, images)
    sick.networks.discriminator_weights[1, 0] = float("nan")
    train(sound, 5)
    train(sick, 5)
    assert sick.networks.finite_members() == [True, False, True]
    for member in (0, 2):
        assert all(torch.equal(*pair) for pair in zip(weights(sound, member), weights(sick, member), strict=True))


def test_the_average_of_the_generator_is_the_recursive_mean_of_its_weights(images: TrainingImages) -> None:
    stack = stack_of([Member(replace(settings("adam"), ema_decay=0.9), 0)], images)
    expected = stack.networks.generator_weights.clone().double()
    for step in range(5):
        stack.step(step)
        expected = 0.9 * expected + 0.1 * stack.networks.generator_weights.double()
    assert stack.networks.generator_average is not None
    assert torch.allclose(stack.networks.generator_average.double(), expected, rtol=1e-5, atol=1e-8)


def test_clipped_weights_stay_within_their_limit(images: TrainingImages) -> None:
    stack = train(stack_of([Member(settings("adam", loss="wasserstein", weight_clip=0.01), 0)], images), 3)
    assert stack.networks.discriminator_weights.abs().max().item() == pytest.approx(0.01)


def test_bfloat16_trains_near_float32_with_weights_that_stay_float32(images: TrainingImages) -> None:
    full = train(stack_of([Member(settings("adam"), 0)], images), 5)
    half = train(stack_of([Member(replace(settings("adam"), precision="bfloat16"), 0)], images), 5)
    assert half.networks.generator_weights.dtype == torch.float32
    difference = relative_difference(half.networks.generator_weights, full.networks.generator_weights)
    assert 0 < difference < 0.05


def test_the_same_seed_repeats_bit_by_bit_and_another_does_not(images: TrainingImages) -> None:
    runs = [train(stack_of([Member(settings("adam", seed), 0)], images), 5) for seed in (1, 1, 2)]
    assert digest(runs[0].networks.generator_weights) == digest(runs[1].networks.generator_weights)
    assert digest(runs[0].networks.generator_weights) != digest(runs[2].networks.generator_weights)


def test_configurations_are_paired_by_seed(images: TrainingImages) -> None:
    stack = stack_of([Member(settings("adam"), 1), Member(settings("sgd"), 1)], images)
    inputs = stack.inputs_at(3)
    for tensor in (stack.networks.generator_weights, inputs.latents[0], inputs.images[0]):
        assert torch.equal(tensor[0], tensor[1])


def test_a_step_shows_logits_before_its_updates_and_the_norms_of_its_gradients(images: TrainingImages) -> None:
    stack = stack_of([Member(settings("adam"), 0)], images)
    stack.networks.discriminator_weights.zero_()  # undecided: every logit is 0
    outputs = stack.step(0, measure_gradients=True)
    assert outputs.logits.shape == (1, 3 * 64)
    assert not outputs.logits[0, :64].any()
    assert outputs.gradient_norms is not None
    # Of the output's bias alone: real 0.5 - 0.9, moved up by Adam, then generated about 0.5 + something.
    assert outputs.gradient_norms[0].item() == pytest.approx(0.5, rel=0.01)
    assert stack.step(1).gradient_norms is None


def test_a_step_depends_on_nothing_but_its_inputs_and_the_networks(images: TrainingImages) -> None:
    """A CUDA graph relies on this: the same inputs, copied to other memory, give the same step."""
    noisy = settings("adam", instance_noise=0.1, label_flip=0.2, gradient_penalty=1.0)
    one, other = (stack_of([Member(noisy, 0)], images) for _ in range(2))
    for step in range(3):
        inputs: StepInputs = one.inputs_at(step)
        one.training.compute(inputs)
        other.noise.begin(step)
        other.training.compute(inputs.copy())
    assert torch.equal(one.networks.generator_weights, other.networks.generator_weights)
