"""One member of the engine beside a training loop in the style of a PyTorch tutorial."""

import copy
import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pipeline.networks import network_for
from pipeline.networks.layers import Dense, LogitLayer
from pipeline.networks.normalisation import BatchNorm
from pipeline.networks.stacked import Layer
from pipeline.optimizer_kinds import Adam
from pipeline.pixels import to_network
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.training.engine.member import Member
from pipeline.training.engine.stack import Stack
from pipeline.training.engine.training_images import TrainingImages

DIGITS = (1, 28, 28)
FACES = (3, 28, 28)
STEPS = 30

Rule = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
PLAIN: dict[str, list[Rule]] = {
    "sgd": [lambda weights: torch.optim.SGD(weights, 0.01, momentum=0.5)] * 2,
    "adam_ttur": [lambda weights: torch.optim.Adam(weights, 1e-4), lambda weights: torch.optim.Adam(weights, 1e-3)],
    "rmsprop": [lambda weights: torch.optim.RMSprop(weights, 2e-4, alpha=0.9, eps=1e-7)] * 2,
}


def copy_into(plain: nn.Sequential, ours: nn.Module) -> None:
    for target, source in linears_and_denses(plain, ours):
        target.weight.data = as_linear(source)
        target.bias.data = bias_of(source).flatten().clone()


def linears_and_denses(plain: nn.Sequential, ours: nn.Module) -> Iterator[tuple[nn.Linear, Layer]]:
    return zip((layer for layer in plain if isinstance(layer, nn.Linear)), denses(ours), strict=True)


def bias_of(layer: Layer) -> Tensor:
    assert isinstance(layer.bias, Tensor)
    return layer.bias.detach()


def as_linear(layer: Layer) -> Tensor:
    """Return the weight of a layer's only member in the layout of `nn.Linear`: (O, I)."""
    return layer.weight.detach()[0].movedim(layer.OUTPUT_DIM - 1, 0).clone()


@pytest.mark.parametrize("optimizer", PLAIN)
def test_thirty_steps_equal_those_of_a_plain_loop(optimizer: str) -> None:
    pixels = torch.randint(0, 256, (256, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    configuration = load_optimizers()[optimizer]
    if optimizer == "adam_ttur":  # torch has no Adam with Keras' epsilon
        of_generator, of_discriminator = (
            Adam(settings.learning_rate, numerics="torch", epsilon=1e-8)
            for settings in (configuration.generator, configuration.discriminator)
        )
        configuration = replace(configuration, generator=of_generator, discriminator=of_discriminator)
    settings = resolve(load_recipes()["mnist_mlp"], configuration, members=1)
    images = TrainingImages(pixels, torch.device("cpu"))
    stack = Stack([Member(settings, 0)], network_for("mlp", DIGITS), images)
    generator = nn.Sequential(nn.Linear(100, 128), nn.LeakyReLU(0.01), nn.Linear(128, 784), nn.Tanh())
    discriminator = nn.Sequential(nn.Linear(784, 128), nn.LeakyReLU(0.01), nn.Linear(128, 1), nn.Sigmoid())
    copy_into(generator, stack.networks.generator)
    copy_into(discriminator, stack.networks.discriminator)
    for_generator, for_discriminator = (
        make(network.parameters()) for make, network in zip(PLAIN[optimizer], (generator, discriminator), strict=True)
    )
    loss = nn.BCELoss()
    real_labels, fake_labels = torch.ones(64, 1), torch.zeros(64, 1)
    for step in range(STEPS):
        real = to_network(pixels[stack.shuffle.at(step)[0]]).flatten(1)
        latents = stack.latents.at(step)[0]
        for shown, labels in ((real, 0.9 * real_labels), (generator(latents).detach(), fake_labels)):
            for_discriminator.zero_grad()
            loss(discriminator(shown), labels).backward()
            for_discriminator.step()
        for_generator.zero_grad()
        loss(discriminator(generator(latents)), real_labels).backward()
        for_generator.step()
        stack.step(step)
    for plain, ours in ((generator, stack.networks.generator), (discriminator, stack.networks.discriminator)):
        for linear, dense in linears_and_denses(plain, ours):
            difference = (linear.weight - as_linear(dense)).norm() / linear.weight.norm()
            assert difference.item() < 1e-5


@pytest.mark.parametrize("network", ["mlp", "dcgan"])
@pytest.mark.parametrize("penalty", ["gradient_penalty", "r1"])
def test_penalised_steps_equal_those_of_a_plain_loop(network: str, penalty: str) -> None:
    """Wasserstein with SGD; double backward gives gradients of other layouts than a plain backward pass.

    Steps agree to 1e-7, unless an activation crosses a leaky ReLU's kink on one side alone: 1e-5 then. Gradients read
    in the wrong order differ by 1e-2.
    """
    pixels = torch.randint(0, 256, (256, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    resolved = resolve(load_recipes()["mnist_mlp"], load_optimizers()["sgd"], members=1)
    objective = replace(resolved.objective, loss="wasserstein")
    objective = replace(objective, r1=10.0) if penalty == "r1" else replace(objective, gradient_penalty=10.0)
    settings = replace(resolved, network=network, objective=objective)
    stack = Stack([Member(settings, 0)], network_for(network, DIGITS), TrainingImages(pixels, torch.device("cpu")))
    plain = copy.deepcopy(stack.networks.generator), copy.deepcopy(stack.networks.discriminator)
    generator, discriminator = plain
    for_generator, for_discriminator = (torch.optim.SGD(network.parameters(), 0.01, momentum=0.5) for network in plain)
    for step in range(3):
        real = to_network(pixels[stack.shuffle.at(step)])
        generated = generator(stack.latents.at(step))
        stack.step(step)
        for_discriminator.zero_grad()
        on_real = -discriminator(real).mean()
        if penalty == "r1":
            on_real = on_real + 10.0 * slopes(discriminator, real).square().sum(dim=1).mean() / 2
        on_real.backward()
        for_discriminator.step()
        for_discriminator.zero_grad()
        on_generated = discriminator(generated.detach()).mean()
        if penalty == "gradient_penalty":
            noise = stack.noise.buffers[0].numbers[:, :, None, None, None]
            between = noise * real + (1 - noise) * generated.detach()
            on_generated = on_generated + 10.0 * (slopes(discriminator, between).norm(dim=1) - 1).square().mean()
        on_generated.backward()
        for_discriminator.step()
        for_generator.zero_grad()
        (-discriminator(generated).mean()).backward()
        for_generator.step()
    for ours, plain_network in ((stack.networks.generator, generator), (stack.networks.discriminator, discriminator)):
        one, other = (
            torch.cat([parameter.flatten() for parameter in network.parameters()]) for network in (ours, plain_network)
        )
        assert ((one - other).norm() / other.norm()).item() < 1e-4


def slopes(discriminator: nn.Module, images: Tensor) -> Tensor:
    """Return gradients by the images, (B, C * H * W), themselves differentiable."""
    images = images.detach().requires_grad_()
    return torch.autograd.grad(discriminator(images).sum(), images, create_graph=True)[0].flatten(2)[0]


def plain_blog_networks() -> tuple[nn.Sequential, nn.Sequential]:
    """The blog's networks, a quarter as wide, as its Keras model summary lists them."""
    layers: list[nn.Module] = []
    for before, after in ((100, 64), (64, 128), (128, 256)):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.BatchNorm1d(after, eps=1e-3, momentum=0.2)]
    generator = nn.Sequential(*layers, nn.Linear(256, 2352), nn.Tanh())
    judge = (nn.Linear(2352, 128), nn.LeakyReLU(0.2), nn.Linear(128, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    return generator, nn.Sequential(*judge, nn.Sigmoid())


def denses(network: nn.Module) -> list[Layer]:
    return [layer for layer in network.modules() if isinstance(layer, Dense | LogitLayer)]


def pairs(plain: nn.Sequential, ours: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Return every parameter and running statistic of a plain network, with ours of the only member."""
    for linear, dense in linears_and_denses(plain, ours):
        yield linear.weight, as_linear(dense)
        yield linear.bias, bias_of(dense).flatten()
    plain_norms = [layer for layer in plain if isinstance(layer, nn.BatchNorm1d)]
    norms = [layer for layer in ours.modules() if isinstance(layer, BatchNorm)]
    for one, other in zip(plain_norms, norms, strict=True):
        assert one.running_mean is not None and one.running_var is not None
        yield one.weight, other.scale.detach()[0]
        yield one.bias, other.shift.detach()[0]
        yield one.running_mean, other.running_mean[0]
        yield one.running_var, other.running_variance[0]


def take_over(plain: nn.Sequential, ours: nn.Module) -> None:
    for one, other in pairs(plain, ours):
        one.data.copy_(other)


def largest_difference(plain: nn.Sequential, ours: nn.Module) -> float:
    """Return the relative difference of the weights."""
    weights = [(one, other) for one, other in pairs(plain, ours) if one.ndim == 2]
    return max(float(((one - other).norm() / one.norm()).detach()) for one, other in weights)


def test_the_blogs_steps_equal_those_of_a_plain_loop_with_keras_predict() -> None:
    """16 real and 16 predicted images for the discriminator, 32 other latents for the generator.

    Each step starts from equal weights: a drift over many steps may cross a leaky ReLU's kink on one side alone, which
    batch normalisation spreads over the layer.
    """
    pixels = torch.randint(0, 256, (256, *FACES), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    settings = resolve(load_recipes()["celeba_dense"], load_optimizers()["sgd"], members=1, width=64)
    images = TrainingImages(pixels, torch.device("cpu"))
    stack = Stack([Member(settings, 0)], network_for("celeba_dense", FACES, 64), images)
    generator, discriminator = plain_blog_networks()
    take_over(generator, stack.networks.generator)
    take_over(discriminator, stack.networks.discriminator)
    differences = []
    for_generator, for_discriminator = (
        torch.optim.SGD(network.parameters(), 0.01, momentum=0.5) for network in (generator, discriminator)
    )
    loss = nn.BCELoss()
    for step in range(STEPS):
        real = to_network(pixels[stack.shuffle.at(step)[0]]).flatten(1)
        assert stack.generator_latents is not None
        generator.eval()
        predicted = generator(stack.latents.at(step)[0]).detach()
        generator.train()
        for batch, labels in ((real, torch.ones(16, 1)), (predicted, torch.zeros(16, 1))):
            for_discriminator.zero_grad()
            loss(discriminator(batch), labels).backward()
            for_discriminator.step()
        for_generator.zero_grad()
        loss(discriminator(generator(stack.generator_latents.at(step)[0])), torch.ones(32, 1)).backward()
        for_generator.step()
        assert stack.step(step).logits.shape == (1, 16 + 16 + 32)
        networks = (generator, stack.networks.generator), (discriminator, stack.networks.discriminator)
        differences.append(max(largest_difference(*pair) for pair in networks))
        for pair in networks:
            assert all(torch.allclose(one, other, rtol=1e-3, atol=1e-5) for one, other in pairs(*pair))
            take_over(*pair)
    assert statistics.median(differences) < 1e-7
    assert max(differences) < 1e-5
