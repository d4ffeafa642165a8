"""Untrained: training artefacts with drawn weights, so that every architecture is there without training."""

import json

import torch
from torch import Tensor

from pipeline.networks import Network, network_for
from pipeline.networks.convolution import ConvTranspose2d
from pipeline.networks.normalisation import BatchNorm
from pipeline.networks.stacked import Layer, Stacked
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.storage.artefact import Artefact, publish_artefact, staging_folder
from pipeline.storage.paths import Paths
from pipeline.storage.weights import save_weights
from tests.identities import Named
from tests.pipeline.manifests import training_details

WIDTHS = {"mnist_mlp": 128, "celeba_dense": 32, "mnist_dcgan": 8, "mnist_conv": 4}  # a recipe of every architecture
SHAPES = {"celeba_dense": (3, 28, 28)}


def untrained_training(
    paths: Paths,
    recipe: str,
    optimizer: str = "adam",
    *,
    members: int = 2,
    diverged: tuple[int, ...] = (),
    width: int | None = None,
    average: bool = False,
) -> Artefact:
    """A training artefact of a recipe; `average` adds weights of its own as the running average."""
    width = WIDTHS[recipe] if width is None else width
    settings = resolve(load_recipes()[recipe], load_optimizers()[optimizer], steps=1, width=width, members=members)
    shape = SHAPES.get(recipe, (1, 28, 28))
    network = network_for(settings.network, shape, width)
    with staging_folder(paths.training(recipe, optimizer)) as staged:
        (staged / "settings.json").write_text(json.dumps(settings.to_json()))
        save_weights(staged / "generator.safetensors", random_generator(network, members).state_dict())
        if average:
            save_weights(staged / "generator_average.safetensors", random_generator(network, members, 9).state_dict())
        details = training_details(
            recipe, optimizer, image_shape=list(shape), members=members, diverged_members=list(diverged)
        )
        return publish_artefact(staged, paths.training(recipe, optimizer), Named(f"{recipe} {optimizer}"), details)


def random_generator(network: Network, members: int, seed: int = 0) -> Stacked:
    """Return a generator without its initial numbers 0 and 1, with images that use the whole range."""
    generator = network.generator(members).eval()
    streams = [torch.Generator().manual_seed(100 * seed + member) for member in range(members)]
    generator.initialise(streams)
    for layer in generator.modules():
        if isinstance(layer, BatchNorm):
            for member, stream in enumerate(streams):
                layer.running_mean[member].normal_(0, 0.2, generator=stream)
                layer.running_variance[member].uniform_(0.3, 2, generator=stream)
                layer.scale.data[member].normal_(1, 0.3, generator=stream)
                layer.shift.data[member].normal_(0, 0.3, generator=stream)
        elif isinstance(layer, Layer):
            fan: float = layer.weight[0].numel() / layer.weight.shape[layer.OUTPUT_DIM]
            if isinstance(layer, ConvTranspose2d):
                fan /= layer.stride**2  # a transposed convolution's cell gets a share of the kernel's cells
            for member, stream in enumerate(streams):
                layer.weight.data[member].normal_(0, 1.5 / fan**0.5, generator=stream)
                if isinstance(layer.bias, Tensor):
                    layer.bias.data[member].normal_(0, 0.2, generator=stream)
    return generator
