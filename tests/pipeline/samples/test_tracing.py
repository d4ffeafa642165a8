from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.networks import network_for
from pipeline.networks.layers import Dense, sigmoid
from pipeline.networks.stacked import Stacked
from pipeline.samples.tracing import UnsupportedNetworkError, write_program

NETWORK = network_for("mlp", (1, 28, 28))
EXPECTED_KINDS = {
    "mlp": "dense leaky_relu dense tanh reshape",
    "celeba_dense": "dense leaky_relu scale_shift " * 3 + "dense tanh reshape",
    "dcgan": "dense scale_shift relu reshape conv_transpose2d scale_shift relu conv_transpose2d tanh",
    "mnist_conv": "dense scale_shift leaky_relu reshape "
    + "upsample conv2d scale_shift leaky_relu " * 2
    + "conv2d scale_shift leaky_relu conv2d affine tanh affine affine",
}


@pytest.mark.parametrize("name", EXPECTED_KINDS)
def test_a_program_lists_the_operations_of_the_architecture(name: str) -> None:
    network = network_for(name, (1, 28, 28), 8)
    program = write_program(network.generator(1).eval(), network)
    assert [operation.kind for operation in program.operations] == EXPECTED_KINDS[name].split()
    assert program.operations[-1].shape == program.image_shape == (1, 28, 28)
    assert (program.latent_size, program.latent_distribution) == (100, network.latent_distribution)


class Made(Stacked):
    """A generator of one layer and an operation of a test."""

    def __init__(self, draw: Callable[[Dense, Tensor], Tensor]) -> None:
        super().__init__()
        self.members, self.draw_images = 1, draw
        self.dense = Dense(1, 100, 784)
        self.noise = nn.Parameter(torch.ones(784))

    def forward(self, latents: Tensor) -> Tensor:
        return self.draw_images(self.dense, latents).view(1, -1, 1, 28, 28)


def kinds(draw: Callable[[Dense, Tensor], Tensor]) -> list[str]:
    return [operation.kind for operation in write_program(Made(draw).eval(), NETWORK).operations]


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda dense, latents: nn.Sequential(dense, nn.LeakyReLU(0.1), nn.Sigmoid())(latents), "leaky_relu sigmoid"),
        (lambda dense, latents: torch.relu(dense(latents)).clone(), "relu"),
        (lambda dense, latents: dense(latents).tanh(), "tanh"),
        (lambda dense, latents: sigmoid(dense(latents)), "affine tanh affine affine"),
        (lambda dense, latents: dense(latents).sub_(1) / 3, "affine affine"),
        (lambda dense, latents: dense(latents).unsqueeze(3).flatten(2), ""),
    ],
)
def test_layers_and_functions_of_other_networks_are_known_too(
    draw: Callable[[Dense, Tensor], Tensor], expected: str
) -> None:
    assert kinds(draw) == ["dense", *expected.split(), "reshape"]


def skipping(dense: Dense, latents: Tensor) -> Tensor:
    hidden: Tensor = dense(latents)
    return torch.relu(hidden) + hidden


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (skipping, r"found add\(\) with these arguments"),
        (lambda dense, latents: torch.softmax(dense(latents), 2), r"found softmax\(\)"),
        (lambda dense, latents: torch.cat([dense(latents)]), "found cat of another tensor than the latest result"),
        (lambda dense, latents: dense(latents) * torch.ones(784), r"found mul\(\) with these arguments"),
        (lambda dense, latents: dense(latents).transpose(0, 1), r"found transpose\(\)"),
        (lambda dense, latents: (dense(latents), torch.relu(latents))[0], "found relu of another tensor"),
        (lambda dense, latents: dense(torch.zeros(1, 1, 100)), "found Dense of another tensor"),
        (lambda dense, latents: dense(latents).chunk(1)[0], "found images that do not come from its latents"),
        (lambda dense, latents: torch.zeros(1, 1, 784), "found images that do not come from its latents"),
        (
            lambda dense, latents: F.interpolate(dense(latents).view(1, 1, 28, 28), scale_factor=0.5),
            r"found interpolate\(\) with these arguments",
        ),
    ],
)
def test_an_operation_that_a_program_cannot_express_is_named(
    draw: Callable[[Dense, Tensor], Tensor], message: str
) -> None:
    with pytest.raises(UnsupportedNetworkError, match=f"network mlp: {message}") as caught:
        kinds(draw)
    assert "expected Dense, Conv2d" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_layer_of_another_kind_is_named() -> None:
    class OwnDense(Dense):
        def forward(self, inputs: Tensor) -> Tensor:
            return 2 * super().forward(inputs)

    generator = Made(lambda dense, latents: dense(latents))
    generator.dense = OwnDense(1, 100, 784)
    with pytest.raises(UnsupportedNetworkError, match="found a layer OwnDense in its generator"):
        write_program(generator.eval(), NETWORK)


def test_tracing_leaves_the_generator_as_it_was() -> None:
    generator = NETWORK.generator(1).eval()
    before = {name: values.clone() for name, values in generator.state_dict().items()}
    write_program(generator, NETWORK)
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in generator.modules())
    assert all(np.array_equal(before[name], values) for name, values in generator.state_dict().items())
