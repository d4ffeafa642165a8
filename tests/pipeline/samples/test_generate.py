from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.pixels import to_pixels
from pipeline.raw.acquire import acquire
from pipeline.raw.catalogue import DATASETS
from pipeline.samples import CODE_VERSION
from pipeline.samples.generate import generate, generate_images, latent_seeds
from pipeline.settings import load_optimizers, load_recipes, resolve
from pipeline.storage.artefact import Artefact, publish_artefact, staging_folder
from pipeline.storage.identity import Identity
from pipeline.storage.images import read_images
from pipeline.storage.paths import Paths
from pipeline.tensors.build import build
from pipeline.tensors.load import require_tensors
from pipeline.training.train import train
from pipeline.training.trained import load_generator, read_settings
from tests.identities import Named


@pytest.fixture
def training(named_small_mnist: Path, paths: Paths) -> Artefact:
    acquire(DATASETS["mnist"], paths)
    settings = resolve(load_recipes()["mnist_mlp"], load_optimizers()["adam"], steps=3, members=2)
    return train([settings], build(DATASETS["mnist"], paths), paths)["adam"]


def test_every_member_draws_the_same_seeds_as_uint8(training: Artefact, paths: Paths) -> None:
    images = read_images(generate(training, 7, paths).path("samples.arrow"))
    assert images.pixels.shape == (14, 1, 28, 28)
    assert images.pixels.dtype == np.uint8
    assert images.columns["member"].tolist() == [0] * 7 + [1] * 7
    assert images.columns["latent_seed"].tolist() == list(range(7)) * 2


def test_an_image_depends_on_its_seed_alone_and_not_on_how_many_are_drawn(training: Artefact, paths: Paths) -> None:
    few = read_images(generate(training, 3, paths).path("samples.arrow")).pixels.copy()
    many = read_images(generate(training, 600, paths).path("samples.arrow")).pixels
    assert np.array_equal(few[:3], many[:3])
    assert np.array_equal(few[3:], many[600:603])


def test_images_are_the_generators_own_rounded_to_nearest(training: Artefact, paths: Paths) -> None:
    from pipeline.networks.latents import latents_by_seed

    pixels = read_images(generate(training, 4, paths).path("samples.arrow")).pixels
    latents = torch.from_numpy(latents_by_seed("normal", 100, latent_seeds(0, 4)))
    with torch.no_grad():
        drawn = load_generator(training, torch.device("cpu"))(latents.expand(2, -1, -1))
    difference = np.abs(to_pixels(drawn).numpy().reshape(8, 1, 28, 28).astype(int) - pixels.astype(int))
    assert difference.max() <= 1  # another block size may round a value half-way between two levels the other way
    assert (difference == 0).mean() > 0.999


def test_another_seed_draws_other_images_and_the_same_one_is_kept(training: Artefact, paths: Paths) -> None:
    first = generate(training, 3, paths)
    assert generate(training, 3, paths).cached
    other = generate(training, 3, paths, seed=1)
    assert other.fingerprint != first.fingerprint
    assert not set(latent_seeds(0, 100)) & set(latent_seeds(1, 100))


def test_the_grid_is_a_picture(training: Artefact, paths: Paths) -> None:
    with Image.open(generate(training, 20, paths).path("grid.png")) as picture:
        assert picture.size == (2 * (16 * 28 + 15 * 2), 2 * (3 * 28 + 2 * 2))


def with_diverged(training: Artefact, members: list[int]) -> Artefact:
    with staging_folder(training.folder) as staged:
        for name in training.files:
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            (staged / name).write_bytes(training.path(name).read_bytes())
        return publish_artefact(
            staged, training.folder, Named(f"diverged{members}"), {**training.details, "diverged_members": members}
        )


def test_a_diverged_member_generates_no_images_and_is_named(training: Artefact, paths: Paths) -> None:
    artefact = generate(with_diverged(training, [0]), 5, paths)
    assert artefact.details["members"] == [1]
    assert artefact.details["diverged_members"] == [0]
    assert set(read_images(artefact.path("samples.arrow")).columns["member"]) == {1}


def test_when_all_members_diverged_the_set_is_empty_and_has_no_grid(training: Artefact, paths: Paths) -> None:
    artefact = generate(with_diverged(training, [0, 1]), 5, paths)
    assert (artefact.details["members"], list(artefact.files)) == ([], ["samples.arrow"])
    assert read_images(artefact.path("samples.arrow")).pixels.shape == (0, 1, 28, 28)


def test_no_images_is_not_a_sample_set(training: Artefact, paths: Paths) -> None:
    with pytest.raises(ValueError, match="samples: found 0, expected at least 1"):
        generate(training, 0, paths)


def test_an_average_that_training_did_not_keep_is_one_sentence(training: Artefact, paths: Paths) -> None:
    with pytest.raises(ValueError, match=r"no average of the generator's weights there.*expected 'raw'") as caught:
        generate(training, 3, paths, weights="average")
    assert "\n" not in str(caught.value)


def test_the_average_of_the_weights_draws_images_of_its_own(named_small_mnist: Path, paths: Paths) -> None:
    acquire(DATASETS["mnist"], paths)
    configuration = replace(load_optimizers()["adam"], ema_decay=0.9)
    settings = resolve(load_recipes()["mnist_mlp"], configuration, steps=3, members=2)
    training = train([settings], build(DATASETS["mnist"], paths), paths)["adam"]
    drawn: dict[str, np.ndarray] = {}
    for weights in ("raw", "average", "raw"):
        artefact = generate(training, 3, paths, weights=weights)
        assert artefact.details["weights"] == weights
        pixels = read_images(artefact.path("samples.arrow")).pixels.copy()
        assert np.array_equal(drawn.setdefault(weights, pixels), pixels)
    assert not np.array_equal(drawn["raw"], drawn["average"])
    artefact = generate(training, 3, paths)
    assert (artefact.details["weights"], artefact.cached) == ("average", False)
    assert np.array_equal(read_images(artefact.path("samples.arrow")).pixels, drawn["average"])


def test_samples_of_a_training_without_an_average_have_their_former_bits(training: Artefact, paths: Paths) -> None:
    artefact = generate(training, 5, paths)
    decided_by = {"training": training.fingerprint, "count": 5, "seed": 0, "weights": "raw"}
    assert artefact.fingerprint == Identity("samples", CODE_VERSION, decided_by).fingerprint
    assert generate(training, 5, paths, weights="raw").cached
    facts = ("recipe", "optimizer", "training", "images_a_member", "members", "diverged_members", "seed", "weights")
    assert tuple(artefact.details) == facts


@pytest.mark.parametrize(("decay", "share"), [(0.5, None), (0.95, "77 %")])
def test_an_average_that_is_mostly_the_untrained_network_is_named(
    named_small_mnist: Path, paths: Paths, caplog: pytest.LogCaptureFixture, decay: float, share: str | None
) -> None:
    acquire(DATASETS["mnist"], paths)
    configuration = replace(load_optimizers()["adam"], ema_decay=decay)
    settings = resolve(load_recipes()["mnist_mlp"], configuration, steps=5, members=1)
    training = train([settings], build(DATASETS["mnist"], paths), paths)["adam"]
    generate(training, 3, paths)
    said = "mnist_mlp adam: 77 % of the average of the weights is still the untrained network, after 5 steps"
    assert (said in caplog.text) == (share is not None)
    caplog.clear()
    generate(training, 3, paths, weights="raw")
    assert "untrained" not in caplog.text


def more_members(training: Artefact, paths: Paths, members: int) -> Artefact:
    settings = replace(read_settings(training), members=members)
    return train([settings], require_tensors(paths, "mnist"), paths)["adam"]


def test_images_of_members_that_are_there_are_copied_and_only_those_of_new_members_generated(
    training: Artefact, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_images(generate(training, 7, paths).path("samples.arrow")).pixels.copy()
    generated: list[list[int]] = []
    images_of = generate_images

    def noted(training: Artefact, weights: str, members: np.ndarray, latents: np.ndarray) -> np.ndarray:
        generated.append(members.tolist())
        return images_of(training, weights, members, latents)

    monkeypatch.setattr("pipeline.samples.generate.generate_images", noted)
    four = more_members(training, paths, 4)
    added = generate(four, 7, paths)
    assert generated == [[2, 3]]
    images = read_images(added.path("samples.arrow"))
    assert np.array_equal(images.pixels[:14], before)
    assert images.columns["member"].tolist() == [member for member in range(4) for _ in range(7)]
    assert (added.details["members"], added.details["training"]) == ([0, 1, 2, 3], four.fingerprint)
    at_once = generate(four, 7, paths, force=True)
    assert (at_once.fingerprint, at_once.files) == (added.fingerprint, added.files)


def test_a_set_with_more_members_than_requested_is_accepted(training: Artefact, paths: Paths) -> None:
    first = generate(training, 7, paths, members=1)
    assert (first.details["members"], generate(training, 7, paths, members=1).cached) == ([0], True)
    both = generate(training, 7, paths)
    assert (both.details["members"], both.cached) == ([0, 1], False)
    assert generate(training, 7, paths, members=1) == both
    with pytest.raises(ValueError, match="mnist_mlp adam: found 2 trained members, expected at least 3"):
        generate(training, 7, paths, members=3)


def test_a_set_of_the_same_images_from_an_earlier_training_gets_the_name_of_the_present_one(
    training: Artefact, paths: Paths
) -> None:
    both = generate(training, 7, paths)
    four = more_members(training, paths, 4)
    again = generate(four, 7, paths, members=2)
    assert again.fingerprint == both.fingerprint
    assert (again.files, again.details["training"]) == (both.files, four.fingerprint)
