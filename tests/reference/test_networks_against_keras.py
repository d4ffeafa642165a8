"""The sources' Keras models, built with Keras itself, beside ours: parameter counts and outputs.

Skipped if Keras is not installed, because it is no dependency.
"""

import importlib
import importlib.util
import logging
import os
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.networks import network_for
from pipeline.networks.stacked import Stacked

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("keras") is None, reason="needs Keras 3 (pip install keras)"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # inside Keras
]

DIGITS = (1, 28, 28)


@pytest.fixture(scope="module")
def keras() -> Any:
    """Import Keras over PyTorch and remove its handler of standard error, which pytest closes."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    handlers = list(logging.root.handlers)
    imported = importlib.import_module("keras")
    logging.root.handlers[:] = handlers
    return imported


def bultens_generator(keras: Any, width: int) -> Any:
    layers = keras.layers

    def block(filters: int) -> list[Any]:
        convolution = layers.Conv2D(filters, 5, padding="same")
        return [convolution, layers.BatchNormalization(momentum=0.9), layers.LeakyReLU(0.3)]

    start = [layers.Dense(7 * 7 * 8 * width), layers.BatchNormalization(momentum=0.9), layers.LeakyReLU(0.3)]
    middle = [layers.Reshape((7, 7, 8 * width)), layers.Dropout(0.4), layers.UpSampling2D(), *block(4 * width)]
    end = [layers.UpSampling2D(), *block(2 * width), *block(width), layers.Conv2D(1, 5, padding="same")]
    return keras.Sequential([keras.Input((100,)), *start, *middle, *end, layers.Activation("sigmoid")])


def bultens_discriminator(keras: Any, width: int) -> Any:
    layers = keras.layers
    hidden: list[Any] = []
    for index, (multiple, stride) in enumerate([(2, 2), (4, 2), (8, 2), (16, 1)]):
        hidden += [layers.Conv2D(multiple * width, 5, strides=stride, padding="same"), layers.LeakyReLU(0.3)]
        hidden += [layers.Dropout(0.4)] if index else []
    return keras.Sequential([keras.Input((28, 28, 1)), *hidden, layers.Flatten(), layers.Dense(1)])


def test_keras_counts_the_sources_parameters(keras: Any) -> None:
    assert bultens_generator(keras, 32).count_params() == 2_394_241
    assert bultens_discriminator(keras, 32).count_params() == 4_311_553


def drawn(network: Stacked, seed: int) -> Stacked:
    network.initialise([torch.Generator().manual_seed(seed)])
    return network.eval()


def kernel(convolution: Any) -> np.ndarray:
    """Transpose (O, I, k, k) to Keras' (k, k, I, O)."""
    weights: np.ndarray = convolution.weight[0].detach().permute(2, 3, 1, 0).numpy()
    return weights


def of_kind(model: Any, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_bultens_generator_gives_the_same_images_as_keras(keras: Any) -> None:
    ours, model = drawn(network_for("mnist_conv", DIGITS, 4).generator(1), 0), bultens_generator(keras, 4)
    (dense,) = of_kind(model, keras.layers.Dense)
    weight = ours.dense.weight[0].detach().view(100, 32, 7, 7)  # type: ignore[union-attr,index]
    dense.set_weights([weight.permute(0, 2, 3, 1).reshape(100, -1).numpy(), np.zeros(7 * 7 * 32)])  # channels last
    assert isinstance(ours.hidden, nn.ModuleList)
    our_layers = [*ours.hidden, ours.output]
    for theirs, convolution in zip(of_kind(model, keras.layers.Conv2D), our_layers, strict=True):
        theirs.set_weights([kernel(convolution), convolution.bias[0].detach().numpy()])
    latents = torch.rand(5, 100, generator=torch.Generator().manual_seed(1)) * 2 - 1
    expected = np.moveaxis(np.asarray(model.predict(latents.numpy(), verbose=0)), -1, 1)
    with torch.no_grad():
        assert np.allclose(ours(latents[None])[0].numpy(), expected, atol=1e-5)


def test_bultens_discriminator_judges_as_keras_does_with_its_padding(keras: Any) -> None:
    ours, model = drawn(network_for("mnist_conv", DIGITS, 4).discriminator(1), 0), bultens_discriminator(keras, 4)
    for theirs, convolution in zip(of_kind(model, keras.layers.Conv2D), ours.hidden, strict=True):  # type: ignore[arg-type]
        theirs.set_weights([kernel(convolution), convolution.bias[0].detach().numpy()])
    (dense,) = of_kind(model, keras.layers.Dense)
    weight = ours.output.weight[0, 0].detach().view(64, 4, 4)  # type: ignore[union-attr,index]
    dense.set_weights([weight.permute(1, 2, 0).reshape(-1, 1).numpy(), np.zeros(1)])
    images = torch.rand(5, *DIGITS, generator=torch.Generator().manual_seed(1))
    expected = np.asarray(model.predict(np.moveaxis(images.numpy(), 1, -1), verbose=0))[:, 0]
    with torch.no_grad():
        assert np.allclose(ours(images[None])[0].numpy(), expected, atol=1e-5)


def test_the_blogs_generator_gives_the_images_of_keras_after_a_training_step(keras: Any) -> None:
    """Running statistics agree too: Keras' momentum of 0.8 and epsilon of 1e-3."""
    ours = drawn(network_for("celeba_dense", (3, 28, 28), 8).generator(1), 0)
    hidden: list[Any] = []
    for size in (8, 16, 32):
        hidden += [keras.layers.Dense(size), keras.layers.LeakyReLU(0.2), keras.layers.BatchNormalization(momentum=0.8)]
    model = keras.Sequential([keras.Input((100,)), *hidden, keras.layers.Dense(2352, activation="tanh")])
    assert isinstance(ours.hidden, nn.ModuleList)
    our_layers = [*ours.hidden, ours.output]
    for theirs, dense in zip(of_kind(model, keras.layers.Dense), our_layers, strict=True):
        theirs.set_weights([dense.weight[0].detach().numpy(), dense.bias[0, 0].detach().numpy()])
    latents = torch.randn(256, 100, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model(latents.numpy(), training=True)
        ours.train()(latents[None])
        ours.eval()
        expected = np.asarray(model.predict(latents.numpy(), verbose=0))
        # Keras follows the biased variance: with 256 images the difference is a 256th of a fifth of it.
        assert np.allclose(ours(latents[None])[0].flatten(1).numpy(), expected, atol=2e-3)
