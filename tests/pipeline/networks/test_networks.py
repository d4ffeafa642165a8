import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from pipeline.networks import ImageShape, architecture_names, network_for
from pipeline.networks.convolution import Conv2d, ConvTranspose2d
from pipeline.networks.dropout import Dropout
from pipeline.networks.latents import random_latents
from pipeline.networks.stacked import Stacked
from pipeline.tables import SettingsError

DIGITS, FACES, LARGE_FACES = (1, 28, 28), (3, 28, 28), (3, 64, 64)


def streams(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def counted_as_keras_does(network: Stacked) -> int:
    """Return the number of one member's weights and running statistics of batch normalisations."""
    buffers = {name: value for name, value in network.named_buffers() if "running" in name}
    return sum(value[0].numel() for value in (*network.parameters(), *buffers.values()))


@pytest.mark.parametrize(
    ("name", "image_shape", "width", "generator", "discriminator"),
    [
        ("mlp", DIGITS, None, 114_064, 100_609),  # the notebook's printed summary
        ("mnist_conv", DIGITS, None, 2_394_241, 4_311_553),  # Bulten's printed summary
        ("celeba_dense", FACES, None, 3_100_720, 1_336_321),
        ("dcgan", DIGITS, None, 778_241 + 2 * (6272 + 64), 36_577 + 2 * 64),
    ],
)
def test_parameter_counts_are_the_sources(
    name: str, image_shape: ImageShape, width: int | None, generator: int, discriminator: int
) -> None:
    network = network_for(name, image_shape, width)
    assert counted_as_keras_does(network.generator(2)) == generator
    assert counted_as_keras_does(network.discriminator(2)) == discriminator


def test_at_64_pixels_and_width_64_the_dcgan_has_the_papers_layers() -> None:
    network = network_for("dcgan", LARGE_FACES, 64)
    with torch.device("meta"):
        generator, discriminator = network.generator(1), network.discriminator(1)
    drawn = [tuple(layer.weight.shape[1:3]) for layer in generator.modules() if isinstance(layer, ConvTranspose2d)]
    judged = [tuple(layer.weight.shape[1:3]) for layer in discriminator.modules() if isinstance(layer, Conv2d)]
    assert drawn == [(1024, 512), (512, 256), (256, 128), (128, 3)]  # figure 1 of the paper: inputs, outputs
    assert judged == [(64, 3), (128, 64), (256, 128), (512, 256)]  # outputs, inputs


@pytest.mark.parametrize("image_shape", [DIGITS, FACES, (1, 32, 32)])
@pytest.mark.parametrize("name", architecture_names())
def test_every_architecture_draws_and_judges_images_of_the_data_sets_shape_in_its_range(
    name: str, image_shape: ImageShape
) -> None:
    network = network_for(name, image_shape, width=4)
    generator, discriminator = network.generator(2), network.discriminator(2)
    generator.initialise(streams(0, 1))
    discriminator.initialise(streams(2, 3))
    stream = torch.Generator().manual_seed(0)
    latents = random_latents(network.latent_distribution, (2, 5, network.latent_size), stream)
    images = generator(latents)
    assert images.shape == (2, 5, *image_shape)
    low, high = network.value_range
    assert low <= images.min() < images.max() <= high
    assert discriminator(images).shape == (2, 5)
    assert network.has_dropout == any(
        isinstance(layer, Dropout) for layer in (*generator.modules(), *discriminator.modules())
    )


def test_an_unknown_network_names_those_there_are() -> None:
    names = ", ".join(architecture_names())
    with pytest.raises(SettingsError, match=f"network 'layers' does not exist; expected one of: {names}"):
        network_for("layers", DIGITS)


@pytest.mark.parametrize(
    ("name", "image_shape", "said"),
    [
        (
            "dcgan",
            (1, 30, 30),
            "dcgan: found images of 30 x 30 pixels, expected squares of 7 or 4 times a power of two",
        ),
        ("dcgan", (1, 28, 56), "dcgan: found images of 28 x 56 pixels"),
        ("dcgan", (1, 7, 7), "dcgan: found images of 7 x 7 pixels"),
        ("mnist_conv", (1, 30, 28), "mnist_conv: found images of 30 x 28 pixels, expected sides that 4 divides"),
    ],
)
def test_images_a_network_cannot_draw_are_one_sentence(name: str, image_shape: ImageShape, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        network_for(name, image_shape).generator(1)


def in_turn(layers: list[nn.Module], inputs: Tensor) -> Tensor:
    for layer in layers:
        inputs = layer(inputs)
    return inputs


def test_the_blogs_networks_are_its_layers_in_plain_pytorch() -> None:
    """Weights are copied over; batch statistics, epsilon and slopes must then agree."""
    network = network_for("celeba_dense", FACES, width=8)
    generator, discriminator = network.generator(1), network.discriminator(1)
    generator.initialise(streams(0))
    discriminator.initialise(streams(1))
    sizes = [100, 8, 16, 32]
    plain: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        plain += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.BatchNorm1d(after, eps=1e-3, momentum=0.2)]
    plain += [nn.Linear(32, 3 * 28 * 28), nn.Tanh()]
    judge = [nn.Linear(2352, 16), nn.LeakyReLU(0.2), nn.Linear(16, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)]
    with torch.no_grad():
        assert isinstance(generator.hidden, nn.ModuleList)
        denses = [*generator.hidden, generator.output]
        for linear, dense in zip((layer for layer in plain if isinstance(layer, nn.Linear)), denses, strict=True):
            linear.weight.copy_(dense.weight[0].T)
            linear.bias.copy_(dense.bias[0, 0])
        for layer, dense in zip(judge[::2], (discriminator.first, discriminator.second), strict=False):
            layer.weight.copy_(dense.weight[0].T)  # type: ignore[operator,union-attr,index]
            layer.bias.copy_(dense.bias[0, 0])  # type: ignore[operator,union-attr,index]
        judge[4].weight.copy_(discriminator.output.weight[0])  # type: ignore[operator,union-attr,index]
        judge[4].bias.copy_(discriminator.output.bias[0])  # type: ignore[operator,union-attr,index]
    latents = torch.randn(1, 32, 100, generator=torch.Generator().manual_seed(2))
    drawn, expected = generator(latents), in_turn(plain, latents[0])
    assert torch.allclose(drawn[0].flatten(1), expected, atol=1e-5)
    assert torch.allclose(discriminator(drawn)[0], in_turn(judge, expected)[:, 0], atol=1e-4)
    norm = plain[-3]
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    assert torch.allclose(generator.norms[2].running_mean[0], norm.running_mean, atol=1e-5)  # type: ignore[index,union-attr]


def test_bultens_networks_are_its_layers_in_plain_pytorch() -> None:
    network = network_for("mnist_conv", DIGITS, width=2)
    generator, discriminator = network.generator(1), network.discriminator(1)
    generator.initialise(streams(0))
    discriminator.initialise(streams(1))

    def block(before: int, after: int) -> list[nn.Module]:
        norm = nn.BatchNorm2d(after, eps=1e-3, momentum=0.1)
        return [nn.Conv2d(before, after, 5, padding=2), norm, nn.LeakyReLU(0.3)]

    twice = nn.Upsample(scale_factor=2, mode="nearest")
    start = [nn.Linear(100, 784), nn.BatchNorm1d(784, eps=1e-3, momentum=0.1), nn.LeakyReLU(0.3)]
    middle = [nn.Unflatten(1, (16, 7, 7)), twice, *block(16, 8), twice, *block(8, 4), *block(4, 2)]
    plain = [*start, *middle, nn.Conv2d(2, 1, 5, padding=2), nn.Sigmoid()]
    sizes, strides = [1, 4, 8, 16, 32], [2, 2, 2, 1]
    judge: list[nn.Module] = []
    same = [(1, 2, 1, 2), (1, 2, 1, 2), (2, 2, 2, 2), (2, 2, 2, 2)]  # of 28, 14, 7 and 4 cells, as Keras pads them
    for before, after, stride, padding in zip(sizes, sizes[1:], strides, same, strict=False):
        judge += [nn.ZeroPad2d(padding), nn.Conv2d(before, after, 5, stride=stride), nn.LeakyReLU(0.3)]
    judge += [nn.Flatten(), nn.Linear(512, 1)]
    with torch.no_grad():
        plain[0].weight.copy_(generator.dense.weight[0].T)  # type: ignore[operator,union-attr,index]
        plain[0].bias.copy_(generator.dense.bias[0, 0])  # type: ignore[operator,union-attr,index]
        judge[-1].weight.copy_(discriminator.output.weight[0])  # type: ignore[operator,union-attr,index]
        judge[-1].bias.copy_(discriminator.output.bias[0])  # type: ignore[operator,union-attr,index]
        assert isinstance(generator.hidden, nn.ModuleList) and isinstance(discriminator.hidden, nn.ModuleList)
        layers = [*generator.hidden, generator.output, *discriminator.hidden]
        convolutions = [layer for layer in (*plain, *judge) if isinstance(layer, nn.Conv2d)]
        for convolution, stacked in zip(convolutions, layers, strict=True):
            convolution.weight.copy_(stacked.weight[0])
            assert convolution.bias is not None
            convolution.bias.copy_(stacked.bias[0])
    latents = torch.rand(1, 16, 100, generator=torch.Generator().manual_seed(2)) * 2 - 1
    drawn, expected = generator(latents), in_turn(plain, latents[0])
    assert torch.allclose(drawn[0], expected, atol=1e-5)
    assert torch.allclose(discriminator(drawn)[0], in_turn(judge, expected)[:, 0], atol=1e-4)


@pytest.mark.parametrize("name", architecture_names())
def test_a_member_is_the_same_alone_and_in_a_stack(name: str) -> None:
    """Odd batches do not fill the processor's vectors: there some functions of PyTorch round differently."""
    network = network_for(name, DIGITS, width=4)
    stream = torch.Generator().manual_seed(0)
    latents = torch.randn(3, 15, network.latent_size, generator=stream)
    images = torch.rand(3, 15, *DIGITS, generator=stream)
    for make, inputs in ((network.generator, latents), (network.discriminator, images)):
        stacked, alone = make(3), make(1)
        stacked.initialise(streams(1, 2, 3))
        alone.initialise(streams(2))
        for rows in range(3, 16, 2):
            batch = inputs[:, :rows]
            assert torch.equal(stacked(batch)[1], alone(batch[1:2])[0])


def test_a_width_scales_every_layer() -> None:
    narrow, wide = (network_for("mlp", DIGITS, width) for width in (16, 32))
    assert narrow.generator(1).hidden.weight.shape == (1, 100, 16)  # type: ignore[union-attr]
    assert wide.discriminator(1).hidden.weight.shape == (1, math.prod(DIGITS), 32)  # type: ignore[union-attr]
