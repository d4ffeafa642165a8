from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.networks.latents import Distribution, latents_by_seed
from pipeline.pixels import SYMMETRIC, UNIT, to_pixels
from pipeline.samples.browser import browser_generator, decode, encode
from pipeline.samples.interpolation import latent_path
from pipeline.samples.members import one_generator
from pipeline.storage.paths import Paths
from pipeline.training.trained import trained_network
from tests.pipeline.samples.example_training import WIDTHS, untrained_training
from tests.pipeline.samples.javascript import in_chromium, in_node, needs_chromium, needs_node

IMAGES = (
    "data.map(({generator, latents}) => { const prepared = ganforgeGenerator.prepare(generator);"
    "return latents.map((latent) => Array.from(ganforgeGenerator.run(prepared, Float32Array.from(latent)))); })"
)
CLOSE = 1e-4  # of images in [-1, 1]; a step between two levels of a pixel is 7.8e-3


def exported(paths: Paths) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    """Return JavaScript's input for every architecture, with three and four bytes per weight, and PyTorch's images."""
    given, drawn = [], []
    for recipe in WIDTHS:
        training = untrained_training(paths, recipe)
        network = trained_network(training)
        latents = latents_by_seed(network.latent_distribution, 100, np.arange(3))
        with torch.no_grad():
            images = one_generator(training, 1)(torch.from_numpy(latents)[None])[0].flatten(1).numpy()
        assert images.std() > 0.1
        for bytes_per_weight in (3, 4):
            generator = browser_generator(training, 1, bytes_per_weight=bytes_per_weight)
            given.append({"generator": generator.to_json(), "latents": latents.tolist()})
            drawn.append(images)
    return given, drawn


@needs_node
def test_node_draws_the_images_that_pytorch_draws_for_every_architecture(paths: Paths) -> None:
    given, drawn = exported(paths)
    for image, expected in zip(in_node(IMAGES, given), drawn, strict=True):
        assert np.abs(np.array(image) - expected).max() < CLOSE


@pytest.mark.browser
@needs_chromium
def test_chromium_draws_the_images_that_pytorch_draws_for_every_architecture(paths: Paths, tmp_path: Path) -> None:
    given, drawn = exported(paths)
    for image, expected in zip(in_chromium(IMAGES, given, tmp_path), drawn, strict=True):
        assert np.abs(np.array(image) - expected).max() < CLOSE


@pytest.mark.browser
@needs_chromium
def test_chromium_paints_the_pixels_of_an_image_onto_a_canvas(paths: Paths, tmp_path: Path) -> None:
    training = untrained_training(paths, "celeba_dense")
    latents = latents_by_seed("normal", 100, np.arange(1))
    painted = (
        "((generator) => { const context = document.createElement('canvas').getContext('2d');"
        "ganforgeGenerator.paint(context, ganforgeGenerator.run(generator, data.latent), generator, 3, 5);"
        "return Array.from(context.getImageData(3, 5, 28, 28).data); })(ganforgeGenerator.prepare(data.generator))"
    )
    data = {"generator": browser_generator(training, 0).to_json(), "latent": latents[0].tolist()}
    pixels_drawn = np.array(in_chromium(painted, data, tmp_path)).reshape(28, 28, 4)
    with torch.no_grad():
        expected = to_pixels(one_generator(training, 0)(torch.from_numpy(latents)[None])[0, 0]).numpy()
    assert (
        np.abs(pixels_drawn[..., :3] - np.moveaxis(expected, 0, 2).astype(int)).max() <= 1
    )  # float32 sums half-way apart
    assert (pixels_drawn[..., :3] == np.moveaxis(expected, 0, 2)).mean() > 0.99
    assert (pixels_drawn[..., 3] == 255).all()


@needs_node
@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_interpolation_in_javascript_is_that_of_python(distribution: Distribution) -> None:
    first, second = latents_by_seed(distribution, 100, np.array([3, 4]))
    path = (
        "data.places.map((place) => Array.from(ganforgeGenerator.interpolate("
        "Float32Array.from(data.first), Float32Array.from(data.second), place, data.onSphere)))"
    )
    places = np.linspace(0, 1, 9).tolist()
    for end in (second, first):  # from a latent to itself too: there is no direction to turn to
        ends = {"first": first.tolist(), "second": end.tolist()}
        images = in_node(path, {**ends, "places": places, "onSphere": distribution == "normal"})
        assert np.allclose(images, latent_path(first, end, 9, distribution), atol=1e-5)


@needs_node
@pytest.mark.parametrize(("distribution", "deviation"), [("normal", 1.0), ("uniform", 3**-0.5)])
def test_latents_drawn_in_javascript_have_the_distribution_and_depend_on_their_seed_alone(
    distribution: Distribution, deviation: float
) -> None:
    draw = (
        "data.seeds.map((seed) => Array.from(ganforgeGenerator.drawLatent("
        "{latentSize: 100, latentDistribution: data.distribution}, seed)))"
    )
    latents = np.array(in_node(draw, {"seeds": [*range(2000), 7], "distribution": distribution}))
    assert abs(latents.mean()) < 0.01
    assert abs(latents.std() - deviation) < 0.01
    assert distribution == "normal" or np.abs(latents).max() <= 1
    assert np.array_equal(latents[7], latents[-1])
    assert len(np.unique(latents[:-1], axis=0)) == 2000
    correlation = np.corrcoef(latents[:500])[np.triu_indices(500, 1)]
    assert abs(correlation.std() - 0.1) < 0.005  # 1 / √100 for independent rows
    fourth_moment = (latents**4).mean() / latents.var() ** 2
    assert fourth_moment == pytest.approx({"normal": 3.0, "uniform": 1.8}[distribution], rel=0.03)


@needs_node
@pytest.mark.parametrize("value_range", [SYMMETRIC, UNIT])
def test_pixels_in_javascript_are_those_of_python_with_half_way_cases_up(value_range: tuple[float, float]) -> None:
    low, high = value_range
    spread = torch.rand(28 * 28, generator=torch.Generator().manual_seed(0))
    values = low + (spread * 1.2 - 0.1) * (high - low)  # a tenth of them beyond either end
    pixels = (
        "Array.from(ganforgeGenerator.toPixels({imageShape: [1, 28, 28], valueRange: data.range},"
        "Float32Array.from(data.values)))"
    )
    painted = np.array(in_node(pixels, {"range": value_range, "values": values.tolist()})).reshape(-1, 4)
    expected = to_pixels(values, value_range).numpy()
    assert (painted == np.stack([expected, expected, expected, np.full(784, 255)], axis=1)).all()
    black, white, tie = in_node(
        "data.map((value) =>ganforgeGenerator.toPixels({imageShape: [1, 1, 1], valueRange: [0, 255]}, [value])[0])",
        [-1, 256, 2.5],
    )
    assert (black, white, tie) == (0, 255, 3)  # 2.5 goes up; canvases would round it to the even 2


@needs_node
def test_an_input_that_javascript_cannot_use_is_an_error_and_leaves_a_latent_unchanged(paths: Paths) -> None:
    generator = browser_generator(untrained_training(paths, "mnist_mlp"), 0).to_json()
    caught = "(() => { try { %s } catch (error) { return error.message; } })()"
    prepare = "const prepared = ganforgeGenerator.prepare(data);"
    short = in_node(caught % f"{prepare} ganforgeGenerator.run(prepared, new Float32Array(3));", generator)
    assert short == "found a latent of 3 numbers, expected 100"
    unknown = {**generator, "operations": [{"kind": "toString", "shape": [1], "numbers": {}, "weights": {}}]}
    assert in_node(caught % prepare, unknown) == "unknown operation toString"
    twice = (
        f"(() => {{ {prepare} const latent = ganforgeGenerator.drawLatent(prepared, 1), before = latent.slice();"
        "const image = ganforgeGenerator.run(prepared, latent), copy = image.slice();"
        "ganforgeGenerator.run(prepared, ganforgeGenerator.drawLatent(prepared, 2));"
        "const alike = (first, second) => first.every((value, at) => value === second[at]);"
        "return alike(latent, before) && alike(image, copy); })()"
    )
    assert in_node(twice, generator) is True


def test_four_bytes_hold_a_weight_exactly_and_three_to_a_2_24th_of_the_largest() -> None:
    weights = np.random.default_rng(0).standard_normal((50, 3, 4, 4)).astype(np.float32)
    assert np.array_equal(decode(encode(weights, 4), weights.shape), weights)
    largest = np.abs(weights).max()
    rounded = decode(encode(weights, 3), weights.shape)
    assert np.abs(rounded - weights).max() <= largest * 2**-23.5  # and float32's own rounding
    assert np.abs(rounded).max() == largest
    assert not decode(encode(np.zeros(5, np.float32), 3), (5,)).any()


def test_weights_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(ValueError, match="weights hold NaN or infinite values"):
        encode(np.array([1, np.inf], np.float32), 3)


def test_three_bytes_make_the_largest_generator_of_the_blog_fit_a_page(paths: Paths) -> None:
    training = untrained_training(paths, "celeba_dense", members=1, width=256)
    assert browser_generator(training, 0).size_bytes > 16.5e6
    assert 12.3e6 < browser_generator(training, 0, bytes_per_weight=3).size_bytes < 12.5e6
