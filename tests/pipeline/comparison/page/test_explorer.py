import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.comparison.page.drawing import draw_values
from pipeline.comparison.page.entries import PageEntry
from pipeline.comparison.page.explorer import gather_explorer
from pipeline.samples.browser import browser_generator
from pipeline.samples.generate import first_latents
from pipeline.samples.members import one_generator
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths
from tests.pipeline.samples.example_training import untrained_training

PLENTY = 10_000_000


def floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_directions_are_unit_vectors_that_move_the_first_layer_most(entries: list[PageEntry]) -> None:
    best = gather_explorer(entries, PLENTY)["generators"][entries[0].key]
    directions = np.stack([floats(direction) for direction in best["directions"]]).astype(np.float64)
    weight = browser_generator(entries[0].training(), 0).program.operations[0].weights["weight"].astype(np.float64)
    largest = np.sqrt(np.linalg.eigvalsh(weight @ weight.T)[::-1][:5])
    assert np.linalg.norm(directions, axis=1) == pytest.approx(np.ones(5), abs=1e-6)
    assert np.linalg.norm(directions @ weight, axis=1) == pytest.approx(largest, rel=1e-5)


def test_all_of_the_explorer_comes_from_one_member(entries: list[PageEntry], second_alone: PageEntry) -> None:
    (generator,) = gather_explorer([second_alone], PLENTY)["generators"].values()
    assert generator["member"] == 1
    assert generator["generator"] == browser_generator(second_alone.training(), 1).to_json()
    latents = first_latents(second_alone.training(), 0, 2)
    assert np.array_equal(np.stack([floats(image) for image in generator["start"]]), latents)
    drawn = draw_values(one_generator(second_alone.training(), 1), latents[:1])
    assert np.array_equal(floats(generator["check"]), drawn.ravel())
    assert not np.array_equal(draw_values(one_generator(entries[0].training(), 0), latents[:1]), drawn)


@pytest.mark.parametrize(("recipe", "ends"), [("mnist_conv", [0, 1]), ("mnist_mlp", [-1, 1])])
def test_the_browser_paints_in_the_range_that_the_network_draws_in(
    paths: Paths, entries: list[PageEntry], recipe: str, ends: list[int]
) -> None:
    training = replace(untrained_training(paths, recipe, "rmsprop"), fingerprint=entries[0].training().fingerprint)
    (generator,) = gather_explorer([replace(entries[0], stored_training=training)], PLENTY)["generators"].values()
    assert generator["generator"]["value_range"] == ends
    assert ends[0] <= floats(generator["check"]).min() < ends[0] + 0.5 < floats(generator["check"]).max() <= ends[1]


def test_the_explorer_has_weights_directions_and_images_from_pytorch(entries: list[PageEntry]) -> None:
    best = gather_explorer(entries, PLENTY)["generators"][entries[0].key]
    assert best["generator"] == browser_generator(entries[0].training(), 0).to_json()
    directions = np.stack([floats(direction) for direction in best["directions"]])
    assert directions.shape == (5, 100)
    assert directions @ directions.T == pytest.approx(np.eye(5), abs=1e-5)
    assert floats(best["start"][0]) == pytest.approx(first_latents(entries[0].training(), 0, 1)[0])
    drawn = floats(best["check"]).reshape(28, 28)
    first = read_images(entries[0].samples().path("samples.arrow")).pixels[0, 0]
    assert np.abs((drawn + 1) * 127.5 - first).max() <= 0.51


def test_the_best_configurations_come_first_while_the_budget_lasts(entries: list[PageEntry]) -> None:
    size_bytes = browser_generator(entries[0].training(), 0).size_bytes
    explorer = gather_explorer(entries, int(1.5 * size_bytes))
    assert list(explorer["generators"]) == [entries[0].key]
    assert explorer["missing"][entries[1].key] == "its weights take 0.6 MB, and the page has 0.3 MB left"
    assert explorer["too_large"] == [entries[1].key]


def test_large_generators_have_weights_of_three_bytes(
    entries: list[PageEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = len(json.dumps(gather_explorer(entries, PLENTY)))
    monkeypatch.setattr("pipeline.comparison.page.explorer.FOUR_BYTES_LIMIT", 0)
    assert len(json.dumps(gather_explorer(entries, PLENTY))) == pytest.approx(0.75 * wide, rel=0.02)
