import hashlib

import pytest
import torch
from torch import Tensor

from pipeline.networks import architecture
from pipeline.settings import TrainingSettings, load_optimizers, load_recipes, resolve
from pipeline.training.engine import Ensemble, Member

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.randint(0, 256, (300, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def settings(optimizer: str, seed: int = 0) -> TrainingSettings:
    return resolve(load_recipes()["mnist_mlp"], load_optimizers()[optimizer], steps=100, members=2, seed=seed)


def ensemble(members: list[Member], pixels: Tensor) -> Ensemble:
    return Ensemble(members, architecture("mlp"), pixels, CPU)


def digest(weights: Tensor) -> str:
    return hashlib.sha256(weights.numpy().tobytes()).hexdigest()


def test_a_generator_step_leaves_the_discriminators_weights_bit_identical(pixels: Tensor) -> None:
    stack = ensemble([Member(settings("adam"), 0)], pixels)
    discriminator, generator = digest(stack.discriminator_weights), digest(stack.generator_weights)
    stack.update_generator(stack.generator(stack.latents.at(0)))
    assert digest(stack.discriminator_weights) == discriminator
    assert digest(stack.generator_weights) != generator


def test_a_discriminator_step_leaves_the_generators_weights_bit_identical(pixels: Tensor) -> None:
    stack = ensemble([Member(settings("adam"), 0)], pixels)
    discriminator, generator = digest(stack.discriminator_weights), digest(stack.generator_weights)
    stack.update_discriminator_on_real(torch.zeros(1, 64, 1, 28, 28))
    stack.update_discriminator_on_generated(stack.generator(stack.latents.at(0)).detach())
    assert digest(stack.generator_weights) == generator
    assert digest(stack.discriminator_weights) != discriminator


def test_the_networks_weights_are_what_the_optimizers_update(pixels: Tensor) -> None:
    stack = ensemble([Member(settings("adam"), 0)], pixels)
    before = stack.generator.hidden.weight.detach().clone()
    stack.step(0)
    assert not torch.equal(stack.generator.hidden.weight, before)


def test_every_member_of_a_mixed_sweep_equals_its_solo_run(pixels: Tensor) -> None:
    keys = ["sgd", "sgd_adam", "adam", "rmsprop", "adam_ttur", "rmsprop_adam"]
    members = [Member(settings(key), index) for key in keys for index in range(2)]
    together = ensemble(members, pixels)
    steps = 60
    for step in range(steps):
        together.step(step)
    for at in (0, 3, 4, 6, 9, 10):
        alone = ensemble([members[at]], pixels)
        for step in range(steps):
            alone.step(step)
        for name in ("generator_weights", "discriminator_weights"):
            solo, stacked = getattr(alone, name)[0], getattr(together, name)[at]
            difference = ((solo - stacked).norm() / solo.norm()).item()
            assert difference < 1e-5, f"{keys[at // 2]} member {at % 2} {name}: relative difference {difference:.1e}"


def test_a_diverged_member_leaves_the_others_bit_identical(pixels: Tensor) -> None:
    members = [Member(settings("adam"), 0), Member(settings("rmsprop"), 0), Member(settings("rmsprop"), 1)]
    sound, sick = ensemble(members, pixels), ensemble(members, pixels)
    sick.discriminator_weights[1, 0] = float("nan")
    for step in range(5):
        sound.step(step)
        sick.step(step)
    assert sick.finite_members() == [True, False, True]
    for at in (0, 2):
        assert torch.equal(sound.generator_weights[at], sick.generator_weights[at])
        assert torch.equal(sound.discriminator_weights[at], sick.discriminator_weights[at])


def test_the_same_seed_repeats_bit_by_bit_and_another_does_not(pixels: Tensor) -> None:
    runs = [ensemble([Member(settings("adam", seed), 0)], pixels) for seed in (1, 1, 2)]
    for stack in runs:
        for step in range(5):
            stack.step(step)
    assert digest(runs[0].generator_weights) == digest(runs[1].generator_weights)
    assert digest(runs[0].generator_weights) != digest(runs[2].generator_weights)


def test_configurations_are_paired_by_seed(pixels: Tensor) -> None:
    stack = ensemble([Member(settings("adam"), 1), Member(settings("sgd"), 1)], pixels)
    assert torch.equal(stack.generator_weights[0], stack.generator_weights[1])
    assert torch.equal(stack.latents.at(3)[0], stack.latents.at(3)[1])
    assert torch.equal(stack.shuffle.at(3)[0], stack.shuffle.at(3)[1])


def test_a_step_reports_the_losses_before_its_updates(pixels: Tensor) -> None:
    stack = ensemble([Member(settings("adam"), 0)], pixels)
    stack.discriminator_weights.zero_()  # undecided: every logit is 0
    values = stack.step(0)
    assert values.discriminator_loss_real.item() == pytest.approx(0.693147, rel=1e-5)
    assert values.real_called_real.item() == 0.0
